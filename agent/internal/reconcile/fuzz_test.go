package reconcile

import (
	"encoding/json"
	"testing"

	"github.com/rackswarm/rackswarm/core/api"
)

// FuzzState: whatever the state files hold, a plan comes out of it, and what was
// read can be written.
func FuzzState(f *testing.F) {
	const digest = "sha256:abababababababababababababababababababababababababababababababab"
	f.Add([]byte(`{"name":"d","wanted":{"name":"d","path":"/srv/d"},"standing":{"name":"d","digest":"`+digest+`","path":"/srv/d"},"drifted":true,"status":{"phase":"installed"}}`),
		[]byte(`{"store":"s","distributions":[{"name":"d","digest":"`+digest+`","path":"/srv/d","state":"present","generation":3}],"artifacts":{"`+digest+`":{"digest":"`+digest+`"}}}`),
		[]byte(`[{"digest":"`+digest+`","path":"/srv/x"}]`))
	f.Add([]byte(`{"name":"d","leftover":{},"trial":{},"removed":true,"store":"s"}`), []byte(`{"distributions":[{"name":"e","state":"absent"},{"name":"e"}]}`), []byte(`[{"digest":"x"}]`))
	f.Add([]byte(`null`), []byte(`null`), []byte(`null`))
	f.Add([]byte(``), []byte(`{`), []byte(`[1]`))
	f.Fuzz(func(t *testing.T, record, wanted, sources []byte) {
		var r Record
		var d desired
		var s []sourceRecord
		if json.Unmarshal(record, &r) != nil || json.Unmarshal(wanted, &d) != nil {
			return
		}
		if json.Unmarshal(sources, &s) == nil {
			again(t, s)
		}
		again(t, r)
		again(t, d)
		recall(&r)
		w := World{Node: api.Node{Name: "n", Location: "a/b"}, Store: d.Store, Distributions: d.Distributions,
			Records: map[string]*Record{r.Name: &r}, Artifacts: d.Artifacts}
		for name, task := range Plan(w) {
			if task == nil {
				t.Fatalf("nothing is planned for %q", name)
			}
		}
	})
}

func again(t *testing.T, v any) {
	if _, err := json.Marshal(v); err != nil {
		t.Fatalf("%+v cannot be written: %v", v, err)
	}
}
