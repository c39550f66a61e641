package restore_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rackswarm/rackswarm/core/api"
	. "github.com/rackswarm/rackswarm/core/restore"
)

// Whatever happens in whatever order: a primary is not touched, at most
// MaxUnavailable members are away, old data go only after a commit, the run ends,
// nothing that only it needed is left, and who ran before runs.
func TestAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		for range rapid.IntRange(20, 250).Draw(t, "events") {
			w.happen(t)
			w.checkDark()
			w.stopIfWrong(t)
		}
		w.heal()
		if !w.settle(w.idle) {
			t.Fatalf("the run does not end: phase %s\n%s", w.run.Phase, w.tail())
		}
		w.checkEnd()
		w.stopIfWrong(t)
	})
}

func (w *world) stopIfWrong(t *rapid.T) {
	if len(w.wrong) > 0 {
		t.Fatalf("%v\n%s", w.wrong, w.tail())
	}
}

func (w *world) tail() (text string) {
	for _, line := range w.trace {
		text += line + "\n"
	}
	return text
}

func drawWorld(t *rapid.T) *world {
	w := newWorld()
	w.add("db1", "ams/r1", api.DatabasePrimary)
	w.add("s1", "ams/r2", "")
	kinds := rapid.SampledFrom([]string{api.DatabaseReplica, api.DatabaseReplica, api.DatabaseReplica, api.DatabaseReplica,
		api.DatabaseReplica, api.DatabaseReplica, api.DatabaseAbsent, api.DatabaseEmpty, api.DatabasePrimary})
	for i := range rapid.IntRange(1, 4).Draw(t, "members") {
		m := w.add(fmt.Sprintf("db%d", i+2), rapid.SampledFrom([]string{"ams/r1", "ams/r2"}).Draw(t, "location"), kinds.Draw(t, "kind"))
		m.sick = rapid.IntRange(0, 5).Draw(t, "sick") == 0
		m.fatal = m.sick && rapid.Bool().Draw(t, "fatal")
	}
	req := api.RunRequest{Database: "main", Source: "db1", Restore: &api.Restore{
		As:             rapid.SampledFrom([]string{api.AsReplica, api.AsReplica, api.AsStandalone}).Draw(t, "as"),
		AllowPrimary:   rapid.IntRange(0, 2).Draw(t, "allow primary") == 0,
		MaxUnavailable: rapid.IntRange(0, 3).Draw(t, "max unavailable")}}
	if rapid.IntRange(0, 2).Draw(t, "copies") == 0 {
		req.Copies = &api.Copies{Count: 1, Path: "/srv/backups", Selector: api.Selector{NodeNames: []string{"s1"}}}
	}
	if err := w.begin(req); err != nil {
		t.Fatal(err)
	}
	return w
}

// happen is one thing that happens.
func (w *world) happen(t *rapid.T) {
	m := w.nodes[rapid.SampledFrom(w.names()).Draw(t, "node")]
	switch what := rapid.IntRange(0, 99).Draw(t, "what"); {
	case what < 35:
		w.advance(rapid.IntRange(0, 9).Draw(t, "the runner dies") == 0)
	case what < 75:
		m.drawFault(t)
		m.step(crash(rapid.SampledFrom([]int{0, 0, 0, 0, 0, 0, 1, 2}).Draw(t, "crash")))
	case what < 85:
		w.deliver(m.name)
	case what < 90:
		w.now = w.now.Add(time.Duration(rapid.IntRange(1, 90).Draw(t, "seconds")) * time.Second)
	case what == 90:
		w.run.Aborting = w.run.Aborting || !w.run.Phase.Finished()
	case what < 93:
		m.down = !m.down
		m.kill()
	case what == 93:
		m.kill()
		m.running = m.data // the machine starts anew, with its database
	case what == 94:
		m.kill()
		m.running, m.meddled = "", true // or without it
	case what == 95:
		if goal, _ := m.goal(); m.running == "old" && m.name != "db1" && Next(m.j, goal) != OpStop {
			m.replica, m.kind = false, api.DatabasePrimary // somebody promotes it
		}
	case what == 96:
		m.pinLost = true
	case what == 97:
		m.blocked = rapid.SampledFrom([]string{"", api.CodeNoSpace, api.CodeIO}).Draw(t, "copies fail")
	}
}

// drawFault arranges that the next operation fails, now and then. A database that
// was found healthy stays so.
func (m *machine) drawFault(t *rapid.T) {
	goal, ok := m.goal()
	if !ok || !m.alive || rapid.IntRange(0, 9).Draw(t, "fault") > 0 {
		return
	}
	op := Next(m.j.Learn(m.w.run), goal)
	final := rapid.IntRange(0, 2).Draw(t, "final") == 0
	if op == OpNone || op == OpGiveUp || final && m.j.State == api.PartHealthy {
		return
	}
	m.faults[op] = []Result{{Err: &api.Error{Code: "fault", Message: "arranged"}, Retry: !final}}
}

func (w *world) heal() {
	for _, m := range w.nodes {
		m.down, m.blocked, m.faults = false, "", map[Op][]Result{}
	}
}

// checkDark: members that ran and do not, or not yet well, are at most as many as
// may be.
func (w *world) checkDark() {
	dark := 0
	for _, p := range w.run.Members {
		m := w.nodes[p.Node]
		if m.disk == nil || !m.was || m.meddled {
			continue
		}
		switch state := m.reported().State; {
		case m.running == "":
			dark++
		case m.running == "new" && state != api.PartHealthy && state != api.PartCommitted:
			dark++
		}
	}
	if limit := max(1, w.run.Request.Restore.MaxUnavailable); dark > limit {
		w.fault("%d members are away, %d may be", dark, limit)
	}
}

// checkEnd is what must be true when everything has come to rest.
func (w *world) checkEnd() {
	src := w.nodes["db1"]
	if src.pinned || src.captures {
		w.fault("the source still holds the log (%v) or the capture (%v)", src.pinned, src.captures)
	}
	if len(w.dists) > 1 || len(w.dists) == 1 && len(w.backup) == 0 {
		w.fault("distributions are left: %v", w.dists)
	}
	committed := 0
	for _, p := range w.run.Members {
		m := w.nodes[p.Node]
		if m.disk == nil {
			continue
		}
		state := m.reported().State
		if state == api.PartCommitted {
			committed++
		}
		m.checkRest(state)
	}
	if w.run.Phase == api.RunComplete && committed < len(w.run.Members) {
		w.fault("complete, and %d of %d have it", committed, len(w.run.Members))
	}
	if w.run.Phase == api.RunFailed && committed > 0 {
		w.fault("failed, and %d have it", committed)
	}
}

func (m *machine) checkRest(state api.PartState) {
	switch {
	case state == api.PartStuck:
		if m.data != "new" && m.staged != "new" || m.was && m.data != "old" && m.staged != "old" {
			m.w.fault("%s is stuck, and something was deleted: %q, beside %q", m.name, m.data, m.staged)
		}
		return
	case state == api.PartCommitted:
		if m.data != "new" || m.slots == 0 {
			m.w.fault("%s is committed, with %q and %d slots", m.name, m.data, m.slots)
		}
	case !state.Final():
		m.w.fault("%s rests in state %q", m.name, state)
	case m.data == "new" || m.slots > 0:
		m.w.fault("%s is %s, with %q and %d slots", m.name, state, m.data, m.slots)
	}
	if m.staged != "" {
		m.w.fault("%s is %s, and %q lies beside", m.name, state, m.staged)
	}
	if m.was && !m.meddled && m.running != m.data {
		m.w.fault("%s is %s, and %q runs where %q stands", m.name, state, m.running, m.data)
	}
}

// After a crash at any place a part ends as it would have without.
func TestEveryCrash(t *testing.T) {
	for name, arrange := range map[string]func(w *world, m *machine){
		"success":     func(*world, *machine) {},
		"sick":        func(_ *world, m *machine) { m.sick = true },
		"fatal":       func(_ *world, m *machine) { m.fatal, m.sick = true, true },
		"stuck":       func(_ *world, m *machine) { m.sick = true; m.faults[OpStartOld] = refuse(3) },
		"damage":      func(_ *world, m *machine) { m.faults[OpVerify] = refuse(3) },
		"no exchange": func(_ *world, m *machine) { m.faults[OpExchange] = refuse(3) },
		"was absent":  func(_ *world, m *machine) { m.data, m.running, m.was = "", "", false },
		"absent, bad": func(_ *world, m *machine) { m.data, m.running, m.was, m.sick = "", "", false, true },
		"primary":     func(w *world, m *machine) { m.replica, m.kind = false, api.DatabasePrimary },
	} {
		t.Run(name, func(t *testing.T) {
			want, steps := crashAt(t, arrange, -1, "", lives)
			nodes := []string{"db2"}
			if name == "success" || name == "damage" {
				nodes = append(nodes, "db1")
			}
			for i := range min(steps, 70) { // the rest is waiting
				for _, node := range nodes {
					for _, c := range []crash{diesBefore, diesAfter} {
						if got, _ := crashAt(t, arrange, i, node, c); got != want {
							t.Errorf("%s dies at step %d (%d): it ends as %s, else as %s", node, i, c, got, want)
						}
					}
				}
			}
		})
	}
}

func refuse(times int) (r []Result) {
	for range times {
		r = append(r, Result{Err: &api.Error{Code: "refused", Message: "arranged"}})
	}
	return r
}

// crashAt plays one run in which a node's agent dies at a step; it says how
// everything ends.
func crashAt(t *testing.T, arrange func(*world, *machine), at int, node string, c crash) (end string, steps int) {
	t.Helper()
	w := newWorld()
	w.add("db1", "ams/r1", api.DatabasePrimary)
	m := w.add("db2", "ams/r1", api.DatabaseReplica)
	if err := w.begin(api.RunRequest{Database: "main", Source: "db1", Restore: &api.Restore{As: api.AsReplica, HealthTimeout: 30}}); err != nil {
		t.Fatal(err)
	}
	arrange(w, m)
	w.settle(func() bool {
		if steps == at {
			w.nodes[node].step(c)
		}
		steps++
		return w.idle()
	})
	w.checkEndOf(m)
	for _, wrong := range w.wrong {
		t.Errorf("%s dies at step %d: %s\n%s", node, at, wrong, w.tail())
	}
	return fmt.Sprintf("%s: %s %q runs %q beside %q, source %s", w.run.Phase, m.reported().State, m.data, m.running, m.staged, w.nodes["db1"].reported().State), steps
}

func (w *world) checkEndOf(m *machine) {
	if m.kind != api.DatabasePrimary {
		w.checkEnd()
	}
}
