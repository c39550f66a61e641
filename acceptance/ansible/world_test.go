// Package ansible tests the collection rackswarm.swarm as its users run it:
// Debian's ansible-core on a control host, real sshd and agents on the others,
// each host in namespaces of its own.
package ansible

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/fleet"
	"github.com/rackswarm/rackswarm/acceptance/hosts"
)

func TestMain(m *testing.M) { fleet.Main(m) }

// world is a control host, which has Ansible and the collection, and managed
// hosts with sshd and agents.
type world struct {
	t       *testing.T
	dir     string // of the playbooks, on the control host
	set     *hosts.Set
	control *hosts.Host
	managed []*hosts.Host
	shown   func(string) // gets what a playbook has printed so far; may be nil
}

const playDir = "/srv/play"

// in is the same world for a part of the test, with playbooks of its own.
func (w *world) in(t *testing.T) *world {
	own := *w
	own.t = t
	own.dir = filepath.Join(playDir, strings.ReplaceAll(filepath.Base(t.Name()), "'", ""))
	return &own
}

// newWorld makes a world with so many managed hosts, web1 and so on, in two
// racks. web1 holds the store.
func newWorld(t *testing.T, n int) *world {
	t.Helper()
	places := map[string]string{}
	var names []string
	for i := range n {
		name := fmt.Sprint("web", i+1)
		names = append(names, name)
		places[name] = fmt.Sprintf("dc/r%d", i%2+1)
	}
	return makeWorld(t, names, map[string]string{"rackswarm": "agent"}, func(*world) hosts.Agents {
		// The last one cannot publish.
		return hosts.Agents{Locations: places, Settings: map[string]map[string]any{names[n-1]: {"publish": nil}}}
	})
}

// makeWorld makes a control host and others, with these programs of this module.
// agents prepares the hosts and describes their agents.
func makeWorld(t *testing.T, names []string, packages map[string]string, agents func(*world) hosts.Agents) *world {
	t.Helper()
	if err := hosts.Unsupported(); err != nil {
		t.Skip(err)
	}
	archive := t.TempDir()
	build := exec.CommandContext(t.Context(), filepath.Join(fleet.Top(), "scripts", "collection"), "0.0.1", archive)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the collection: %v\n%s", err, out)
	}
	programs := map[string]string{}
	for name, pkg := range packages {
		programs[name] = fleet.Binary(t, pkg)
	}
	set, err := hosts.New(t.Context(), hosts.Options{Names: append([]string{"control"}, names...), Programs: programs, See: []string{archive}})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, dir: playDir, set: set, control: set.Host("control"), managed: set.Hosts()[1:]}
	t.Cleanup(w.close)
	if err := set.StartSSHD(t.Context(), w.managed...); err != nil {
		t.Fatal(err)
	}
	described := agents(w)
	described.On = w.managed
	if err := set.StartAgents(t.Context(), described); err != nil {
		t.Fatal(err)
	}
	w.installAnsible(filepath.Join(archive, "rackswarm-swarm-0.0.1.tar.gz"))
	return w
}

func (w *world) close() {
	for _, h := range w.managed {
		log, _ := os.ReadFile(h.Log("agent"))
		for _, bug := range []string{"WARNING: DATA RACE", "panic: "} {
			if at := bytes.Index(log, []byte(bug)); at >= 0 {
				w.t.Errorf("agent on %s: %s", h.Name, log[at:min(len(log), at+4000)])
			}
		}
	}
	if err := w.set.Close(); err != nil {
		w.t.Error(err)
	}
}

const ansibleConfig = `[defaults]
inventory = /srv/play/inventory
collections_path = /srv/collections
collections_paths = /srv/collections
callback_plugins = /srv/play/callback_plugins
callbacks_enabled = record
interpreter_python = /usr/bin/python3
deprecation_warnings = False
nocows = True
`

func (w *world) installAnsible(archive string) {
	w.t.Helper()
	inventory := "[web]\n"
	for _, h := range w.managed {
		inventory += h.Name + "\n"
	}
	w.write("ansible.cfg", ansibleConfig)
	w.write("inventory", inventory)
	callback, err := os.ReadFile("testdata/callback_plugins/record.py")
	if err != nil {
		w.t.Fatal(err)
	}
	w.write("callback_plugins/record.py", string(callback))
	w.run(w.control, "ansible-galaxy collection install --offline -p /srv/collections "+archive)
}

// write writes a file beside the playbooks.
func (w *world) write(name, text string) {
	w.t.Helper()
	if err := w.control.Write(filepath.Join(w.dir, name), text, 0o644); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) run(h *hosts.Host, script string) string {
	w.t.Helper()
	out, err := h.Run(w.t.Context(), script)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

// outcome is what a task came to on a host.
type outcome struct {
	Host, Task, How string
	At              float64
	Result          struct {
		Changed  bool
		Msg      string
		Dest     string
		Digest   string
		Size     int64
		Node     string
		Warnings []string
		Diff     struct{ Before, After string }
		Error    struct{ Code, Subject, Message, Fix string }
		Seconds  float64
		State    string
		Run      string

		BytesFrom *struct{ Rack, Datacenter, WAN, Seed, Disk int64 } `json:"bytes_from"`
	}
	Raw string
}

// played is a run of ansible-playbook.
type played struct {
	t        *testing.T
	Output   string // what the user sees
	Outcomes []outcome
	Took     time.Duration
}

// play runs a playbook for all managed hosts with these tasks, without gathering
// facts. args are given to ansible-playbook.
func (w *world) play(tasks string, args ...string) *played {
	w.t.Helper()
	return w.playOn("web", tasks, args...)
}

// playOn is play for a group of the inventory.
func (w *world) playOn(group, tasks string, args ...string) *played {
	w.t.Helper()
	book := "- hosts: " + group + "\n  gather_facts: false\n  tasks:\n"
	for _, line := range strings.Split(strings.Trim(tasks, "\n"), "\n") {
		book += "    " + line + "\n"
	}
	return w.playbook(book, args...)
}

// playbook runs one.
func (w *world) playbook(book string, args ...string) *played {
	t := w.t
	t.Helper()
	w.write("play.yml", book)
	record := filepath.Join(w.dir, "record.json")
	w.run(w.control, "rm -f "+record)
	cmd := w.control.Command(t.Context(), "sh", append([]string{"-c", `cd "$0" && exec ansible-playbook play.yml "$@"`, w.dir}, args...)...)
	cmd.Env = append(cmd.Env, "RECORD="+record, "ANSIBLE_NOCOLOR=1", "ANSIBLE_CONFIG="+filepath.Join(playDir, "ansible.cfg"))
	p := &played{t: t}
	began := time.Now()
	out := &output{shown: w.shown}
	cmd.Stdout, cmd.Stderr = out, out
	err := cmd.Run()
	p.Took, p.Output = time.Since(began), out.text.String()
	text, readErr := os.ReadFile(w.control.Path(record))
	if readErr != nil {
		t.Fatalf("ansible-playbook: %v\n%s", err, p.Output)
	}
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		o := outcome{Raw: line}
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		p.Outcomes = append(p.Outcomes, o)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("ansible-playbook printed:\n%s", p.Output)
		}
	})
	return p
}

// output keeps what a playbook prints, and hands all of it so far to shown, which
// may be nil, each time more has come.
type output struct {
	text  strings.Builder
	shown func(string)
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.text.Write(p)
	if o.shown != nil {
		o.shown(o.text.String())
	}
	return n, err
}

// on returns the outcomes of a host.
func (p *played) on(host string) outcome {
	p.t.Helper()
	for _, o := range p.Outcomes {
		if o.Host == host {
			return o
		}
	}
	p.t.Fatalf("nothing is known of %s: %+v\n%s", host, p.Outcomes, p.Output)
	return outcome{}
}

// all checks that a task ended like this on all of the hosts.
func (w *world) all(p *played, changed bool) {
	p.t.Helper()
	for _, h := range w.managed {
		if o := p.on(h.Name); o.How != "ok" || o.Result.Changed != changed {
			p.t.Errorf("on %s it is %s, changed %v, want changed %v: %s", h.Name, o.How, o.Result.Changed, changed, o.Raw)
		}
	}
}

// has checks what a command says on all managed hosts.
func (w *world) has(script, want string) {
	t := w.t
	t.Helper()
	for _, h := range w.managed {
		if got, err := h.Run(t.Context(), script); strings.TrimSpace(got) != want {
			t.Errorf("on %s %q says %q, %v, want %q", h.Name, script, got, err, want)
		}
	}
}
