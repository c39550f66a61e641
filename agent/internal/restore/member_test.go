package restore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/pluginapi"
	decide "github.com/rackswarm/rackswarm/core/restore"
)

// forward are the goals of a member for which all goes well.
var forward = []api.PartGoal{api.GoalProbe, api.GoalReady, api.GoalSwitch, api.GoalCommit, api.GoalEnd}

// follow performs goals one after another.
func (w *world) follow(goals ...api.PartGoal) {
	w.Helper()
	for _, goal := range goals {
		if err := w.steps(goal, nil, never); err != nil {
			w.Fatal(err)
		}
	}
}

// Whatever stands, the copy takes its place, and nothing is left beside it.
func TestMemberIsRestored(t *testing.T) {
	for name, c := range map[string]struct {
		before  func(*world)
		restore api.Restore
	}{
		"nothing":            {func(*world) {}, api.Restore{As: api.AsReplica}},
		"empty directory":    {func(w *world) { w.must(os.Mkdir(w.data, 0o750)) }, api.Restore{As: api.AsReplica}},
		"replica that runs":  {func(w *world) { w.install(old, true) }, api.Restore{As: api.AsReplica}},
		"replica, stopped":   {func(w *world) { w.install(old, false) }, api.Restore{As: api.AsStandalone}},
		"primary, allowed":   {func(w *world) { w.install(toyData{Cluster: "c1"}, true); w.lenient = true }, api.Restore{As: api.AsReplica, AllowPrimary: true}},
		"forgotten, allowed": {func(w *world) { w.install(toyData{Cluster: "c1"}, false) }, api.Restore{As: api.AsReplica, AllowStopped: true}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c.before(w)
			mode := modeOf(w.data)
			w.member(c.restore)
			w.stage(newer)
			w.follow(forward...)
			if j := w.journal(); j.State != api.PartCommitted || !j.Done() {
				t.Errorf("%+v", j)
			}
			w.stands("new", true)
			if got := w.beside(); len(got) != 0 {
				t.Errorf("left beside the data: %q", got)
			}
			if mode != 0 && modeOf(w.data) != mode {
				t.Errorf("mode %v, want that of before, %v", modeOf(w.data), mode)
			}
			w.secretFree()
		})
	}
}

func modeOf(path string) os.FileMode {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Mode()
}

// The agent dies anywhere, and another one goes on where it was: the database that
// the run wants stands in the end, and runs, and there was never more than one.
func TestMemberOutlivesItsAgent(t *testing.T) {
	for _, nothing := range []bool{false, true} {
		for n := 0; ; n++ {
			ended := 0
			for _, where := range []cut{prepared, performed, taken} {
				t.Run(fmt.Sprintf("absent=%v/operation=%d/cut=%d", nothing, n, where), func(t *testing.T) {
					w := newWorld(t)
					if !nothing {
						w.install(old, true)
					}
					w.member(api.Restore{As: api.AsReplica})
					w.stage(newer)
					if !w.dieAt(n, where) {
						ended++
					}
					w.open()
					w.follow(api.GoalReady, api.GoalSwitch, api.GoalCommit, api.GoalEnd)
					if j := w.journal(); j.State != api.PartCommitted || !j.Done() {
						t.Errorf("%+v: %v", j.State, j.Error)
					}
					w.stands("new", true)
					if got := w.beside(); len(got) != 0 {
						t.Errorf("left beside the data: %q", got)
					}
				})
			}
			if ended > 0 {
				break
			}
		}
	}
}

// dieAt performs the way forward until the operation n, and dies there; false if
// there are not so many.
func (w *world) dieAt(n int, where cut) bool {
	w.Helper()
	for _, goal := range forward {
		if err := w.steps(goal, &n, where); err != nil {
			return true
		}
	}
	return false
}

// The run is aborted anywhere, with the agent dying there or not: until the old
// data were to be removed they are back, byte by byte and in their inodes, and run.
func TestMemberGoesBack(t *testing.T) {
	for _, dies := range []cut{never, prepared, performed} {
		for n := 0; ; n++ {
			over := false
			t.Run(fmt.Sprintf("operation=%d/cut=%d", n, dies), func(t *testing.T) {
				w := newWorld(t)
				w.install(old, true)
				before := snapshot(t, w.data)
				w.member(api.Restore{As: api.AsReplica})
				w.stage(newer)
				where := dies
				if dies == never {
					where = taken // the agent lives on: see below
				}
				over = !w.dieAt(n, where)
				committing := over
				if j := w.onDisk(); j != nil && j.Target.Committing {
					committing = true
				}
				if dies != never {
					w.open()
				}
				w.follow(api.GoalRevert, api.GoalEnd)
				if committing {
					over = true
					w.stands("new", true)
					return
				}
				w.stands("old", true)
				if after := snapshot(t, w.data); !slices.Equal(before, after) {
					t.Errorf("before: %q\nafter: %q", before, after)
				}
				if got := w.beside(); len(got) != 0 {
					t.Errorf("left beside the data: %q", got)
				}
				if got := w.listed("slots"); len(got) != 0 {
					t.Errorf("left on the primary: %q", got)
				}
				if j := w.journal(); j.Error == nil || j.Error.Code != api.CodeAborted || j.State != api.PartRolledBack && j.State != api.PartFailed {
					t.Errorf("%s: %v", j.State, j.Error)
				}
			})
			if over {
				break
			}
		}
	}
}

// onDisk is the journal in the state directory, nil if there is none.
func (w *world) onDisk() *decide.Journal {
	e, err := w.worker.notes.read(w.run.ID)
	if err != nil {
		return nil
	}
	return &e.journal
}

// A restored database that does not do is taken back, and the old one runs again
// as it was.
func TestSickMemberRollsBack(t *testing.T) {
	for name, sick := range map[string]toyData{
		"final fault":      {Cluster: "c1", Content: "new", Sick: pluginapi.FaultWrongCluster},
		"does not start":   {Cluster: "c1", Content: "new", Broken: true},
		"takes its time":   {Cluster: "c1", Content: "new", Sick: pluginapi.FaultStarting},
		"has wrong digits": {Cluster: "c1", Content: "new", Sick: pluginapi.FaultCorrupt},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.install(old, true)
			before := snapshot(t, w.data)
			w.member(api.Restore{As: api.AsReplica, HealthTimeout: 1e-9})
			w.stage(sick)
			w.follow(api.GoalReady, api.GoalSwitch)
			w.stands("old", true)
			if after := snapshot(t, w.data); !slices.Equal(before, after) {
				t.Errorf("before: %q\nafter: %q", before, after)
			}
			j := w.journal()
			if j.State != api.PartRolledBack || j.Error == nil {
				t.Fatalf("%s: %v", j.State, j.Error)
			}
			if strings.Contains(fmt.Sprint(j.Error, j.Report().Health), "hunter2") {
				t.Errorf("a password is told: %v %v", j.Error, j.Report().Health)
			}
			w.follow(api.GoalEnd)
			if got := append(w.beside(), w.listed("slots")...); len(got) != 0 {
				t.Errorf("left: %q", got)
			}
		})
	}
}

// When neither does, both are left as they are, and the report says where.
func TestStuckMemberKeepsBoth(t *testing.T) {
	w := newWorld(t)
	w.install(old, true)
	w.member(api.Restore{As: api.AsReplica})
	w.stage(toyData{Cluster: "c1", Content: "new", Broken: true})
	w.follow(api.GoalReady)
	broken := old
	broken.Broken = true
	w.must(broken.write(w.data))
	w.follow(api.GoalSwitch, api.GoalRevert, api.GoalEnd)
	j := w.journal()
	if j.State != api.PartStuck || j.Error == nil || j.Error.Fix == "" || !strings.Contains(j.Error.Error(), ".rackswarm") {
		t.Fatalf("%s: %v", j.State, j.Error)
	}
	staged, err := readToy(decide.StagedData(w.data, "r1"))
	if err != nil || staged.Content != "new" {
		t.Errorf("the copy has %q, %v", staged.Content, err)
	}
	w.stands("old", false)
}

// What may not be replaced is not touched, and why is told.
func TestMemberIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		before func(*world)
		code   string
	}{
		"primary":        {func(w *world) { w.install(toyData{Cluster: "c1", Content: "old"}, true) }, api.CodeState},
		"forgotten":      {func(w *world) { w.install(toyData{Cluster: "c1", Content: "old"}, false) }, api.CodeState},
		"something else": {func(w *world) { w.must(os.MkdirAll(filepath.Join(w.data, "photos"), 0o755)) }, api.CodeForeignContent},
		"a file":         {func(w *world) { w.must(os.WriteFile(w.data, nil, 0o600)) }, api.CodeForeignContent},
		"a link": {func(w *world) {
			real := filepath.Join(w.TempDir(), "data")
			w.must(old.write(real), os.Symlink(real, w.data))
		}, api.CodeUnsupported},
		"outside of roots": {func(w *world) { w.install(old, true); w.roots = []string{w.state} }, api.CodeOutsideRoots},
		"no parent":        {func(w *world) { w.must(os.Remove(filepath.Dir(w.data))) }, api.CodeNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c.before(w)
			before := inodeAt(w.data)
			running := w.running()
			w.member(api.Restore{As: api.AsReplica})
			w.follow(api.GoalProbe)
			j := w.journal()
			if j.State != api.PartFailed || j.Error == nil || j.Error.Code != c.code || j.Error.Fix == "" || !strings.Contains(j.Error.Subject, "db1") {
				t.Errorf("%s: %v", j.State, j.Error)
			}
			if w.roots[0] != w.state {
				w.follow(forward...)
			}
			if inodeAt(w.data) != before || w.running() != running {
				t.Error("it was touched")
			}
			w.sound()
		})
	}
}

// A replica that was promoted after the first look is not stopped.
func TestPromotedMeanwhileIsNotTouched(t *testing.T) {
	w := newWorld(t)
	w.install(old, true)
	w.member(api.Restore{As: api.AsReplica})
	w.stage(newer)
	w.follow(api.GoalProbe, api.GoalReady)
	promoted := old
	promoted.Follows = false
	w.must(promoted.write(w.data))
	w.before(func(method string) error {
		if method == "Stop" {
			w.violation("a primary was stopped")
		}
		return nil
	})
	w.follow(api.GoalSwitch, api.GoalEnd)
	w.stands("old", true)
	if j := w.journal(); j.State != api.PartFailed || j.Error.Code != api.CodeState {
		t.Errorf("%s: %v", j.State, j.Error)
	}
	if got := append(w.beside(), w.listed("slots")...); len(got) != 0 {
		t.Errorf("left: %q", got)
	}
}

// One that is promoted between the last look and its stop comes back, and so does
// one that something else starts again.
func TestPromotedAtTheStop(t *testing.T) {
	for name, c := range map[string]struct {
		meanwhile func(w *world)
		message   string
	}{
		"promoted": {func(w *world) {
			promoted := old
			promoted.Follows = false
			w.must(promoted.write(w.data))
			w.setRunning(0)
		}, "none any more"},
		"started again": {func(w *world) { w.setRunning(inodeAt(w.data)) }, "starts it"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.install(old, true)
			w.member(api.Restore{As: api.AsReplica})
			w.stage(newer)
			w.follow(api.GoalProbe, api.GoalReady)
			asked := false
			w.before(func(method string) error {
				if asked && method == "Probe" { // the first look after the stop
					asked = false
					c.meanwhile(w)
				}
				asked = asked || method == "Stop"
				return nil
			})
			w.follow(api.GoalSwitch)
			w.before(nil)
			w.follow(api.GoalEnd)
			w.stands("old", true)
			if j := w.journal(); j.State != api.PartRolledBack || !strings.Contains(j.Error.Message, c.message) {
				t.Errorf("%s: %v", j.State, j.Error)
			}
			if got := append(w.beside(), w.listed("slots")...); len(got) != 0 {
				t.Errorf("left: %q", got)
			}
		})
	}
}

// A healthy replica is left alone unless the run insists.
func TestMemberWithoutItsDriver(t *testing.T) {
	w := newWorld(t)
	w.install(old, true)
	w.member(api.Restore{As: api.AsReplica})
	w.worker.cfg.Databases = nil
	w.follow(forward...)
	j := w.journal()
	if j.State != api.PartFailed || j.Error.Code != api.CodeNotFound || !strings.Contains(j.Error.Message, `"main"`) || !j.Done() {
		t.Errorf("%s, done %v: %v", j.State, j.Done(), j.Error)
	}
	w.stands("old", true)
}

// The copy is looked at before anything is begun with it.
func TestCopyThatIsNotRight(t *testing.T) {
	staged := func(w *world) string { return decide.StagedData(w.data, "r1") }
	for name, c := range map[string]struct {
		spoil func(*world)
		code  string
	}{
		"damaged":         {func(w *world) { w.must(os.WriteFile(filepath.Join(staged(w), "base", "1", "sum"), nil, 0o600)) }, api.CodeCorrupt},
		"another content": {func(w *world) { w.run.Backup.Content.End = "0/77" }, api.CodeCorrupt},
		"another database": {func(w *world) {
			dir, err := os.Open(filepath.Dir(staged(w)))
			w.must(err, writeManifest(dir, manifest{Name: "b1", Database: "other", Content: contentNew}), dir.Close())
		}, api.CodeCorrupt},
		"no manifest": {func(w *world) { w.must(os.Remove(filepath.Join(filepath.Dir(staged(w)), "backup.json"))) }, api.CodeNotFound},
		"odd manifest": {func(w *world) {
			w.must(os.WriteFile(filepath.Join(filepath.Dir(staged(w)), "backup.json"), []byte("{}"), 0o600))
		}, api.CodeCorrupt},
		"no data":         {func(w *world) { w.must(os.RemoveAll(staged(w))) }, api.CodeNotFound},
		"nothing":         {func(w *world) { w.must(os.RemoveAll(filepath.Dir(staged(w)))) }, api.CodeNotFound},
		"a link for data": {func(w *world) { w.must(os.RemoveAll(staged(w)), os.Symlink("/etc", staged(w))) }, api.CodeIO},
		"a hard link": {func(w *world) {
			other := filepath.Join(w.state, "passwd")
			w.must(os.WriteFile(other, nil, 0o600), os.Link(other, filepath.Join(staged(w), "x")))
		}, api.CodeForeignContent},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.install(old, true)
			w.member(api.Restore{As: api.AsReplica})
			w.stage(newer)
			c.spoil(w)
			w.follow(api.GoalReady, api.GoalReady, api.GoalSwitch)
			w.stands("old", true)
			if j := w.journal(); j.State != api.PartFailed || j.Error.Code != c.code {
				t.Errorf("%s: %v", j.State, j.Error)
			}
			w.follow(api.GoalEnd)
			if got := w.beside(); len(got) != 0 {
				t.Errorf("left: %q", got)
			}
		})
	}
}

// As long as a distribution holds the copy it is not touched.
func TestMemberAwaitsRelease(t *testing.T) {
	w := newWorld(t)
	w.install(old, true)
	w.member(api.Restore{As: api.AsReplica})
	w.stage(newer)
	w.follow(api.GoalProbe)
	w.want(api.GoalReady)
	w.held.set(true)
	p := w.part()
	p.takeIn(decide.OpAwaitRelease, p.attempt(t.Context(), decide.OpAwaitRelease))
	if j := w.journal(); j.State != api.PartProbed || j.Trouble != nil {
		t.Fatalf("%s: %v", j.State, j.Trouble)
	}
	w.held.set(false)
	w.follow(api.GoalReady)
	if j := w.journal(); j.State != api.PartConfigured {
		t.Errorf("%s: %v", j.State, j.Error)
	}
}

// A driver whose process ends is asked again; one that says no is not.
func TestDriversErrors(t *testing.T) {
	for _, c := range []struct {
		err   error
		code  string
		again bool
	}{
		{&pluginapi.Error{Code: pluginapi.CodeUnreachable, Message: "no answer"}, api.CodeUnreachable, true},
		{&pluginapi.Error{Code: pluginapi.CodeRefused, Message: "no"}, api.CodeDenied, false},
		{&pluginapi.Error{Code: "odd", Message: "no"}, api.CodeInternal, false},
		{errors.New("odd"), api.CodeInternal, false},
		{&pluginapi.Error{Code: pluginapi.CodeState, Message: `auth of "u:p" failed: password=hunter2 postgres://me:hunter2@db1/x Password: 'hunter2'`}, api.CodeState, false},
	} {
		w := newWorld(t)
		w.member(api.Restore{As: api.AsReplica})
		w.before(func(string) error { return c.err })
		r := w.part().attempt(t.Context(), decide.OpProbe)
		if r.Err == nil || r.Err.Code != c.code || r.Retry != c.again || strings.Contains(r.Err.Error(), "hunter2") {
			t.Errorf("%v became %v, again %v", c.err, r.Err, r.Retry)
		}
	}
}

// A run is not signed: that it allows primaries to be replaced is not enough.
func TestPrimaryIsReplacedOnlyIfTheNodeAgrees(t *testing.T) {
	w := newWorld(t)
	w.install(toyData{Cluster: "c1", Content: "old"}, true)
	w.member(api.Restore{As: api.AsReplica, AllowPrimary: true})
	w.stage(newer)
	w.follow(forward...)
	j := w.journal()
	if j.State != api.PartFailed || j.Error == nil || !strings.Contains(j.Error.Fix, "the node's configuration") {
		t.Errorf("%+v", j)
	}
	w.stands("old", true)
}
