package acceptance

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rackswarm/rackswarm/acceptance/fleet"
)

// The binary module puts content on nodes, says truly whether it changed
// anything, changes nothing in check mode, and removes content.
func TestAnsibleModule(t *testing.T) {
	f := fleet.Start(t, fleet.Options{Nodes: slices.Concat(fleet.Racks("ams1/r1", 2), fleet.Racks("esy/r1", 1))})
	src := filepath.Join(t.TempDir(), "site")
	write(t, filepath.Join(src, "index.html"), "first")
	dest := filepath.Join(f.Root, "site")
	task := map[string]any{"name": "site", "src": src, "dest": dest, "locations": []string{"ams1"}, "timeout": 120, "endpoint": f.Agents()[0].Endpoint()}
	with := func(more map[string]any) map[string]any {
		all := map[string]any{}
		for _, m := range []map[string]any{task, more} {
			for k, v := range m {
				all[k] = v
			}
		}
		return all
	}

	module(t, with(map[string]any{"_ansible_check_mode": true})).want(t, true, "")
	if len(f.CLI("artifacts", "--json")) == 0 || strings.Contains(f.CLI("artifacts", "--json"), "sha256:") {
		t.Error("check mode published something")
	}
	first := module(t, task)
	first.want(t, true, "")
	expect(t, f, dest, "first", "ams1-r1-1", "ams1-r1-2")
	if _, err := os.Stat(f.Agent("esy-r1-1").Path(dest)); !os.IsNotExist(err) {
		t.Errorf("a node that is not selected has it: %v", err)
	}
	module(t, task).want(t, false, "")

	write(t, filepath.Join(src, "index.html"), "second version")
	second := module(t, with(map[string]any{"_ansible_diff": true}))
	second.want(t, true, "")
	if !strings.Contains(second.Diff.Before, first.Digest) || !strings.Contains(second.Diff.After, second.Digest) {
		t.Errorf("diff %+v does not go from %s to %s", second.Diff, first.Digest, second.Digest)
	}
	expect(t, f, dest, "second version", "ams1-r1-1", "ams1-r1-2")

	// The nodes refuse this one: it was wanted, so it was a change all the same.
	module(t, with(map[string]any{"name": "other", "dest": "/outside", "timeout": 30})).want(t, true, "allowed root")
	module(t, with(map[string]any{"name": "another", "dest": filepath.Join(f.Root, "x"), "locations": []string{"nowhere"}})).want(t, false, "nowhere")

	absent := map[string]any{"name": "site", "state": "absent", "timeout": 120, "endpoint": task["endpoint"]}
	module(t, absent).want(t, true, "")
	for _, a := range f.Agents() {
		if _, err := os.Stat(a.Path(dest)); !os.IsNotExist(err) {
			t.Errorf("%s still has it: %v", a.Name, err)
		}
	}
	module(t, absent).want(t, false, "")
}

// answer is what the module printed.
type answer struct {
	Changed, Failed bool
	Msg, Digest     string
	Diff            struct{ Before, After string }
}

// module runs the binary module as Ansible does on a managed machine.
func module(t *testing.T, options map[string]any) answer {
	t.Helper()
	text, err := json.Marshal(options)
	if err != nil {
		t.Fatal(err)
	}
	args := filepath.Join(t.TempDir(), "args")
	write(t, args, string(text))
	out, err := exec.CommandContext(t.Context(), fleet.Binary(t, "ansible-module"), args).Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	var a answer
	if err := json.Unmarshal(out, &a); err != nil {
		t.Fatalf("the module's answer is not one JSON object: %v\n%s", err, out)
	}
	if a.Failed != (err != nil) {
		t.Errorf("failed is %v, but the module ended with %v", a.Failed, err)
	}
	return a
}

// want checks an answer; failure is a part of the message of a task that must
// fail, "" for one that must not.
func (a answer) want(t *testing.T, changed bool, failure string) {
	t.Helper()
	if a.Failed != (failure != "") || !strings.Contains(a.Msg, failure) {
		t.Fatalf("answer %+v, want failure %q", a, failure)
	}
	if a.Changed != changed {
		t.Fatalf("answer %+v, want changed %v", a, changed)
	}
}

// expect checks the tree's index.html on nodes.
func expect(t *testing.T, f *fleet.Fleet, dest, want string, names ...string) {
	t.Helper()
	for _, name := range names {
		got, err := os.ReadFile(filepath.Join(f.Agent(name).Path(dest), "index.html"))
		if err != nil || string(got) != want {
			t.Errorf("on %s it is %q, %v, want %q", name, got, err, want)
		}
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
