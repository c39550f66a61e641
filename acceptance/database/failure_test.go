package database

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rackswarm/rackswarm/acceptance/dbhost"
	"github.com/rackswarm/rackswarm/core/api"
)

// standing tells one data directory and server from others.
func (w *world) standing(name string) string {
	w.Helper()
	return w.run(w.set.Host(name), "stat -c 'inode %i' "+dbhost.Data+"; cat "+dbhost.Data+"/postmaster.pid 2>/dev/null || true")
}

// inode is that of the data directory.
func (w *world) inode(name string) string {
	w.Helper()
	return w.run(w.set.Host(name), "stat -c %i "+dbhost.Data)
}

// content is a digest of all that stands at the data directory, with owners, modes
// and times. It stays only while the server does not run.
func (w *world) content(name string) string {
	w.Helper()
	return w.run(w.set.Host(name), "tar --sort=name --numeric-owner -C "+dbhost.Data+" -cf - . | sha256sum")
}

// member is the part of a host in a run.
func (w *world) member(run, host string) api.RunPart {
	w.Helper()
	r := w.record(run)
	for _, m := range r.Members {
		if m.Node == host {
			return m
		}
	}
	w.Fatalf("%s is no member of %+v", host, r)
	return api.RunPart{}
}

// ends checks how a host's part in a run ended, and with what error.
func (w *world) ends(run, host string, state api.PartState, words ...string) {
	w.Helper()
	m := w.member(run, host)
	if m.Report.State != state {
		w.Errorf("%s is %s, want %s: %+v", host, m.Report.State, state, m)
	}
	text := fmt.Sprint(m.Report.Error)
	for _, word := range words {
		if !strings.Contains(text, word) {
			w.Errorf("the error of %s does not say %q: %s", host, word, text)
		}
	}
}

// forced seeds hosts though they follow well.
func (w *world) forced(id string, on ...string) result {
	w.Helper()
	args := []string{"seed", "main", "--from", "db1", "--force", "--health-timeout", "1m", "--id", id}
	for _, name := range on {
		args = append(args, "--node", name)
	}
	return w.backup(args...)
}

// editConf is a script for after-Configure that edits the settings of the server.
func editConf(expression string) string {
	return "sed -i '" + expression + "' $DIR/postgresql.auto.conf; grep -q primary_conninfo $DIR/postgresql.auto.conf"
}

// story is a way in which a seed goes wrong.
type story struct {
	name string
	play func(w *world, id string)
}

// Replicas that do not come up, for the reasons of real life: each time the old
// one is back and follows again.
func TestReplicaDoesNotComeUp(t *testing.T) {
	t.Parallel()
	playAll(t, []story{
		{"the-signal-is-gone", theSignalIsGone},
		{"it-starts-as-a-primary", itStartsAsAPrimary},
		{"the-log-is-gone", theLogIsGone},
		{"wrong-slot", wrongSlot},
		{"wrong-cluster", wrongCluster},
	})
}

// What is wrong with a replica before it starts, or because of others.
func TestReplicaIsNoGood(t *testing.T) {
	t.Parallel()
	playAll(t, []story{
		{"files-of-root", filesOfRoot},
		{"slot-of-another", slotOfAnother},
		{"flipped-byte", flippedByte},
		{"an-old-backup", anOldBackup},
	})
}

// playAll plays stories one after the other. db2 follows well, by a slot, before
// each; db3 is a replica that is stopped.
func playAll(t *testing.T, stories []story) {
	t.Helper()
	w := newWorld(t, options{names: []string{"db1", "db2", "db3", "stranger"}, sabotaged: true, prepare: func(w *world) {
		stranger := dbhost.On(w.set.Host("stranger"), dbhost.Quick())
		w.must(stranger.Prepare(w.Context(), "postgres"), stranger.InitPrimary(w.Context()))
		w.must(w.db["db3"].InitReplica(w.Context(), "db1"), w.db["db3"].StopServer(w.Context()))
	}})
	w.ok("seed", "main", "--from", "db1", "--node", "db2")
	for _, s := range stories {
		t.Run(s.name, func(t *testing.T) {
			own := *w
			own.T = t
			s.play(&own, s.name)
			own.clean()
			own.heal("db2")
			own.heal("db3")
		})
	}
}

// backAgain runs a seed of db2 that fails after the exchange, and checks that all
// is as before.
func (w *world) backAgain(id string, words ...string) {
	w.Helper()
	inode, slots := w.inode("db2"), w.slots()
	w.fails(w.forced(id, "db2"), 1, "db2")
	w.ends(id, "db2", api.PartRolledBack, words...)
	w.asBefore(inode, slots)
}

// asBefore checks that db2 has the same data directory, and follows by the same
// slot.
func (w *world) asBefore(inode, slots string) {
	w.Helper()
	if now := w.inode("db2"); now != inode {
		w.Errorf("the data directory is %s, and was %s", now, inode)
	}
	w.streams("db2")
	if now := w.slots(); now != slots {
		w.Errorf("slots %q, and before %q", now, slots)
	}
}

// Of two members the first one fails, and the other is not touched. Then that
// one, which was stopped, is exchanged and brought back, byte by byte.
func theSignalIsGone(w *world, id string) {
	for _, name := range []string{"db2", "db3"} {
		w.sabotage(name, "after-Configure", "rm $DIR/standby.signal")
	}
	content := w.content("db3")
	w.fails(w.forced(id, "db2", "db3"), 1, "db2", "standby.signal")
	w.ends(id, "db2", api.PartRolledBack, "standby.signal")
	w.ends(id, "db3", api.PartFailed)
	w.streams("db2")
	w.fails(w.forced(id+"-2", "db3"), 1, "db3", "standby.signal")
	w.ends(id+"-2", "db3", api.PartRolledBack, "standby.signal")
	if now := w.content("db3"); now != content {
		w.Errorf("the content of db3 is %s, and was %s", now, content)
	}
}

// The driver refuses to start what would open for writing, so the script does it.
func itStartsAsAPrimary(w *world, id string) {
	w.sabotage("db2", "before-Start", `[ -e $DATA/backup_label ] || exit 0
rm $DATA/standby.signal
setpriv --reuid=postgres --regid=postgres --init-groups `+dbhost.Bin+`/pg_ctl -D $DATA -l $DATA.log -w -s start`)
	w.backAgain(id, "writ")
}

// What the new replica needs of the log is thrown away before it starts, but not
// what the old one needs, which has a slot.
func theLogIsGone(w *world, id string) {
	w.sabotage("db2", "after-Configure", editConf("/^primary_slot_name/d"))
	reached, release := w.pause("db2", "before-Stop")
	go func() {
		defer release()
		reached()
		w.sql("db1", "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE NOT active")
		w.forgetLog()
	}()
	inode, slots := w.inode("db2"), w.slots()
	r := w.forced(id, "db2")
	w.fails(r, 1)
	// The replica may see it first, or the source, which watches its hold on the log.
	if !strings.Contains(r.errOut, "has already been removed") && !strings.Contains(r.errOut, "gone") {
		w.Errorf("the error is\n%s", r.errOut)
	}
	w.ends(id, "db2", api.PartRolledBack)
	w.asBefore(inode, slots)
}

func wrongSlot(w *world, id string) {
	w.sabotage("db2", "after-Configure", editConf("s/^primary_slot_name.*/primary_slot_name = nobodys/"))
	w.backAgain(id, "nobodys")
}

func wrongCluster(w *world, id string) {
	w.sabotage("db2", "after-Configure", editConf("s/host=db1/host=stranger/"))
	w.backAgain(id, "identifier differs")
}

// db3 is told to use db2's slot.
func slotOfAnother(w *world, id string) {
	slot, content := w.slots(), w.content("db3")
	w.sabotage("db3", "after-Configure", editConf("s/^primary_slot_name.*/primary_slot_name = "+slot+"/"))
	w.fails(w.forced(id, "db3"), 1, "db3")
	w.ends(id, "db3", api.PartRolledBack, slot)
	w.streams("db2")
	if now := w.content("db3"); now != content {
		w.Errorf("the content of db3 is %s, and was %s", now, content)
	}
}

// The copy is damaged where it lies: nothing is stopped.
func flippedByte(w *world, id string) {
	w.sabotage("db2", "before-Verify", flip("/srv/pg/main/.rackswarm."+id+"/data/base/1/1259"))
	before := w.standing("db2")
	w.fails(w.forced(id, "db2"), 1, "db2", "base/1/1259")
	w.ends(id, "db2", api.PartFailed, "base/1/1259")
	if now := w.standing("db2"); now != before {
		w.Errorf("on db2 there is %q, and was %q", now, before)
	}
}

// Whoever made files that are root's: in the end they are the database's user's.
func filesOfRoot(w *world, id string) {
	w.sabotage("db2", "after-Configure", "touch $DIR/of-root; chown -R root:root $DIR/base $DIR/global; chmod -R go+rX $DIR/base")
	if r := w.forced(id, "db2"); r.code != 0 {
		w.Fatal(r.errOut)
	}
	w.run(w.set.Host("db2"), "test -e "+dbhost.Data+"/of-root")
	w.streams("db2")
}

// What is restored has been kept for too long: the primary has no log for it.
func anOldBackup(w *world, id string) {
	w.ok("take", "main", "--node", "db1", "--copies", "1", "--on", "hub")
	w.forgetLog()
	inode, slots := w.inode("db2"), w.slots()
	r := w.backup("restore", "main", "--backup", "latest", "--as", "replica", "--node", "db2", "--force", "--id", id)
	w.fails(r, 1, "db2", "has already been removed", "restore a newer backup")
	w.ends(id, "db2", api.PartRolledBack)
	w.asBefore(inode, slots)
}
