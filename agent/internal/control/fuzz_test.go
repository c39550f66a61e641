package control

import (
	"encoding/json"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/rackswarm/rackswarm/agent/internal/fleet"
	"github.com/rackswarm/rackswarm/core/api"
)

// FuzzDecode: whatever the body of a request, the answer is what it says or an
// error that says what to do, and what was understood can be checked and said
// again.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{"name":"d","digest":"sha256:` + strings.Repeat("ab", 32) + `","path":"/srv/d","selector":{"locations":["a/b"],"labels":{"x":"y"}},"state":"present"}`,
		`{"source":"/srv/x","piece_size":65536,"expect":{"boot_id":"x","device":1,"inode":2}}`,
		`{"source":"https://h/x","headers":{"A":"b"},"checksum":"sha256:00"}`,
		`{"hooks":{"before":["a"]},"activate":"together","generation":-1,"created_at":"2000-01-01T00:00:00Z"}`,
		`{} {}`, `[]`, `{"name":1}`, `{"nam":""}`, ``, `{"a":`, "\x00", `{"piece_size":1e99}`,
	} {
		f.Add(seed)
	}
	nodes := []api.Node{{Name: "n", Location: "a/b", Labels: map[string]string{"x": "y"}, Alive: true}}
	f.Fuzz(func(t *testing.T, body string) {
		var d api.Distribution
		if err := decodeText(t, body, &d); err == nil {
			wantUserError(t, body, fleet.Admit(d, map[string]api.Distribution{"d": {Name: "d", Path: "/srv/d"}}, nodes))
		}
		var p api.PublishRequest
		if err := decodeText(t, body, &p); err == nil {
			wantUserError(t, body, checkPieceSize(p.PieceSize))
		}
	})
}

func decodeText(t *testing.T, body string, into any) error {
	err := decode(httptest.NewRecorder(), httptest.NewRequest("PUT", "/", strings.NewReader(body)), into)
	wantUserError(t, body, err)
	if err == nil {
		if _, err := json.Marshal(into); err != nil {
			t.Fatalf("%q: cannot be said again: %v", body, err)
		}
	}
	return err
}

func wantUserError(t *testing.T, body string, err error) {
	var e *api.Error
	if err != nil && (!errors.As(err, &e) || e.Message == "" || e.Fix == "") {
		t.Fatalf("%q: error %v", body, err)
	}
}
