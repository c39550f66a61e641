package module

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
)

var digest = "sha256:" + strings.Repeat("ab", 32)

func TestParseOptions(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       options
	}{
		{"least", `{"name":"app","digest":"` + digest + `","dest":"/srv/app"}`,
			options{want: api.Distribution{Name: "app", Digest: digest, Path: "/srv/app"}, wait: true, timeout: time.Hour}},
		{"everything", `{"name":"app","src":"/build/app","dest":"/srv/app","locations":["ams1","esy/r2"],"labels":{"role":"web","tier":1},
			"node_names":"a, b","owner":"www-data","group":33,"mode":"0755","overwrite":"yes","wait":"no","timeout":"90","state":"present",
			"endpoint":"https://a:7422","ca_path":"ca","client_cert":"cert","client_key":"key",
			"_ansible_check_mode":true,"_ansible_diff":true,"_ansible_verbosity":3,"_ansible_socket":null}`,
			options{src: "/build/app", timeout: 90 * time.Second, endpoint: "https://a:7422", ca: "ca", cert: "cert", key: "key", checkMode: true, addDiff: true,
				want: api.Distribution{Name: "app", Path: "/srv/app", Owner: "www-data", Group: "33", Mode: "0755", Overwrite: true,
					Selector: api.Selector{Locations: []string{"ams1", "esy/r2"}, Labels: map[string]string{"role": "web", "tier": "1"}, NodeNames: []string{"a", "b"}}}}},
		{"absent needs the name alone", `{"name":"app","state":"absent","dest":null}`,
			options{want: api.Distribution{Name: "app"}, absent: true, wait: true, timeout: time.Hour}},
	} {
		got, err := parseOptions([]byte(c.text))
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, %v, want %+v", c.name, got, err, c.want)
		}
	}
}

func TestParseOptionsRejects(t *testing.T) {
	with := func(more string) string {
		return `{"name":"app","digest":"` + digest + `","dest":"/srv/app"` + more + `}`
	}
	for name, c := range map[string]struct{ text, subject, want string }{
		"not JSON":           {`name=app`, "", "not a JSON object"},
		"no name":            {`{"digest":"x","dest":"/srv/app"}`, "name", "missing"},
		"neither src nor":    {`{"name":"app","dest":"/srv/app"}`, "src", "either src or digest"},
		"both":               {with(`,"src":"/x"`), "src", "either src or digest"},
		"relative src":       {`{"name":"app","src":"x","dest":"/srv/app"}`, "src", "not absolute"},
		"no dest":            {`{"name":"app","src":"/x"}`, "dest", "missing"},
		"relative dest":      {strings.Replace(with(""), "/srv", "srv", 1), "path", "not absolute"},
		"a cut digest":       {strings.Replace(with(""), "abab", "ab", 1), "digest", "not a digest"},
		"unknown":            {with(`,"destination":"/x"`), "destination", "the options are ca_path, client_cert"},
		"unquoted mode":      {with(`,"mode":420`), "mode", "quote it"},
		"impossible mode":    {with(`,"mode":"u+x"`), "mode", "octal"},
		"state":              {with(`,"state":"gone"`), "state", "present, absent"},
		"flag":               {with(`,"wait":"perhaps"`), "wait", "neither true nor false"},
		"timeout":            {with(`,"timeout":"-1"`), "timeout", "number of seconds"},
		"timeout in words":   {with(`,"timeout":"10m"`), "timeout", "number of seconds"},
		"list of numbers":    {with(`,"locations":[1]`), "locations", "list of texts"},
		"labels as list":     {with(`,"labels":["a"]`), "labels", "wrong type"},
		"label of a list":    {with(`,"labels":{"a":[]}`), "labels", "label a"},
		"text that is a map": {with(`,"owner":{}`), "owner", "not a text"},
	} {
		_, err := parseOptions([]byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.subject) {
			t.Errorf("%s: error %v, want one of %q with %q", name, err, c.subject, c.want)
		}
	}
}

// Whatever is in the file, the answer is options or an error; what is accepted
// has a name, and a valid destination if it asks for content.
func FuzzParseOptions(f *testing.F) {
	f.Add([]byte(`{"name":"app","digest":"` + digest + `","dest":"/srv/app","labels":{"a":1},"mode":"0644","timeout":3,"wait":"no"}`))
	f.Add([]byte(`{"name":"app","state":"absent"}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		o, err := parseOptions(text)
		if err != nil {
			return
		}
		if o.want.Name == "" || !o.absent && (o.want.Path == "" || (o.src == "") == (o.want.Digest == "")) {
			t.Fatalf("accepted %+v", o)
		}
	})
}
