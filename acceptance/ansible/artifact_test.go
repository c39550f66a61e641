package ansible

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
)

// One world serves all of these side by side; each has files and destinations of
// its own.
func TestArtifact(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 4)
	for name, test := range map[string]func(*world){
		"a tree of the controller": (*world).treeOfController,
		"a file of the controller": (*world).fileOfController,
		"a path of the first host": (*world).remoteSource,
		"a URL with secrets":       (*world).urlWithSecrets,
		"one fork":                 (*world).oneFork,
		"lines while it goes on":   (*world).lines,
		"loops and retries":        (*world).loopsAndRetries,
		"async":                    (*world).async,
		"fewer hosts":              (*world).fewerHosts,
		"run once":                 (*world).runOnce,
		"hosts by address":         (*world).hostsByAddress,
		"a refusal by the fleet":   (*world).refusal,
		"no publisher's key":       (*world).noPublisherKey,
		"architectures":            (*world).architectures,
		"no agent":                 (*world).noAgent,
		"no right to the socket":   (*world).noPermission,
		"a seed of no database":    (*world).seedOfNoDatabase,
		"documentation":            (*world).documentation,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(w.in(t))
		})
	}
}

func (w *world) treeOfController() {
	t := w.t
	w.write("files/site/index.html", "first")
	w.write("files/site/deep/er.txt", strings.Repeat("same", 1<<18))
	w.run(w.control, "cd "+w.dir+"/files/site && ln -s deep/er.txt link && chmod 750 deep")
	task := "- rackswarm.swarm.artifact: {src: site, dest: /srv/site, timeout: 120}"

	p := w.play(task, "--check", "--diff")
	w.all(p, true)
	w.has("test -e /srv/site || echo none", "none")
	if artifacts := w.run(w.managed[0], "rackswarm artifacts --json"); strings.Contains(artifacts, "site.") {
		t.Errorf("check mode published something: %s", artifacts)
	}

	p = w.play(task)
	w.all(p, true)
	w.has("cat /srv/site/index.html; head -c 4 /srv/site/link; stat -c %a /srv/site/deep", "firstsame750")
	first := p.on("web1").Result
	if first.Dest != "/srv/site" || !strings.HasPrefix(first.Digest, "sha256:") || first.Size != 5+1<<20 || first.Node != "web1" || first.BytesFrom == nil {
		t.Errorf("result %+v", first)
	}
	w.all(w.play(task), false)
	w.all(w.play(task, "--check"), false)

	w.write("files/site/index.html", "second")
	p = w.play(task, "--diff")
	w.all(p, true)
	w.has("cat /srv/site/index.html", "second")
	second := p.on("web3").Result
	if !strings.Contains(second.Diff.Before, first.Digest) || !strings.Contains(second.Diff.After, second.Digest) || first.Digest == second.Digest {
		t.Errorf("diff %+v does not go from %s to %s", second.Diff, first.Digest, second.Digest)
	}
	if second.BytesFrom == nil || second.BytesFrom.Disk == 0 {
		t.Errorf("what did not change came over the network: %+v", second.BytesFrom)
	}

	absent := "- rackswarm.swarm.artifact: {dest: /srv/site, state: absent, timeout: 120}"
	w.all(w.play(absent, "--check"), true)
	w.has("cat /srv/site/index.html", "second")
	w.all(w.play(absent), true)
	w.has("test -e /srv/site || echo none", "none")
	w.all(w.play(absent), false)
}

func (w *world) fileOfController() {
	t := w.t
	w.write("tool.sh", "#!/bin/sh\necho works\n")
	w.run(w.control, "chmod 755 "+w.dir+"/tool.sh")
	w.all(w.play("- rackswarm.swarm.artifact: {src: tool.sh, dest: /opt/tool, timeout: 120}"), true)
	w.has("/opt/tool", "works")
	w.all(w.play("- rackswarm.swarm.artifact: {src: tool.sh, dest: /opt/tool, timeout: 120}"), false)

	// Metadata alone are a change, and who asks for them in check mode gets none.
	mode := `- rackswarm.swarm.artifact: {src: tool.sh, dest: /opt/tool, mode: "0700", owner: nobody, timeout: 120}`
	w.all(w.play(mode, "--check"), true)
	w.has("stat -c %a,%U /opt/tool", "755,root")
	w.all(w.play(mode), true)
	w.has("stat -c %a,%U /opt/tool", "700,nobody")
	w.all(w.play(mode), false)

	p := w.play("- rackswarm.swarm.artifact: {src: nothing.sh, dest: /opt/nothing}")
	if o := p.on("web1"); o.How != "failed" || !strings.Contains(o.Result.Msg, "nothing.sh") {
		t.Errorf("a src that is not there: %s", o.Raw)
	}
}

func (w *world) remoteSource() {
	t := w.t
	w.run(w.managed[0], "mkdir -p /srv/build && echo built >/srv/build/app")
	task := "- rackswarm.swarm.artifact: {src: /srv/build, remote_src: true, dest: /srv/built, name: built, timeout: 120}"
	w.all(w.play(task), true)
	w.has("cat /srv/built/app", "built")
	w.all(w.play(task), false)
	w.all(w.play(task, "--check"), false)
	w.run(w.managed[0], "echo again >/srv/build/app")
	p := w.play(task, "--check")
	w.all(p, true)
	if warnings := p.on("web2").Result.Warnings; len(warnings) == 0 || !strings.Contains(warnings[0], "does not publish /srv/build") {
		t.Errorf("it warns of %q", warnings)
	}
	w.all(w.play(task), true)
	w.has("cat /srv/built/app", "again")
}

// A URL is downloaded once, and no part of it that may be secret is shown, even
// when the task fails.
func (w *world) urlWithSecrets() {
	t := w.t
	const server = `
import http.server, time
class H(http.server.SimpleHTTPRequestHandler):
    def send_head(self):
        if self.headers.get("Authorization") != "Bearer s3cretheader" or "t0psecret" not in self.path:
            return self.send_error(403)
        return super().send_head()
http.server.ThreadingHTTPServer(("0.0.0.0", 8000), H).serve_forever()`
	w.write("www/data.bin", strings.Repeat("content ", 100000))
	w.write("server.py", server)
	service, err := w.control.Start("www", "sh", "-c", "cd "+w.dir+"/www && exec python3 -u ../server.py")
	if err != nil {
		t.Fatal(err)
	}
	defer service.Stop(t.Context())
	w.run(w.control, "for i in $(seq 100); do (exec 3<>/dev/tcp/127.0.0.1/8000) 2>/dev/null && exit; sleep 0.1; done; exit 1")

	task := `- rackswarm.swarm.artifact:
    url: http://control:8000/data.bin?token=t0psecret
    headers: {Authorization: Bearer %s}
    dest: /srv/%s
    timeout: 120`
	p := w.play(fmt.Sprintf(task, "s3cretheader", "download"), "-vvv")
	w.all(p, true)
	w.has("stat -c %s /srv/download", "800000")
	log, _ := os.ReadFile(w.control.Log("www"))
	if n := strings.Count(string(log), `"GET /data.bin`); n == 0 || n > 3 {
		t.Errorf("%d requests for %d hosts:\n%s", n, len(w.managed), log)
	}
	before := strings.Count(string(log), `"GET /data.bin`)
	again := w.play(fmt.Sprintf(task, "s3cretheader", "download"), "--check")
	w.all(again, false)
	if log, _ = os.ReadFile(w.control.Log("www")); strings.Count(string(log), `"GET /data.bin`) > before+1 {
		t.Errorf("it was downloaded again:\n%s", log)
	}
	failed := w.play(fmt.Sprintf(task, "wr0ngheader", "refused"), "-vvv")
	if o := failed.on("web2"); o.How != "failed" || !strings.Contains(o.Result.Msg, "403") {
		t.Errorf("a wrong header: %s", o.Raw)
	}
	for _, p := range []*played{p, again, failed} {
		for _, secret := range []string{"t0psecret", "s3cretheader", "wr0ngheader"} {
			// Ansible itself shows what was written in the playbook, as the task's path only.
			if strings.Contains(p.Output, secret) {
				t.Errorf("%s was shown:\n%s", secret, p.Output)
			}
			for _, o := range p.Outcomes {
				if strings.Contains(o.Raw, secret) {
					t.Errorf("%s is in a result: %s", secret, o.Raw)
				}
			}
		}
	}

	p = w.play(strings.Replace(fmt.Sprintf(task, "s3cretheader", "hidden"), "- rack", "- no_log: true\n  rack", 1))
	if o := p.on("web1"); o.How != "ok" || strings.Contains(p.Output, "/srv/hidden") || strings.Contains(p.Output, "web1: ") {
		t.Errorf("no_log shows %s\n%s", o.Raw, p.Output)
	}
}

// With one fork the hosts' parts of the task run one after the other, but all
// hosts fetch from the first one's part on.
func (w *world) oneFork() {
	t := w.t
	w.run(w.managed[0], "mkdir -p /srv/large && head -c 16M /dev/urandom >/srv/large/data")
	p := w.play(`- rackswarm.swarm.artifact: {src: /srv/large, remote_src: true, dest: /srv/copy, name: large, timeout: 300}`, "--forks=1")
	w.all(p, true)
	var s api.Status
	if err := json.Unmarshal([]byte(w.run(w.managed[0], "rackswarm status large --json")), &s); err != nil {
		t.Fatal(err)
	}
	first := p.Outcomes[0]
	for _, n := range s.Nodes {
		if n.StartedAt == nil || n.StartedAt.After(time.UnixMilli(int64(first.At*1000))) {
			t.Errorf("%s began at %v, after the part of %s was over", n.Node, n.StartedAt, first.Host)
		}
	}
	if len(s.Nodes) != len(w.managed) {
		t.Errorf("%d nodes, want %d", len(s.Nodes), len(w.managed))
	}
	w.has("cmp /srv/copy/data /srv/copy/data && stat -c %s /srv/copy/data", fmt.Sprint(16<<20))
	w.play(`- rackswarm.swarm.artifact: {dest: /srv/copy, name: large, state: absent, timeout: 120}`)
}

// While a host fetches, lines tell how far it is. It is slow until one was seen,
// however busy the machine is.
func (w *world) lines() {
	t := w.t
	w.run(w.managed[0], "mkdir -p /srv/slow && head -c 64M /dev/urandom >/srv/slow/data && rackswarm limit --node web4 --download 1MiB/s")
	free := sync.OnceFunc(func() {
		if _, err := w.managed[0].Run(t.Context(), "rackswarm limit --node web4 --clear"); err != nil {
			t.Error(err)
		}
	})
	line := regexp.MustCompile(`(?m)^web4: \d+% of 64\.0 MiB, `)
	w.shown = func(output string) {
		if line.MatchString(output) {
			free()
		}
	}
	p := w.play("- rackswarm.swarm.artifact: {src: /srv/slow, remote_src: true, dest: /srv/slow-copy, timeout: 300}")
	free()
	w.all(p, true)
	if !line.MatchString(p.Output) {
		t.Errorf("no line tells of web4:\n%s", p.Output)
	}
}

// Each round of a loop is a task of its own, and so is each retry.
func (w *world) loopsAndRetries() {
	t := w.t
	w.write("one", "the one")
	w.write("two", "the other")
	w.play(`
- rackswarm.swarm.artifact: {src: "{{ item }}", dest: "/srv/loop-{{ item }}", timeout: 120}
  loop: [one, two]
`)
	w.has("cat /srv/loop-one /srv/loop-two", "the onethe other")

	p := w.play(`
- rackswarm.swarm.artifact: {src: /srv/late, remote_src: true, dest: /srv/late-copy, timeout: 120}
  register: r
  until: r is succeeded
  retries: 3
  delay: 1
`)
	for _, h := range w.managed {
		if o := p.on(h.Name); o.How != "failed" || !strings.Contains(o.Result.Msg, "/srv/late") || !strings.Contains(o.Raw, `"attempts": 3`) {
			t.Errorf("%s: %s", h.Name, o.Raw)
		}
	}
}

func (w *world) async() {
	t := w.t
	w.write("async.txt", "in the background")
	p := w.play(`
- rackswarm.swarm.artifact: {src: async.txt, dest: /srv/async.txt, timeout: 120}
  async: 120
  poll: 1
`)
	for _, h := range w.managed {
		var last outcome
		for _, o := range p.Outcomes {
			if o.Host == h.Name {
				last = o
			}
		}
		if last.How != "ok" || !last.Result.Changed || last.Result.Dest != "/srv/async.txt" || strings.Contains(last.Raw, "_swarm") {
			t.Errorf("on %s: %s", h.Name, last.Raw)
		}
	}
	w.has("cat /srv/async.txt", "in the background")
}

// A play that leaves out hosts changes nothing there, and says so.
func (w *world) fewerHosts() {
	t := w.t
	w.write("few.txt", "one")
	task := "- rackswarm.swarm.artifact: {src: few.txt, dest: /srv/few.txt, timeout: 120}"
	if o := w.play(task, "--limit=web1,web2").on("web2"); !o.Result.Changed {
		t.Errorf("web2: %s", o.Raw)
	}
	if got := w.run(w.managed[2], "test -e /srv/few.txt || echo none"); got != "none\n" {
		t.Errorf("web3 has it: %s", got)
	}
	p := w.play(task) // the others join
	for name, changed := range map[string]bool{"web1": false, "web2": false, "web3": true, "web4": true} {
		if o := p.on(name); o.How != "ok" || o.Result.Changed != changed {
			t.Errorf("%s: changed %v, want %v: %s", name, o.Result.Changed, changed, o.Raw)
		}
	}
	w.write("few.txt", "two")
	o := w.play(task, "--limit=web1").on("web1")
	if o.How != "failed" || o.Result.Error.Code != api.CodeConflict || !strings.Contains(o.Result.Msg, "web2, web3, web4") {
		t.Errorf("a change behind the back of others: %s", o.Raw)
	}
	w.has("cat /srv/few.txt", "one")
}

// A task that runs once is about all hosts, and waits for them.
func (w *world) runOnce() {
	t := w.t
	w.write("once.txt", "once")
	p := w.play(`
- rackswarm.swarm.artifact: {src: once.txt, dest: /srv/once.txt, labels: {}, timeout: 120}
  run_once: true
`)
	if o := p.on("web1"); o.How != "ok" || !o.Result.Changed || !strings.Contains(o.Raw, `"summary"`) {
		t.Errorf("web1: %s", o.Raw)
	}
	w.has("cat /srv/once.txt", "once")
}

// Hosts whose name is not their node's are found by their address.
func (w *world) hostsByAddress() {
	t := w.t
	inventory := "[web]\n"
	for i, h := range w.managed {
		inventory += fmt.Sprintf("server%d ansible_host=%s\n", i+1, h.Address)
	}
	w.write("addresses", inventory)
	w.write("address.txt", "found")
	p := w.play("- rackswarm.swarm.artifact: {src: address.txt, dest: /srv/address.txt, timeout: 120}", "-i", "addresses")
	if o := p.on("server4"); o.How != "ok" || !o.Result.Changed || o.Result.Node != "web4" || len(o.Result.Warnings) > 0 {
		t.Errorf("server4: %s", o.Raw)
	}
	w.has("cat /srv/address.txt", "found")
}

// What the nodes refuse, each host's part tells; the fix is in it.
func (w *world) refusal() {
	t := w.t
	w.write("refused.txt", "x")
	p := w.play("- rackswarm.swarm.artifact: {src: refused.txt, dest: /usr/refused.txt, timeout: 60}")
	for _, h := range w.managed {
		if o := p.on(h.Name); o.How != "failed" || !strings.Contains(o.Result.Msg, "root") || !strings.Contains(o.Result.Msg, h.Name) {
			t.Errorf("outside the roots on %s: %s", h.Name, o.Raw)
		}
	}
	w.play("- rackswarm.swarm.artifact: {dest: /usr/refused.txt, state: absent, wait: false}")

	p = w.play("- rackswarm.swarm.artifact: {digest: 'sha256:" + strings.Repeat("ab", 32) + "', dest: /srv/refused.txt}")
	for _, h := range w.managed {
		if o := p.on(h.Name); o.How != "failed" || o.Result.Error.Code != api.CodeNotFound {
			t.Errorf("an unknown digest on %s: %s", h.Name, o.Raw)
		}
	}
	if o := w.play("- rackswarm.swarm.artifact: {src: refused.txt, destination: /srv/x}").on("web1"); !strings.Contains(o.Result.Msg, "destination") {
		t.Errorf("an option that there is not: %s", o.Raw)
	}
}

func (w *world) noPublisherKey() {
	t := w.t
	w.write("key.txt", "what nobody has published")
	last := w.managed[len(w.managed)-1].Name
	o := w.play("- rackswarm.swarm.artifact: {src: key.txt, dest: /srv/key.txt}", "--limit="+last).on(last)
	if o.How != "failed" || o.Result.Error.Code != api.CodeCannotPublish || o.Result.Error.Fix == "" {
		t.Errorf("%s", o.Raw)
	}
}

func (w *world) architectures() {
	t := w.t
	w.write("arch.txt", "x")
	task := "- rackswarm.swarm.artifact: {src: arch.txt, dest: /srv/arch.txt}"
	for machine, want := range map[string]string{
		"aarch64": "rackswarm-module-linux-arm64 did not run on web1",
		"riscv64": "no program for the architecture 'riscv64' of web1",
	} {
		o := w.play(task, "--limit=web1", "-e", "ansible_architecture="+machine).on("web1")
		if o.How != "failed" || !strings.Contains(o.Result.Msg, want) {
			t.Errorf("%s: %s", machine, o.Raw)
		}
	}
}

// The other hosts go on without the one that has no agent.
func (w *world) noAgent() {
	t := w.t
	w.write("noagent.txt", "x")
	p := w.play("- rackswarm.swarm.artifact: {src: noagent.txt, dest: /srv/noagent.txt, endpoint: \"{{ 'unix:///run/nothing.sock' if inventory_hostname == 'web1' else omit }}\", timeout: 120}")
	o := p.on("web1")
	if o.How != "failed" || o.Result.Error.Code != api.CodeUnreachable || !strings.Contains(o.Result.Msg, "/run/nothing.sock") || !strings.Contains(o.Result.Error.Fix, "systemctl") {
		t.Errorf("web1: %s", o.Raw)
	}
	for _, h := range w.managed[1:] {
		if o := p.on(h.Name); o.How != "ok" || !o.Result.Changed {
			t.Errorf("%s: %s", h.Name, o.Raw)
		}
	}
}

func (w *world) noPermission() {
	t := w.t
	for _, h := range w.managed[:1] {
		if err := h.AddUser(t.Context(), "deploy"); err != nil {
			t.Fatal(err)
		}
	}
	w.write("denied.txt", "x")
	o := w.play("- rackswarm.swarm.artifact: {src: denied.txt, dest: /srv/denied.txt}", "--limit=web1", "--user=deploy").on("web1")
	if o.How != "failed" || o.Result.Error.Code != api.CodeUnreachable || !strings.Contains(o.Result.Error.Fix, "become: true") {
		t.Errorf("%s", o.Raw)
	}
}

func (w *world) seedOfNoDatabase() {
	t := w.t
	for _, args := range [][]string{nil, {"--check"}} {
		p := w.play("- rackswarm.swarm.replica_seed: {database: main, source: web1, timeout: 60}", args...)
		for _, h := range w.managed {
			if o := p.on(h.Name); o.How != "failed" || o.Result.Changed || o.Result.Error.Fix == "" {
				t.Errorf("%v on %s: %s", args, h.Name, o.Raw)
			}
		}
	}
}

// The documentation is found, and tells of every option that the modules take.
func (w *world) documentation() {
	t := w.t
	list := w.run(w.control, "cd "+playDir+" && ansible-doc -l rackswarm.swarm")
	for _, module := range []string{"artifact", "replica_seed"} {
		name := "rackswarm.swarm." + module
		if !strings.Contains(list, name) {
			t.Errorf("%s is not in %s", name, list)
		}
		var docs map[string]struct {
			Doc struct{ Options map[string]any }
		}
		if err := json.Unmarshal([]byte(w.run(w.control, "cd "+playDir+" && ansible-doc --json "+name)), &docs); err != nil {
			t.Fatal(err)
		}
		args := "{nonsense: 1}"
		o := w.play("- "+name+": "+args, "--limit=web1").on("web1")
		_, options, _ := strings.Cut(o.Result.Msg, "the options are ")
		for option := range strings.SplitSeq(strings.TrimSuffix(options, ")"), ", ") {
			if docs[name].Doc.Options[option] == nil && option != "overwrite" {
				t.Errorf("%s: the option %q is not documented", name, option)
			}
		}
		if strings.Count(options, ",") < 10 || len(docs[name].Doc.Options) != strings.Count(options, ",")+1-strings.Count(options, "overwrite") {
			t.Errorf("%s documents %d options and takes %s", name, len(docs[name].Doc.Options), options)
		}
	}
}
