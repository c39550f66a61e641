package ansible

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/dbhost"
	"github.com/rackswarm/rackswarm/acceptance/fleet"
	"github.com/rackswarm/rackswarm/acceptance/hosts"
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/client"
)

// databases is a world with the hosts of the example: the primary db1, and db2 and
// db3, which shall be its replicas.
type databases struct {
	*world
	db     map[string]*dbhost.Instance
	client *client.Client // of db1's agent
}

func newDatabases(t *testing.T) *databases {
	t.Helper()
	if err := dbhost.Unsupported(); err != nil {
		t.Skip(err)
	}
	d := &databases{db: map[string]*dbhost.Instance{}}
	names := []string{"db1", "db2", "db3"}
	programs := map[string]string{"rackswarm": "agent", "rackswarm-driver-postgres": "agent/drivers/postgres"}
	d.world = makeWorld(t, names, programs, func(w *world) hosts.Agents {
		settings := map[string]map[string]any{}
		for _, name := range names {
			db := dbhost.On(w.set.Host(name), dbhost.Quick())
			d.db[name], settings[name] = db, db.Agent("db1")
			w.must(db.Prepare(t.Context(), "postgres"))
		}
		w.must(d.db["db1"].InitPrimary(t.Context()))
		return hosts.Agents{Locations: map[string]string{"db2": "dc/r2", "db3": "dc/r3"}, Settings: settings}
	})
	d.write("inventory", d.example("inventory.ini"))
	var err error
	d.client, err = client.New(client.Config{Endpoints: []string{"unix://" + d.managed[0].Path("/run/rackswarm/agent.sock")}})
	d.must(err)
	t.Cleanup(d.client.Close)
	return d
}

func (w *world) must(errs ...error) {
	w.t.Helper()
	for _, err := range errs {
		if err != nil {
			w.t.Fatal(err)
		}
	}
}

// example is a file of examples/databases.
func (d *databases) example(name string) string {
	d.t.Helper()
	text, err := os.ReadFile(filepath.Join(fleet.Top(), "examples", "databases", name))
	d.must(err)
	return string(text)
}

// sql asks an instance.
func (d *databases) sql(name, statement string) string {
	d.t.Helper()
	out, err := d.db[name].SQL(d.t.Context(), statement)
	d.must(err)
	return out
}

// stream waits until these hosts follow db1.
func (d *databases) stream(names ...string) {
	d.t.Helper()
	var want []string
	for _, name := range names {
		want = append(want, d.db[name].Address)
	}
	fleet.Eventually(d.t, patience, strings.Join(names, " and ")+" follow", func() error {
		got, err := d.db["db1"].Following(d.t.Context())
		if err == nil && !slices.Equal(got, want) {
			err = fmt.Errorf("%q do", got)
		}
		return err
	})
}

// mark is what tells a data directory from the one that comes in its place.
func (d *databases) mark(name string) string {
	d.t.Helper()
	return d.run(d.db[name].Host, "stat -c %i "+dbhost.Data+" 2>/dev/null || echo none")
}

// clean waits until no run has anything beside the data. A host's part may be over
// before that.
func (d *databases) clean() {
	d.t.Helper()
	for name, db := range d.db {
		fleet.Eventually(d.t, patience, "nothing is left on "+name, func() error {
			left, err := db.Leftovers(d.t.Context())
			if err == nil && left != "" {
				err = errors.New(left)
			}
			return err
		})
	}
}

// replicas runs a task on db2 and db3.
func (d *databases) replicas(task string, args ...string) *played {
	d.t.Helper()
	return d.playOn("replicas", task, args...)
}

// patience is what something may take on a busy machine that takes seconds on one
// that is not.
const patience = 2 * time.Minute

const seedTask = "- rackswarm.swarm.replica_seed: {database: main, source: db1, timeout: 300}"

// What becomes of two hosts, from nothing to replicas that keep out of trouble. The
// parts follow on each other.
func TestReplicaSeed(t *testing.T) {
	t.Parallel()
	d := newDatabases(t)
	for _, part := range []struct {
		name string
		test func(*databases)
	}{
		{"check mode", (*databases).checkMode},
		{"a primary is refused", (*databases).primaryIsRefused},
		{"the example, with one fork", (*databases).runExample},
		{"again, hidden by no_log", (*databases).runAgain},
		{"a wrong password", (*databases).wrongPassword},
		{"a replica that does not come up", (*databases).doesNotComeUp},
		{"a run that is aborted", (*databases).abort},
	} {
		ok := t.Run(part.name, func(t *testing.T) {
			own := *d
			own.world = d.in(t)
			part.test(&own)
		})
		if !ok {
			return
		}
	}
}

func (d *databases) checkMode() {
	p := d.replicas(seedTask, "--check")
	for _, name := range []string{"db2", "db3"} {
		if o := p.on(name); o.How != "ok" || !o.Result.Changed || len(o.Result.Warnings) == 0 {
			d.t.Errorf("%s: %s", name, o.Raw)
		}
		if mark := d.mark(name); mark != "none\n" {
			d.t.Errorf("%s has data: %s", name, mark)
		}
	}
	if runs, err := d.client.Runs(d.t.Context()); err != nil || len(runs) > 0 {
		d.t.Errorf("runs: %+v, %v", runs, err)
	}
}

// A database that takes writes is not touched, and neither is the other host.
func (d *databases) primaryIsRefused() {
	db3 := d.db["db3"]
	d.must(db3.InitPrimary(d.t.Context()))
	before := d.mark("db3")
	p := d.replicas(seedTask)
	for _, name := range []string{"db2", "db3"} {
		if o := p.on(name); o.How != "failed" || o.Result.Changed || o.Result.Error.Code != api.CodeState || !strings.Contains(o.Result.Msg, "db3") || o.Result.Error.Fix == "" {
			d.t.Errorf("%s: %s", name, o.Raw)
		}
	}
	if d.mark("db2") != "none\n" || d.mark("db3") != before || d.sql("db3", "SELECT pg_is_in_recovery()") != "f" {
		d.t.Error("something was touched")
	}
	d.clean()
	d.must(db3.StopServer(d.t.Context()))
	d.run(db3.Host, "rm -rf "+dbhost.Data)
}

func (d *databases) runExample() {
	load, err := d.db["db1"].StartLoad(d.t.Context())
	d.must(err)
	p := d.playbook(d.example("seed.yml"), "--forks=1")
	rows, err := load.Stop(d.t.Context())
	d.must(err)
	for _, name := range []string{"db2", "db3"} {
		o := p.on(name)
		if o.How != "ok" || !o.Result.Changed || o.Result.State != string(api.PartCommitted) || o.Result.Node != name {
			d.t.Errorf("%s: %s", name, o.Raw)
		}
	}
	if a, b := p.on("db2").Result.Run, p.on("db3").Result.Run; a != b || a == "" {
		d.t.Errorf("the hosts had the runs %q and %q", a, b)
	}
	d.stream("db2", "db3")
	for _, name := range []string{"db2", "db3"} {
		fleet.Eventually(d.t, time.Minute, name+" has all rows", func() error {
			got, err := d.db[name].Rows(d.t.Context())
			if err == nil && got != rows {
				err = fmt.Errorf("%d of %d", got, rows)
			}
			return err
		})
	}
	d.clean()
}

func (d *databases) runAgain() {
	before := d.mark("db2") + d.mark("db3")
	p := d.replicas(strings.Replace(seedTask, "- ", "- no_log: true\n  ", 1), "-v")
	for _, name := range []string{"db2", "db3"} {
		if o := p.on(name); o.How != "ok" || o.Result.Changed || !strings.Contains(o.Raw, "censored") {
			d.t.Errorf("%s: %s", name, o.Raw)
		}
		if strings.Contains(p.Output, "\n"+name+": ") || strings.Contains(p.Output, "phase") {
			d.t.Errorf("no_log shows:\n%s", p.Output)
		}
	}
	if d.mark("db2")+d.mark("db3") != before {
		d.t.Error("data were replaced")
	}
}

// fails stops db3's replica, and runs the task, which is to fail there and leave db2
// alone.
func (d *databases) fails(want api.PartState, fix string) outcome {
	d.t.Helper()
	d.must(d.db["db3"].StopServer(d.t.Context()))
	before := d.mark("db2") + d.mark("db3")
	p := d.replicas(seedTask)
	if o := p.on("db2"); o.How != "ok" || o.Result.Changed {
		d.t.Errorf("db2: %s", o.Raw)
	}
	o := p.on("db3")
	if o.How != "failed" || o.Result.Changed || o.Result.State != string(want) || !strings.Contains(o.Result.Error.Fix, fix) || !strings.Contains(o.Result.Msg, "db3") {
		d.t.Errorf("db3 is not %s: %s", want, o.Raw)
	}
	if after := d.mark("db2") + d.mark("db3"); after != before {
		d.t.Errorf("the data were %q and are %q", before, after)
	}
	d.clean()
	return o
}

// The primary does not take the password of one host: that fails before anything
// of it is touched.
func (d *databases) wrongPassword() {
	db3 := d.db["db3"].Host
	d.run(db3, "cp -a "+dbhost.PassFile+" /root/pgpass && sed -i 's/[^:]*$/wrong/' "+dbhost.PassFile)
	o := d.fails(api.PartFailed, "passfile")
	d.run(db3, "mv /root/pgpass "+dbhost.PassFile)
	for _, secret := range []string{"of-the-replicas", "wrong\n"} {
		if strings.Contains(o.Raw, secret) {
			d.t.Errorf("the password is shown: %s", o.Raw)
		}
	}
}

const listener = `import socket, time
s = socket.create_server(("", 5432), family=socket.AF_INET6, dualstack_ipv6=True)
print("ready", flush=True)
time.sleep(1000)`

// Another server has the port of one host: what was swapped in there does not start,
// and the data of before come back.
func (d *databases) doesNotComeUp() {
	db3 := d.db["db3"]
	d.must(db3.StopServer(d.t.Context()))
	other, err := db3.Start("other", "python3", "-c", listener)
	d.must(err)
	fleet.Eventually(d.t, time.Minute, "the port is taken", func() error {
		if log, _ := os.ReadFile(db3.Log("other")); string(log) != "ready\n" {
			return fmt.Errorf("%s", log)
		}
		return nil
	})
	o := d.fails(api.PartRolledBack, "log")
	if !strings.Contains(o.Result.Msg, "Address already in use") {
		d.t.Errorf("no word of the port: %s", o.Raw)
	}
	d.must(other.Stop(d.t.Context()), db3.StartServer(d.t.Context()))
	d.stream("db2", "db3")
}

// A run that cannot go on is aborted by a task, and its hosts are as they were.
func (d *databases) abort() {
	before := d.mark("db2") + d.mark("db3")
	d.run(d.db["db3"].Host, "kill -KILL $(cat /run/agent.started)")
	p := d.replicas(`
- rackswarm.swarm.replica_seed: {database: main, source: db1, force: true, run_id: halted, wait: false, timeout: 60}
  run_once: true
- rackswarm.swarm.replica_seed: {run_id: halted, state: aborted, wait: false, timeout: 60}
  run_once: true
`)
	_, err := d.db["db3"].StartAgent()
	d.must(err)
	for _, o := range p.Outcomes {
		if o.How != "ok" || !o.Result.Changed {
			d.t.Errorf("%s", o.Raw)
		}
	}
	var run api.Run
	fleet.Eventually(d.t, patience, "the run has ended", func() (err error) {
		if run, err = d.client.Run(d.t.Context(), "halted"); err == nil && !run.Phase.Finished() {
			err = fmt.Errorf("it is %s", run.Phase)
		}
		return err
	})
	if run.Phase != api.RunAborted || len(p.Outcomes) != 2 || d.mark("db2")+d.mark("db3") != before {
		d.t.Errorf("%d outcomes, run %+v", len(p.Outcomes), run)
	}
	o := d.replicas("- rackswarm.swarm.replica_seed: {run_id: halted, state: aborted, timeout: 60}", "--limit=db2").on("db2")
	if o.How != "ok" || o.Result.Changed {
		d.t.Errorf("a run that has ended: %s", o.Raw)
	}
	d.stream("db2", "db3")
	d.clean()
}
