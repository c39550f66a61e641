package config

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rackswarm/rackswarm/agent/internal/pki"
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/unit"
)

// problems returns the parts of a joined error in order.
func problems(t *testing.T, err error) []*api.Error {
	t.Helper()
	var all []*api.Error
	var walk func(error)
	walk = func(err error) {
		if joined, ok := errors.AsType[interface {
			error
			Unwrap() []error
		}](err); ok {
			for _, e := range joined.Unwrap() {
				walk(e)
			}
			return
		}
		e, ok := errors.AsType[*api.Error](err)
		if !ok {
			t.Fatalf("%v is %T, not *api.Error", err, err)
		}
		all = append(all, e)
	}
	if err != nil {
		walk(err)
	}
	return all
}

// fleet holds a directory with real certificates, keys and roots.
type fleet struct{ dir string }

func newFleet(t *testing.T) fleet {
	t.Helper()
	f := fleet{t.TempDir()}
	if _, err := pki.InitCA(f.dir, pki.InitOptions{}); err != nil {
		t.Fatal(err)
	}
	for name, role := range map[string]pki.Role{"web17": pki.RoleNode, "alice": pki.RoleOperator} {
		if _, err := pki.Issue(f.dir, pki.Request{Name: name, Role: role}); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(f.at("srv"), 0o755); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f fleet) at(name string) string { return filepath.Join(f.dir, name) }

// valid are variables that make a valid configuration.
func (f fleet) valid() map[string]string {
	return map[string]string{
		"RACKSWARM_NODE_NAME": "web17", "RACKSWARM_ROOTS": f.at("srv"), "RACKSWARM_STATE_DIR": f.at("state"),
		"RACKSWARM_TLS_CA": f.at("ca.crt"), "RACKSWARM_TLS_CERT": f.at("web17.crt"), "RACKSWARM_TLS_KEY": f.at("web17.key"),
		"RACKSWARM_STORE_URL": "redis://127.0.0.1:6379", "RACKSWARM_TRUST": f.at("publisher.pub"),
	}
}

func environ(vars map[string]string) []string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		all = append(all, name+"="+vars[name])
	}
	return all
}

func write(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "agent.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestExampleHasEverySetting(t *testing.T) {
	c, failed, err := parse("example.yaml", []byte(Example), nil)
	if err != nil || len(failed) != 0 {
		t.Fatalf("the example does not parse: %v %v", err, failed)
	}
	for _, s := range settings {
		if c.origin[s.key] == "" {
			t.Errorf("%s is not in the example", s.key)
		}
		if !strings.Contains(Example, " "+s.variable()+"\n") {
			t.Errorf("%s is not named in the example", s.variable())
		}
	}
	if c.Node.Name != "web17" || c.Node.Location != "ams1/rsn-27" || c.Node.Labels["tier"] != "front" || !slices.Equal(c.Roots, []string{"/srv", "/opt"}) {
		t.Errorf("the example is read as %+v", c)
	}
}

func TestExampleIsValidWhereItsFilesExist(t *testing.T) {
	f := newFleet(t)
	text := strings.NewReplacer("/etc/rackswarm", f.dir, "[/srv, /opt]", "["+f.at("srv")+"]").Replace(Example)
	c, err := Load(write(t, text), nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Notes) != 0 {
		t.Errorf("the example has notes: %q", c.Notes)
	}
}

func TestDefaultsStandForAnEmptyFile(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "---\n", "node:\ntls:\n  enabled:\n"} {
		c, failed, err := parse("a.yaml", []byte(text), nil)
		if err != nil || len(failed) != 0 {
			t.Fatalf("%q: %v", text, err)
		}
		host, err := os.Hostname()
		if err != nil {
			t.Fatal(err)
		}
		if string(c.Node.Name) != host || c.API.Socket != "/run/rackswarm/agent.sock" || !c.TLS.Enabled || c.CheckInterval != 10*time.Second || c.Limits.Upload != unit.Unlimited {
			t.Errorf("%q: defaults are %+v", text, c)
		}
	}
}

func TestVariablesOverrideTheFile(t *testing.T) {
	file := "node: {name: a, labels: {x: y}}\nroots: [/a]\ntls: {enabled: true}\nlimits: {upload: 1Mbit}\n"
	vars := []string{
		"RACKSWARM_NODE_NAME=b", "RACKSWARM_NODE_LABELS=role=web, tier=a=b", "RACKSWARM_ROOTS=/srv, /opt", "RACKSWARM_TLS_ENABLED=false",
		"RACKSWARM_LIMITS_UPLOAD=2Gbit", "RACKSWARM_CHECK_INTERVAL=1m", "RACKSWARM_ENDPOINTS=x", "OTHER=1",
	}
	c, _, err := parse("a.yaml", []byte(file), vars)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"role": "web", "tier": "a=b"}
	if c.Node.Name != "b" || !maps.Equal(c.Node.Labels, want) || !slices.Equal(c.Roots, []string{"/srv", "/opt"}) || c.TLS.Enabled || c.Limits.Upload != 250_000_000 || c.CheckInterval != time.Minute {
		t.Errorf("got %+v", c)
	}
	if len(c.Notes) != 0 {
		t.Errorf("notes %q", c.Notes)
	}
}

func TestStrayVariablesAreNoted(t *testing.T) {
	c, _, err := parse("", nil, []string{"RACKSWARM_STORE_ULR=redis://x", "RACKSWARM_CERT=/x"})
	if err != nil || len(c.Notes) != 1 || !strings.Contains(c.Notes[0], "RACKSWARM_STORE_ULR") {
		t.Errorf("notes %q, %v", c.Notes, err)
	}
}

// TestFormErrors has one line per way to write a file wrongly, with where the
// error points, what it names and what it advises.
func TestFormErrors(t *testing.T) {
	for _, test := range []struct{ text, where, message, fix string }{
		{"nodes: {}", "a.yaml:1:1: nodes", "unknown setting", "did you mean node?"},
		{"location: x", "a.yaml:1:1: location", "unknown setting", "did you mean node.location?"},
		{"node:\n  nane: x", "a.yaml:2:3: node.nane", "unknown setting", "did you mean node.name?"},
		{"store: {pasword_file: x}", "a.yaml:1:9: store.pasword_file", "unknown setting", "did you mean store.password_file?"},
		{"zzzzzzzzz: 1", "a.yaml:1:1: zzzzzzzzz", "unknown setting", "--print-config"},
		{"node:\n  location: ams1//x", "a.yaml:2:13: node.location", `label ""`, "ams1/rsn-27"},
		{"node: {name: -x}", "a.yaml:1:14: node.name", `node name "-x"`, "letters"},
		{"node: {name: [a]}", "node.name", "must be a text, not a list", "letters"},
		{"node: {name: true}", "node.name", "must be a text, not true or false", "letters"},
		{"node: x", "a.yaml:1:7: node", "a section of settings", "key: value"},
		{"- a", "a.yaml:1:1", "a section of settings", "key: value"},
		{"roots: /srv", "a.yaml:1:8: roots", "must be a list of texts, not a text", "[a, b]"},
		{"roots: [[/srv]]", "roots", "every entry must be a text", "[a, b]"},
		{"node: {labels: [a]}", "node.labels", "must be a mapping of texts, not a list", "{key: value}"},
		{"node: {labels: {a: {b: c}}}", "node.labels", "every entry must be a text", "{key: value}"},
		{"tls: {enabled: yes}", "a.yaml:1:16: tls.enabled", "must be true or false", "true or false"},
		{"tls: {enabled: 1}", "tls.enabled", "must be true or false", "true or false"},
		{"check_interval: 10", "check_interval", `"10" is not a duration`, "10s"},
		{"limits: {upload: fast}", "limits.upload", `rate "fast"`, "2Gbit"},
		{"limits: {upload: 100}", "limits.upload", "100 of what?", "2Gbit"},
		{"limits: {upload: -1Mbit}", "limits.upload", `rate "-1Mbit"`, "2Gbit"},
		{"state_dir: /a\nstate_dir: /b", "a.yaml:2", "", ""},
		{"state_dir: /a\n---\nstate_dir: /b", "a.yaml:3", "second YAML document", "one document"},
		{"a: b: c", "a.yaml:1", "not YAML", "--print-config"},
		{"\ttabs: 1", "a.yaml:1", "not YAML", "--print-config"},
		{"x: &a {name: b}\nnode: *a", "node", "a section of settings", ""},
		{"node: {name: *a}", "node.name", "anchor, alias or tag", ""},
		{"1: 2", "a.yaml:1:1", "not the name of a setting", ""},
	} {
		_, _, err := parse("a.yaml", []byte(test.text), nil)
		found := slices.ContainsFunc(problems(t, err), func(e *api.Error) bool {
			return strings.Contains(e.Subject, test.where) && strings.Contains(e.Message, test.message) && strings.Contains(e.Fix, test.fix) && e.Fix != ""
		})
		if !found {
			t.Errorf("%q: got %v; want %s: %s (%s)", test.text, err, test.where, test.message, test.fix)
		}
	}
}

func TestNoYAMLIsTheOnlyError(t *testing.T) {
	file := filepath.Join(t.TempDir(), "agent.yaml")
	if err := os.WriteFile(file, []byte("node: {name: web1\nroots: [/srv]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Load(file, nil)
	if all := problems(t, err); len(all) != 1 || !strings.Contains(all[0].Message, "not YAML") {
		t.Errorf("got %v", err)
	}
}

func TestVariableErrorsNameTheVariable(t *testing.T) {
	for name, value := range map[string]string{
		"RACKSWARM_TLS_ENABLED": "maybe", "RACKSWARM_NODE_LABELS": "web", "RACKSWARM_NODE_LOCATION": "a b", "RACKSWARM_CHECK_INTERVAL": "x",
	} {
		_, _, err := parse("", nil, []string{name + "=" + value})
		all := problems(t, err)
		if len(all) != 1 || !strings.HasPrefix(all[0].Subject, name+": ") || all[0].Fix == "" {
			t.Errorf("%s=%s: %v", name, value, err)
		}
	}
}

func TestAllProblemsAtOnce(t *testing.T) {
	text := "nodes: {}\nnode: {location: 'a b', name: web17}\nroots: [srv, /nowhere]\nstate_dir: x\nstore: {url: http://h}\n"
	_, err := Load(write(t, text), nil)
	var subjects []string
	for _, p := range problems(t, err) {
		subjects = append(subjects, p.Subject[strings.LastIndex(p.Subject, " ")+1:])
	}
	want := []string{"nodes", "node.location", "state_dir", "roots", "roots", "tls.ca", "tls.cert", "tls.key", "store.url"}
	if !slices.Equal(subjects, want) {
		t.Errorf("problems of %q, want %q", subjects, want)
	}
}

func TestMissingFile(t *testing.T) {
	_, err := Load("/nonexistent/agent.yaml", nil)
	all := problems(t, err)
	if len(all) != 1 || all[0].Code != api.CodeNotFound || !strings.Contains(all[0].Fix, "--print-config") {
		t.Errorf("got %v", err)
	}
}

func TestDistance(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"abc", "abc", 0}, {"abc", "abd", 1}, {"abc", "acb", 2}, {"kitten", "sitting", 3}} {
		if got := distance(test.a, test.b); got != test.want {
			t.Errorf("from %q to %q: %d, want %d", test.a, test.b, got, test.want)
		}
	}
}

// TestDistanceIsAMetric checks what makes "nearest" mean something.
func TestDistanceIsAMetric(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringMatching(`[a-c.]{0,8}`)
		a, b, c := word.Draw(t, "a"), word.Draw(t, "b"), word.Draw(t, "c")
		if (distance(a, b) == 0) != (a == b) || distance(a, b) != distance(b, a) || distance(a, c) > distance(a, b)+distance(b, c) {
			t.Fatalf("%q %q %q: %d %d %d", a, b, c, distance(a, b), distance(b, c), distance(a, c))
		}
	})
}
