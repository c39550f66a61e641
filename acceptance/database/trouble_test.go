package database

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rackswarm/rackswarm/core/api"
)

// killAgent kills the agent of a host as the kernel would, and nothing else.
func (w *world) killAgent(name string) {
	w.Helper()
	w.run(w.set.Host(name), `pid=$(cat /run/agent.started); kill -KILL $pid; while kill -0 $pid 2>/dev/null; do sleep 0.02; done`)
}

func (w *world) startAgent(name string) {
	w.Helper()
	_, err := w.set.Host(name).StartAgent()
	w.must(err)
}

// started is a command of rackswarm-backup that goes on.
type started struct {
	result
	done chan struct{} // closed when result can be read
}

// begin starts a seed of db2 by force.
func (w *world) begin(id string) *started {
	w.Helper()
	s := &started{done: make(chan struct{})}
	go func() {
		defer close(s.done)
		s.result = w.forced(id, "db2")
	}()
	return s
}

// settled waits until a run has ended and every part of it is done.
func (w *world) settled(id string) (r api.Run) {
	w.Helper()
	w.eventually(id+" has ended", func() error {
		got, err := w.tryBackup(w.Context(), "status", id, "--json")
		if err != nil || got.code != 0 {
			return fmt.Errorf("%w %s", err, got.errOut)
		}
		if r = w.record(id); !r.Phase.Finished() {
			return fmt.Errorf("it is %s", r.Phase)
		}
		for _, p := range append(r.Members, *r.Source) {
			if !p.Report.Done {
				return fmt.Errorf("the part of %s is %s", p.Node, p.Report.State)
			}
		}
		return nil
	})
	return r
}

// healthyEitherWay checks how a run ended that could end well or not: db2 follows,
// with the new data if it is complete, and else with the old ones.
func (w *world) healthyEitherWay(id, inode string) {
	w.Helper()
	r := w.settled(id)
	w.streams("db2")
	switch now := w.inode("db2"); {
	case r.Phase == api.RunComplete && now == inode:
		w.Errorf("%s is complete, and the old data still stand", id)
	case r.Phase != api.RunComplete && now != inode:
		w.Errorf("%s is %s, and the old data are not back: %v", id, r.Phase, r.Error)
	}
	w.Logf("%s: %s, %s", id, r.Phase, r.Members[0].Report.State)
	w.clean()
}

// The agent of a member dies around the exchange of the directories, and comes
// back: the database is never left down.
func TestAgentOfMemberDies(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{names: []string{"db1", "db2"}, sabotaged: true, prepare: func(w *world) {
		w.must(w.db["db2"].InitReplica(w.Context(), "db1"))
	}})
	for _, moment := range []string{"after-Configure", "after-Stop", "before-Start", "after-Health"} {
		t.Run(moment, func(t *testing.T) {
			own := *w
			own.T = t
			own.dies(strings.ToLower(moment), "db2", moment)
		})
	}
}

// The agent of a source dies while it captures, and comes back: nothing of it is
// left in the end.
func TestAgentOfSourceDies(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{names: []string{"db1", "db2"}, sabotaged: true, prepare: func(w *world) {
		w.must(w.db["db2"].InitReplica(w.Context(), "db1"))
	}})
	w.dies("early", "db1", "before-Capture")
	w.dies("late", "db1", "after-Capture")
}

// dies has an agent killed at a moment of a run, and started again.
func (w *world) dies(id, host, moment string) {
	w.Helper()
	inode := w.inode("db2")
	reached, _ := w.pause(host, moment)
	run := w.begin(id)
	reached()
	w.killAgent(host)
	w.heal(host)
	w.startAgent(host)
	w.healthyEitherWay(id, inode)
	<-run.done
}

// The store is away, and comes back with what it had, while a member's database is
// stopped: the member goes on without it.
func TestStoreIsAwayDuringTheSwitch(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{names: []string{"db1", "db2"}, sabotaged: true, prepare: func(w *world) {
		w.must(w.db["db2"].InitReplica(w.Context(), "db1"))
	}})
	inode := w.inode("db2")
	reached, release := w.pause("db2", "after-Stop")
	run := w.begin("away")
	reached()
	w.killAgent("hub")
	release()
	w.eventually("the new database runs", func() error {
		got, err := w.db["db2"].SQL(w.Context(), "SELECT pg_is_in_recovery()")
		if err == nil && (got != "t" || w.inode("db2") == inode) {
			err = fmt.Errorf("%q", got)
		}
		return err
	})
	w.streams("db2")
	w.startAgent("hub")
	w.healthyEitherWay("away", inode)
	if r := w.record("away"); r.Phase != api.RunComplete {
		t.Errorf("the run is %s: %v", r.Phase, r.Error)
	}
	<-run.done
}

// A run is aborted while its member starts the new database: the old one comes
// back.
func TestAbortDuringTheSwitch(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{names: []string{"db1", "db2"}, sabotaged: true, lenient: "db1", prepare: func(w *world) {
		w.must(w.db["db2"].InitReplica(w.Context(), "db1"))
	}})
	inode := w.inode("db2")
	reached, release := w.pause("db2", "before-Start")
	run := w.begin("unwanted")
	reached()
	w.ok("abort", "unwanted", "--no-wait")
	release()
	if r := w.settled("unwanted"); r.Phase != api.RunAborted {
		t.Errorf("the run is %s: %v", r.Phase, r.Error)
	}
	<-run.done
	w.fails(run.result, 1, "unwanted")
	w.healthyEitherWay("unwanted", inode)
	w.ends("unwanted", "db2", api.PartRolledBack)
	w.twoAtOnce()
	w.replacesThePrimary()
}

// twoAtOnce asks for a run of a database that another works on.
func (w *world) twoAtOnce() {
	w.Helper()
	reached, release := w.pause("db2", "before-Verify")
	first := w.begin("first")
	reached()
	w.fails(w.backup("seed", "main", "--from", "db1", "--node", "db2", "--id", "second"), 1, "run first works", "Fix: wait for it")
	release()
	<-first.done
	if first.code != 0 {
		w.Errorf("the first run: %s", first.errOut)
	}
	w.ok("seed", "main", "--from", "db1", "--node", "db2", "--id", "second")
	w.ends("second", "db2", api.PartSkipped)
	w.clean()
}

// replacesThePrimary is the accident of naming the primary as a member. It is
// refused; and who insists gets the old data back, as nothing can follow itself.
func (w *world) replacesThePrimary() {
	w.Helper()
	standing, inode := w.standing("db1"), w.inode("db1")
	args := []string{"seed", "main", "--from", "db2", "--node", "db1", "--health-timeout", "20s"}
	w.fails(w.backup(args...), 1, "db1", "takes writes", "allow_primary")
	if now := w.standing("db1"); now != standing {
		w.Errorf("on db1 there is %q, and was %q", now, standing)
	}
	w.fails(w.backup(append(args, "--allow-primary", "--id", "insisted")...), 1, "db1")
	w.ends("insisted", "db1", api.PartRolledBack)
	if now := w.inode("db1"); now != inode {
		w.Errorf("the data directory is %s, and was %s", now, inode)
	}
	w.sql("db1", "CREATE TABLE writable (n int)")
	w.streams("db2")
	w.clean()
}

// The driver's process dies in the middle of several calls, and hangs in another:
// each is made again.
func TestDriverDies(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{names: []string{"db1", "db2"}, sabotaged: true, prepare: func(w *world) {
		w.must(w.db["db2"].InitReplica(w.Context(), "db1"))
	}})
	for when, signal := range map[string]string{"after-Configure": "KILL", "after-Stop": "KILL", "before-Start": "KILL", "before-Health": "STOP"} {
		w.sabotage("db2", when, "rm $0; kill -"+signal+" $PPID; sleep 600")
	}
	if r := w.forced("again-and-again", "db2"); r.code != 0 {
		t.Fatal(r.errOut)
	}
	if left := w.run(w.set.Host("db2"), "ls /run/sabotage"); left != "" {
		t.Errorf("these scripts did not run: %s", left)
	}
	w.streams("db2")
	w.clean()
}

// The agent that leads a run dies, and another leads on.
func TestLeaderDies(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{names: []string{"db1", "db2"}, sabotaged: true, prepare: func(w *world) {
		w.must(w.db["db2"].InitReplica(w.Context(), "db1"))
	}})
	inode := w.inode("db2")
	reached, release := w.pause("db2", "before-Verify")
	run := w.begin("led")
	reached()
	leader := w.record("led").Runner
	w.killAgent(leader)
	w.heal("db2") // should it be the one
	release()
	if leader != "hub" { // which the store needs, and others go on without
		w.eventually("another leads", func() error {
			if now := w.record("led").Runner; now == leader {
				return fmt.Errorf("%s leads", now)
			}
			return nil
		})
	}
	w.startAgent(leader)
	if r := w.settled("led"); r.Phase != api.RunComplete {
		t.Errorf("run %+v", r)
	}
	w.healthyEitherWay("led", inode)
	<-run.done
}

// The host of a source dies while it captures: the run says so, and nothing was
// touched.
func TestSourceDies(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{names: []string{"db1", "db2"}, sabotaged: true, prepare: func(w *world) {
		w.must(w.db["db2"].InitReplica(w.Context(), "db1"))
	}})
	before := w.standing("db2")
	reached, _ := w.pause("db1", "before-Capture")
	run := w.begin("orphaned")
	reached()
	w.db["db1"].Kill()
	<-run.done
	w.fails(run.result, 1, "db1")
	if now := w.standing("db2"); now != before {
		t.Errorf("on db2 there is %q, and was %q", now, before)
	}
	w.ends("orphaned", "db2", api.PartFailed)
	if left, err := w.db["db2"].Leftovers(w.Context()); err != nil || left != "" {
		t.Errorf("left: %s %v", left, err)
	}
}
