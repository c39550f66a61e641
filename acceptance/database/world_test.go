// Package database tests backups, restores and the seeding of replicas as
// operators see them: rackswarm-backup, real agents with their drivers, and
// PostgreSQL 15, each host in namespaces of its own.
package database

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/dbhost"
	"github.com/rackswarm/rackswarm/acceptance/fleet"
	"github.com/rackswarm/rackswarm/acceptance/hosts"
	"github.com/rackswarm/rackswarm/core/api"
)

// parallel is how many tests run at a time, unless the command line says: they wait
// for leases and time limits more than they compute.
const parallel = "6"

func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", parallel); err != nil {
		panic(err)
	}
	fleet.Main(m)
}

// patience is what something may take on a busy machine that takes seconds on one
// that is not, and what a schedule is waited for.
const patience = 3 * time.Minute

// world is some hosts with agents. hub holds the store and has no database; the
// commands are given there. Hosts called db… have the database main, with db1 as
// the primary that the others follow; others keep copies.
type world struct {
	*testing.T
	set    *hosts.Set
	hub    *hosts.Host
	db     map[string]*dbhost.Instance
	agents map[string]*hosts.Service
}

// options of a world.
type options struct {
	names []string // beside hub
	// sabotaged has the instances driven by the test's own driver, which runs
	// scripts around each call.
	sabotaged bool
	settings  map[string]map[string]any // further ones of agents
	lenient   string                    // host whose configuration lets its primary be replaced
	prepare   func(w *world)            // before the agents start
}

func newWorld(t *testing.T, o options) *world {
	t.Helper()
	if err := dbhost.Unsupported(); err != nil {
		t.Skip(err)
	}
	programs := map[string]string{
		"rackswarm": fleet.Binary(t, "agent"), "rackswarm-backup": fleet.Binary(t, "agent/cmd/rackswarm-backup"),
		"rackswarm-driver-postgres": fleet.Binary(t, "agent/drivers/postgres"),
	}
	drivers := []string{"postgres"}
	if o.sabotaged {
		programs["rackswarm-driver-saboteur"] = fleet.Binary(t, "acceptance/database/internal/saboteur")
		drivers = append(drivers, "saboteur")
	}
	set, err := hosts.New(t.Context(), hosts.Options{Names: append([]string{"hub"}, o.names...), Programs: programs})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, set: set, hub: set.Host("hub"), db: map[string]*dbhost.Instance{}, agents: map[string]*hosts.Service{}}
	t.Cleanup(w.close)
	settings := map[string]map[string]any{}
	for i, name := range o.names {
		settings[name] = map[string]any{"node": map[string]any{"name": name, "location": fmt.Sprintf("dc/r%d", i+1)}}
		if strings.HasPrefix(name, "db") {
			w.db[name] = dbhost.On(set.Host(name), dbhost.Quick())
			instance := w.db[name].Settings("db1")
			if o.sabotaged {
				instance["driver"] = "saboteur"
			}
			instance["allow_primary"] = name == o.lenient
			settings[name]["databases"] = map[string]any{dbhost.Database: instance}
		}
		for key, value := range o.settings[name] {
			settings[name][key] = value
		}
	}
	w.each(func(db *dbhost.Instance) error { return db.Prepare(t.Context(), drivers...) })
	w.must(w.db["db1"].InitPrimary(t.Context()))
	if o.prepare != nil {
		o.prepare(w)
	}
	w.must(set.StartAgents(t.Context(), hosts.Agents{On: set.Hosts(), Settings: settings}))
	return w
}

// each does something on all hosts with a database, side by side.
func (w *world) each(do func(*dbhost.Instance) error) {
	w.Helper()
	var all sync.WaitGroup
	failed := make(chan error, len(w.db))
	for _, db := range w.db {
		all.Go(func() { failed <- do(db) })
	}
	all.Wait()
	for range w.db {
		w.must(<-failed)
	}
}

func (w *world) close() {
	for _, h := range w.set.Hosts() {
		log, _ := os.ReadFile(h.Log("agent"))
		for _, bug := range []string{"WARNING: DATA RACE", "panic: "} {
			if at := bytes.Index(log, []byte(bug)); at >= 0 {
				w.Errorf("agent on %s: %s", h.Name, log[at:min(len(log), at+4000)])
			}
		}
		if w.Failed() {
			w.Logf("log of the agent on %s:\n%s", h.Name, log[max(0, len(log)-6000):])
		}
	}
	if err := w.set.Close(); err != nil {
		w.Error(err)
	}
}

func (w *world) must(errs ...error) {
	w.Helper()
	if err := errors.Join(errs...); err != nil {
		w.Fatal(err)
	}
}

func (w *world) run(h *hosts.Host, script string) string {
	w.Helper()
	out, err := h.Run(w.Context(), script)
	w.must(err)
	return out
}

func (w *world) sql(name string, statements ...string) string {
	w.Helper()
	out, err := w.db[name].SQL(w.Context(), statements...)
	w.must(err)
	return out
}

// eventually waits until check returns nil.
func (w *world) eventually(what string, check func() error) {
	w.Helper()
	fleet.Eventually(w, patience, what, check)
}

// result is what a command of rackswarm-backup came to.
type result struct {
	out, errOut string
	code        int
}

// backup gives a command of rackswarm-backup on hub.
func (w *world) backup(args ...string) result {
	w.Helper()
	r, err := w.tryBackup(w.Context(), args...)
	w.must(err)
	return r
}

func (w *world) tryBackup(ctx context.Context, args ...string) (result, error) {
	cmd := w.hub.Command(ctx, "rackswarm-backup", args...)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return result{}, err
	}
	return result{out.String(), errOut.String(), cmd.ProcessState.ExitCode()}, nil
}

// ok is backup for what must end well.
func (w *world) ok(args ...string) string {
	w.Helper()
	r := w.backup(args...)
	if r.code != 0 {
		w.Fatalf("rackswarm-backup %q ended with %d:\n%s%s", args, r.code, r.out, r.errOut)
	}
	return r.out
}

// fails checks how a command ends, and that its error has the words.
func (w *world) fails(r result, code int, words ...string) {
	w.Helper()
	if r.code != code {
		w.Errorf("it ended with %d, want %d:\n%s%s", r.code, code, r.out, r.errOut)
	}
	for _, word := range words {
		if !strings.Contains(r.errOut, word) {
			w.Errorf("the error does not say %q:\n%s", word, r.errOut)
		}
	}
}

// json decodes what a command prints with --json.
func (w *world) json(into any, args ...string) {
	w.Helper()
	text := w.ok(append(args, "--json")...)
	if err := json.Unmarshal([]byte(text), into); err != nil {
		w.Fatalf("rackswarm-backup %q: %v\n%s", args, err, text)
	}
}

// record is the run as the agents know it.
func (w *world) record(run string) (r api.Run) {
	w.Helper()
	w.json(&r, "status", run)
	return r
}

// sabotage has the driver of a host run a script around a call.
func (w *world) sabotage(host, when, script string) {
	w.Helper()
	w.must(w.set.Host(host).Write("/run/sabotage/"+when, script, 0o644))
}

// pause has the driver of a host wait around the next call. reached returns when it
// does, and release lets it go on; both may be called from any goroutine.
func (w *world) pause(host, when string) (reached, release func()) {
	w.Helper()
	at, on := "/run/sabotage/"+when+".reached", "/run/sabotage/"+when+".release"
	w.sabotage(host, when, fmt.Sprintf("rm $0; touch %s; until [ -e %s ]; do sleep 0.02; done", at, on))
	reached = func() {
		fleet.Eventually(w, patience, when+" is reached on "+host, func() error {
			_, err := os.Stat(w.set.Host(host).Path(at))
			return err
		})
	}
	return reached, func() { _ = w.set.Host(host).Write(on, "", 0o644) }
}

// heal ends all sabotage on a host.
func (w *world) heal(host string) {
	w.Helper()
	w.run(w.set.Host(host), "rm -rf /run/sabotage")
}

// streams waits until the replicas on these hosts, and no others, stream from db1.
func (w *world) streams(names ...string) {
	w.Helper()
	var want []string
	for _, name := range names {
		want = append(want, w.set.Host(name).Address)
	}
	slices.Sort(want)
	w.eventually(fmt.Sprintf("%q stream from db1", names), func() error {
		got, err := w.db["db1"].Following(w.Context())
		if err == nil && !slices.Equal(got, want) {
			err = fmt.Errorf("%q do, want %q", got, want)
		}
		return err
	})
}

// catchesUp waits until a replica has what db1 has now of the load.
func (w *world) catchesUp(name string, rows int) {
	w.Helper()
	w.eventually(name+" has all rows", func() error {
		got, err := w.db[name].Rows(w.Context())
		if err == nil && got < rows {
			err = fmt.Errorf("%d of %d", got, rows)
		}
		return err
	})
}

// slots are the names of those on db1, sorted, parted by spaces.
func (w *world) slots() string {
	w.Helper()
	return w.sql("db1", "SELECT coalesce(string_agg(slot_name, ' ' ORDER BY slot_name), '') FROM pg_replication_slots WHERE NOT temporary")
}

// clean checks that a run left nothing beside the data, and no hold on the log.
func (w *world) clean() {
	w.Helper()
	if slots := w.slots(); strings.Contains(slots, "rackswarm_pin_") {
		w.Errorf("slots on db1: %s", slots)
	}
	for name, db := range w.db {
		if !db.Running() {
			continue
		}
		if left, err := db.Leftovers(w.Context()); err != nil || left != "" {
			w.Errorf("left on %s: %s %v", name, left, err)
		}
		if foreign := w.foreign(name); foreign != "" {
			w.Errorf("on %s these are not postgres's: %s", name, foreign)
		}
	}
}

// foreign lists files of a database that are not its user's, if there is one. Files
// may vanish meanwhile.
func (w *world) foreign(name string) string {
	w.Helper()
	return w.run(w.set.Host(name), "test ! -e "+dbhost.Data+"/PG_VERSION || find "+dbhost.Data+" ! -user postgres -o ! -group postgres 2>/dev/null || true")
}
