package database

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/rackswarm/rackswarm/acceptance/dbhost"
	"github.com/rackswarm/rackswarm/core/api"
)

// What cannot be done is refused with what is wrong and what to do, before
// anything is captured or stopped. db2 is a replica that follows, db3 is what each
// story makes of it.
func TestRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{names: []string{"db1", "db2", "db3", "stranger"}, settings: map[string]map[string]any{
		"db3":      {"databases": oddDatabases()},
		"stranger": {"databases": map[string]any{"other": dbhost.On(nil, dbhost.Options{}).Settings("stranger")}},
	}, prepare: func(w *world) {
		w.db["stranger"] = dbhost.On(w.set.Host("stranger"), dbhost.Quick())
		w.must(w.db["stranger"].Prepare(w.Context(), "postgres"), w.db["stranger"].InitPrimary(w.Context()))
		w.must(w.db["db2"].InitReplica(w.Context(), "db1"))
		w.oddDrivers("db3")
	}})
	w.streams("db2")
	w.wrongWords()
	w.wrongDrivers()
	for _, story := range []struct {
		name  string
		play  func(w *world)
		flags string
		words []string
	}{
		{"a-running-primary", aRunningPrimary, "", []string{"takes writes", "allow_primary"}},
		{"a-stopped-primary", aStoppedPrimary, "", []string{"does not run", "was no replica", "require_replica"}},
		{"another-cluster", aStoppedPrimary, "--no-require-replica", []string{"belongs to cluster"}},
		{"a-replica-of-another", aReplicaOfAnother, "", []string{"belongs to cluster"}},
		{"another-version", anotherVersion, "", []string{"14.11", "15"}},
		{"a-mountpoint", aMountpoint, "", []string{"mounted on the data directory", "below the mount"}},
		{"no-space", noSpace, "", []string{"are needed", "make room"}},
		{"something-else", somethingElse, "", []string{"not this kind of database"}},
		{"a-tablespace", aTablespace, "--no-require-replica", []string{"/srv/elsewhere", "tablespace"}},
	} {
		t.Run(story.name, func(t *testing.T) {
			own := *w
			own.T = t
			own.empty("db3")
			story.play(&own)
			own.refused(story.name, story.flags, story.words...)
		})
	}
}

// refused seeds db2 and db3, which must not change anything.
func (w *world) refused(id, flags string, words ...string) {
	w.Helper()
	look := "stat -c '%n %i %s %y' /srv/pg/main /srv/pg/main/* 2>/dev/null | grep -v 'data.log' || true"
	before, standing, slots := w.run(w.set.Host("db3"), look), w.standing("db2"), w.slots()
	args := []string{"seed", "main", "--from", "db1", "--force", "--node", "db2", "--node", "db3", "--id", id}
	r := w.backup(append(args, strings.Fields(flags)...)...)
	w.fails(r, 1, words...)
	if now := w.standing("db2"); now != standing {
		w.Errorf("on db2 there is %q, and was %q", now, standing)
	}
	if now := w.run(w.set.Host("db3"), look); now != before {
		w.Errorf("on db3 there is\n%sand was\n%s", now, before)
	}
	if now := w.slots(); now != slots {
		w.Errorf("slots %q, and before %q", now, slots)
	}
	w.clean()
	if run := w.record(id); run.Phase != api.RunFailed {
		w.Errorf("the run is %s", run.Phase)
	}
}

// empty leaves nothing where a host has its database.
func (w *world) empty(name string) {
	w.Helper()
	if _, err := w.set.Host(name).Run(w.Context(), "test -e "+dbhost.Data+"/PG_VERSION"); err == nil {
		w.must(w.db[name].StopServer(w.Context()))
	}
	w.run(w.set.Host(name), `for dir in /srv/pg/main/data /srv/pg/main; do
	while mountpoint -q $dir; do umount $dir; done
done
rm -rf /srv/pg/main/*
ln -sf `+dbhost.Bin+`/postgres /opt/pg/postgres`)
}

func aRunningPrimary(w *world) { w.must(w.db["db3"].InitPrimary(w.Context())) }

func aStoppedPrimary(w *world) {
	aRunningPrimary(w)
	w.must(w.db["db3"].StopServer(w.Context()))
}

func aReplicaOfAnother(w *world) { w.must(w.db["db3"].InitReplica(w.Context(), "stranger")) }

// anotherVersion has older programs installed on db3.
func anotherVersion(w *world) {
	w.run(w.set.Host("db3"), `printf '#!/bin/sh\necho "postgres (PostgreSQL) 14.11"\n' >/opt/pg/older
chmod 755 /opt/pg/older; ln -sf older /opt/pg/postgres`)
}

func aMountpoint(w *world) {
	w.run(w.set.Host("db3"), "mkdir -p /srv/elsewhere "+dbhost.Data+" && mount --bind /srv/elsewhere "+dbhost.Data)
}

func noSpace(w *world) {
	w.run(w.set.Host("db3"), "mount -t tmpfs -o size=40m tmpfs /srv/pg/main")
}

func somethingElse(w *world) {
	w.run(w.set.Host("db3"), "mkdir "+dbhost.Data+" && echo mine >"+dbhost.Data+"/notes")
}

func aTablespace(w *world) {
	w.run(w.set.Host("db1"), "install -d -o postgres -g postgres -m 0700 /srv/elsewhere")
	w.sql("db1", "CREATE TABLESPACE elsewhere LOCATION '/srv/elsewhere'")
}

// wrongWords are requests that no agent begins to work on.
func (w *world) wrongWords() {
	w.Helper()
	w.ok("take", "main", "--node", "db1", "--copies", "1", "--id", "kept")
	for _, line := range []struct {
		args  string
		code  int
		words []string
	}{
		{"seed main --from db1 --node nowhere", 1, []string{"nowhere"}},
		{"seed main --from db1 --node hub", 1, []string{"hub"}},
		{"seed main --from nowhere --node db2", 1, []string{"nowhere"}},
		{"seed mian --from db1 --node db2", 1, []string{"mian", "main"}},
		{"take mian", 1, []string{"mian", "main"}},
		{"restore main --backup gone --as replica --node db2", 1, []string{"gone"}},
		{"restore other --backup latest --as replica --node stranger", 1, []string{"--backup", "other"}},
		{"seed main --from db1 --node db2 --health-timeout 0s", 2, []string{"--health-timeout"}},
		{"take main --node db1 --copies 200", 1, []string{"--copies"}},
		{"take main --node db1 --path /etc", 1, []string{"/etc"}},
		{"schedule set odd --when nonsense take main --node db1", 1, []string{"--when", "nonsense"}},
		{"schedule set odd --when 61_*_*_*_* take main --node db1", 1, []string{"--when", "61"}},
		{"schedule set odd --when @daily --time-zone Mars/Base take main --node db1", 1, []string{"--time-zone", "Mars/Base"}},
	} {
		args := strings.Fields(line.args)
		for i, a := range args {
			args[i] = strings.ReplaceAll(a, "_", " ")
		}
		standing := w.standing("db2")
		r := w.backup(args...)
		w.fails(r, line.code, append(line.words, "Fix:")...)
		if now := w.standing("db2"); now != standing {
			w.Errorf("%s: on db2 there is %q, and was %q", line.args, now, standing)
		}
	}
	if out := w.ok("schedule", "list"); strings.Contains(out, "odd") {
		w.Errorf("schedules\n%s", out)
	}
	w.clean()
}

// odd are databases of db3 whose drivers cannot be used, with what is said then.
var odd = map[string][]string{
	"unlisted": {"driver unlisted", "drivers.sha256"},
	"changed":  {"driver changed", "another SHA-256", "sha256sum"},
	"newer":    {"driver newer", "version"},
	"writable": {"driver writable", "written to by everybody", "chmod"},
}

// dead is a database whose driver's program ends at once, which may pass.
const dead = "dead"

func oddDatabases() map[string]any {
	main := dbhost.On(nil, dbhost.Options{}).Settings("db1")
	main["settings"].(map[string]any)["bin"] = "/opt/pg" //nolint:forcetypeassert // it is one
	all := map[string]any{dbhost.Database: main}
	for _, name := range append(slices.Collect(maps.Keys(odd)), dead) {
		all[name] = map[string]any{"driver": name, "data": "/srv/pg/" + name}
	}
	return all
}

// oddDrivers writes programs that are no good, and a catalogue.
func (w *world) oddDrivers(host string) {
	w.Helper()
	// What go-plugin reads first is: its own version, the driver's, network, address.
	w.run(w.set.Host(host), fmt.Sprintf(`mkdir -p /opt/drivers /opt/pg
ln -s `+dbhost.Bin+`/* /opt/pg
cd /opt/drivers
printf '#!/bin/sh\necho "1|99|unix|/tmp/none|grpc|"\nexec sleep 60\n' | tee rackswarm-driver-newer rackswarm-driver-changed rackswarm-driver-writable >rackswarm-driver-unlisted
printf '#!/bin/sh\necho "I cannot go on" >&2\nexit 1\n' >rackswarm-driver-dead
chmod 755 *
chmod 777 rackswarm-driver-writable
sha256sum $PWD/rackswarm-driver-newer $PWD/rackswarm-driver-changed $PWD/rackswarm-driver-writable $PWD/rackswarm-driver-dead >>%s
echo '# newer' >>rackswarm-driver-changed`, dbhost.Drivers))
}

// wrongDrivers asks for what only these drivers could do.
func (w *world) wrongDrivers() {
	w.Helper()
	w.ok("take", dead, "--copies", "1", "--on", "hub", "--id", "with-dead", "--no-wait")
	for name, words := range odd {
		w.fails(w.backup("take", name, "--copies", "1", "--on", "hub", "--id", "with-"+name), 1, append(words, "db3", "Fix:")...)
	}
	w.eventually("the run says what it waits for", func() error {
		if out := w.ok("status", "with-dead"); !strings.Contains(out, "driver dead") {
			return errors.New(out)
		}
		return nil
	})
	w.ok("abort", "with-dead")
}
