package module

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/unit"
)

var digest = "sha256:" + strings.Repeat("ab", 32)

var megabit = int64(1e6) // 8 Mbit/s in bytes

func TestParseOptions(t *testing.T) {
	plain := common{call: call{Module: moduleArtifact}, wait: true, timeout: time.Hour}
	for _, c := range []struct {
		name, text string
		want       options
	}{
		{"least", `{"name":"app","digest":"` + digest + `","dest":"/srv/app"}`,
			options{common: plain, want: api.Distribution{Name: "app", Digest: digest, Path: "/srv/app"}}},
		{"a name of its own", `{"digest":"` + digest + `","dest":"/srv/app"}`,
			options{common: plain, want: api.Distribution{Name: "srv-app", Digest: digest, Path: "/srv/app"}}},
		{"a URL", `{"url":"https://x/y","headers":{"Authorization":"secret"},"checksum":"` + digest + `","dest":"/srv/app","remote_src":"no"}`,
			options{common: plain, url: "https://x/y", headers: map[string]string{"Authorization": "secret"}, checksum: digest, want: api.Distribution{Name: "srv-app", Path: "/srv/app"}}},
		{"switching", `{"digest":"` + digest + `","dest":"/srv/app","activate":"together","keep_previous":1,"hooks_before":["a"],"hooks_after":"b","force":true}`,
			options{common: plain, want: api.Distribution{Name: "srv-app", Digest: digest, Path: "/srv/app", Activate: api.ActivateTogether, KeepPrevious: true,
				Overwrite: true, Hooks: api.Hooks{Before: []string{"a"}, After: []string{"b"}}}}},
		{"traffic", `{"digest":"` + digest + `","dest":"/srv/app","priority":"urgent","max_download":"8Mbit","max_upload":"unlimited",
			"windows":["mon-fri 08:00-18:00 20Mbit","otherwise 0"],"time_zone":"Europe/Amsterdam"}`,
			options{common: plain, want: api.Distribution{Name: "srv-app", Digest: digest, Path: "/srv/app", Priority: "urgent", MaxDownload: &megabit,
				Windows: []string{"mon-fri 08:00-18:00 20Mbit", "otherwise 0"}, TimeZone: "Europe/Amsterdam"}}},
		{"one window", `{"digest":"` + digest + `","dest":"/srv/app","windows":"sat,sun 00:00-24:00 1MiB/s"}`,
			options{common: plain, want: api.Distribution{Name: "srv-app", Digest: digest, Path: "/srv/app", Windows: []string{"sat,sun 00:00-24:00 1MiB/s"}}}},
		{"everything", `{"name":"app","src":"/build/app","dest":"/srv/app","node":"n1","locations":["ams1","esy/r2"],"labels":{"role":"web","tier":1},
			"node_names":"a, b","owner":"www-data","group":33,"mode":"0755","overwrite":"yes","wait":"no","timeout":"90","state":"present",
			"endpoint":"https://a:7422","ca_path":"ca","client_cert":"cert","client_key":"key",
			"_ansible_check_mode":true,"_ansible_diff":true,"_ansible_verbosity":3,"_ansible_socket":null}`,
			options{src: "/build/app", common: common{call: plain.call, node: "n1", timeout: 90 * time.Second, endpoint: "https://a:7422", ca: "ca", cert: "cert", key: "key",
				checkMode: true, addDiff: true},
				want: api.Distribution{Name: "app", Path: "/srv/app", Owner: "www-data", Group: "33", Mode: "0755", Overwrite: true,
					Selector: api.Selector{Locations: []string{"ams1", "esy/r2"}, Labels: map[string]string{"role": "web", "tier": "1"}, NodeNames: []string{"a", "b"}}}}},
		{"absent needs the name alone", `{"name":"app","state":"absent","dest":null}`,
			options{common: plain, want: api.Distribution{Name: "app"}, absent: true}},
		{"absent by the destination", `{"dest":"/srv/app","state":"absent"}`, options{common: plain, want: api.Distribution{Name: "srv-app", Path: "/srv/app"}, absent: true}},
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
		"nothing":            {`{}`, "dest", "missing"},
		"neither src nor":    {`{"name":"app","dest":"/srv/app"}`, "src", "one of src, url and digest"},
		"both":               {with(`,"src":"/x"`), "src", "one of src, url and digest"},
		"relative src":       {`{"name":"app","src":"x","dest":"/srv/app"}`, "src", "not absolute"},
		"no dest":            {`{"name":"app","src":"/x"}`, "dest", "missing"},
		"src and url":        {`{"url":"http://x/y","src":"/x","dest":"/srv/app"}`, "src", "one of"},
		"no URL":             {`{"url":"x","dest":"/srv/app"}`, "url", "not a URL"},
		"headers":            {with(`,"headers":{"a":"b"}`), "headers", "url only"},
		"checksum":           {with(`,"checksum":"md5:1"`), "checksum", "not a checksum"},
		"an odd path":        {`{"src":"/x","dest":"/srv/../app"}`, "path", "clean"},
		"a hook":             {with(`,"hooks_after":["a b"]`), "hooks.after", "name of a hook"},
		"a priority":         {with(`,"priority":"high"`), "priority", "normal, background, urgent"},
		"a plain rate":       {with(`,"max_upload":10`), "max_upload", "10 of what?"},
		"a rate of zero":     {with(`,"max_download":"0"`), "max_download", "never means unlimited"},
		"a window":           {with(`,"windows":["daily 08:00-18:00 1Mbit","daily 08:00-18:00"]`), "windows[1]", "2 words"},
		"a time zone":        {with(`,"time_zone":"Mars"`), "time_zone", "not a time zone"},
		"plugin":             {with(`,"_swarm":[]`), "", "does not decode"},
		"module":             {with(`,"_swarm":{"module":"x"}`), "", "no module"},
		"step":               {with(`,"_swarm":{"step":"x"}`), "", "no step"},
		"nothing submitted":  {with(`,"_swarm":{"step":"wait"}`), "", "what was submitted"},
		"relative dest":      {strings.Replace(with(""), "/srv", "srv", 1), "path", "not absolute"},
		"a cut digest":       {strings.Replace(with(""), "abab", "ab", 1), "digest", "not a digest"},
		"unknown":            {with(`,"destination":"/x"`), "destination", "the options are activate, ca_path"},
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
		if o.want.Name == "" || !o.absent && (o.want.Path == "" || o.given() != 1) {
			t.Fatalf("accepted %+v", o)
		}
	})
}

func TestNameFor(t *testing.T) {
	for path, want := range map[string]string{
		"":                              "",
		"/srv/app":                      "srv-app",
		"/srv/app-1.2_x":                "srv-app-1.2_x",
		"/srv/ä b":                      "d-srv---b-",
		"/.hidden":                      "d-.hidden-",
		"/" + strings.Repeat("x/", 200): "d-",
	} {
		got := nameFor(path)
		if !strings.HasPrefix(got, want) || (want == "" || !strings.HasPrefix(want, "d-")) && got != want {
			t.Errorf("%q is called %q, want %q", path, got, want)
		}
	}
	if nameFor("/srv/a b") == nameFor("/srv/a,b") {
		t.Error("two paths have one name")
	}
}

// Whatever the path, its name is one that the fleet takes.
func FuzzNameFor(f *testing.F) {
	for _, seed := range []string{"/srv/app", "/.x", "/ä/ö", "/a//b", "-"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		name := nameFor(path)
		if _, err := unit.ParseNodeID(name); err != nil && strings.Trim(path, "/") != "" {
			t.Fatalf("%q is called %q: %v", path, name, err)
		}
	})
}

func TestSecretsAreNotInAnswers(t *testing.T) {
	_, r, err := parseArguments([]byte(`{"url":"https://user:pass%20word@x/y?token=abcdefgh&v=1","headers":{"Authorization":"Bearer zyxwvuts"},"dest":"/srv/app"}`))
	if err != nil {
		t.Fatal(err)
	}
	o, err := r.artifact(call{})
	if err != nil {
		t.Fatal(err)
	}
	answer := result{Msg: `no "pass word", "pass%20word", abcdefgh, zyxwvuts`, Warnings: []string{"Bearer zyxwvuts"}, Name: "srv-app", Size: 1}
	var out strings.Builder
	if err := answer.write(&out, o.secrets()); err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"pass word", "pass%20word", "abcdefgh", "zyxwvuts"} {
		if strings.Contains(out.String(), secret) {
			t.Errorf("%s is in %s", secret, out.String())
		}
	}
	if !strings.Contains(out.String(), `"size":1`) || !strings.Contains(out.String(), "srv-app") {
		t.Errorf("too much is hidden in %s", out.String())
	}
}
