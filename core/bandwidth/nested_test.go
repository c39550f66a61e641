package bandwidth

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rackswarm/rackswarm/core/topo"
	"github.com/rackswarm/rackswarm/core/unit"
)

const block = 16 * unit.KiB

var hops = []topo.Hop{
	{Location: "ams/r1", Node: "web17", Up: true}, {Location: "ams/r1", Up: true}, {Location: "ams", Up: true},
}

func budgets(rates ...unit.Rate) (list []Budget) {
	for i, r := range rates {
		list = append(list, NewBudget(Binding{Reason: Reserve, Hop: hops[i], Rate: r}))
	}
	return list
}

func noCeiling() Budget {
	return NewBudget(Binding{Reason: Open, OfTransfer: true, Rate: unit.Unlimited})
}

func ceiling(r unit.Rate) Budget {
	return NewBudget(Binding{Reason: Distribution, OfTransfer: true, Rate: r})
}

// sender always has something to move, unless it is idle.
type sender struct {
	lane  *Lane
	level int
	idle  bool
	moved unit.Bytes
	waits unit.Time
}

// move lets senders move what they may for a while; each asks when it was told
// to, in the order of the list.
func move(now unit.Time, d time.Duration, senders ...*sender) unit.Time {
	end := now.Add(d)
	for now < end {
		next := end
		for _, s := range senders {
			if s.idle {
				continue
			}
			for s.lane.Allows(now, s.level) {
				s.lane.Take(now, s.level, block)
				s.moved += block
			}
			s.waits = s.lane.ReadyAt(now, s.level)
			next = min(next, s.waits)
		}
		if next <= now {
			panic("it is ready, and does not allow")
		}
		now = next
	}
	return now
}

func near(got unit.Bytes, want unit.Rate, d time.Duration) bool {
	w := float64(want) * d.Seconds()
	return float64(got) > w*0.93-float64(3*block) && float64(got) < w*1.07+float64(3*block)
}

// What crosses more uplinks has what it can use, and the rest is for the others
// (requirement 41), in whatever order they ask.
func TestOuterTrafficGoesFirst(t *testing.T) {
	for name, tt := range map[string]struct {
		rates              [3]unit.Rate
		outer, middle, own unit.Rate
	}{
		"each has its part":         {[3]unit.Rate{100e6, 60e6, 10e6}, 10e6, 50e6, 40e6},
		"the host is short":         {[3]unit.Rate{20e6, 60e6, 30e6}, 20e6, 0, 0},
		"the rack's uplink is":      {[3]unit.Rate{100e6, 20e6, 30e6}, 20e6, 0, 80e6},
		"the outermost lets little": {[3]unit.Rate{50e6, 50e6, 1e6}, 1e6, 49e6, 0},
		"the outermost is closed":   {[3]unit.Rate{50e6, 20e6, 0}, 0, 20e6, 30e6},
	} {
		for _, reversed := range []bool{false, true} {
			n := NewNested(0, budgets(tt.rates[:]...))
			lane := n.Lane(0, Normal, noCeiling())
			outer, middle, own := &sender{lane: lane, level: 2}, &sender{lane: lane, level: 1}, &sender{lane: lane}
			senders := []*sender{outer, middle, own}
			if reversed {
				senders = []*sender{own, middle, outer}
			}
			const d = 5 * time.Second
			now := move(0, 200*time.Millisecond, senders...) // the first burst is for who asks first
			for _, s := range senders {
				s.moved = 0
			}
			move(now, d, senders...)
			if !near(outer.moved, tt.outer, d) || !near(middle.moved, tt.middle, d) || !near(own.moved, tt.own, d) {
				t.Errorf("%s, reversed %v: %s outside, %s in the datacenter and %s in the rack in %v", name, reversed, outer.moved, middle.moved, own.moved, d)
			}
		}
	}
}

// An urgent transfer stops others where they compete, within a burst, and they
// go on when it has nothing to move.
func TestUrgentTransferGoesFirst(t *testing.T) {
	const r = 10e6
	n := NewNested(0, budgets(r, r, r))
	normal := &sender{lane: n.Lane(0, Normal, noCeiling()), level: 2}
	urgent := &sender{lane: n.Lane(0, Urgent, noCeiling()), level: 0, idle: true}
	now := move(0, time.Second, normal, urgent)
	if !near(normal.moved, r, time.Second) {
		t.Fatalf("alone it moves %s", normal.moved)
	}
	urgent.idle, normal.moved = false, 0
	now = move(now, 100*time.Millisecond, normal, urgent)
	if most := unit.Rate(r).In(burstTime) + 2*block; normal.moved > most {
		t.Errorf("%s of the other in the first 100 ms", normal.moved)
	}
	normal.moved, urgent.moved = 0, 0
	now = move(now, time.Second, normal, urgent)
	if normal.moved > 2*block || !near(urgent.moved, r, time.Second) {
		t.Errorf("%s urgent and %s of the other in a second", urgent.moved, normal.moved)
	}
	if b := normal.lane.Binding(now, 2); b.Reason != Priority {
		t.Errorf("the other waits: %s", b)
	}
	urgent.idle, normal.moved = true, 0
	move(now, time.Second, normal, urgent)
	if !near(normal.moved, r*0.95, time.Second) {
		t.Errorf("%s of the other after it", normal.moved)
	}
}

// A transfer that waits for its own ceiling holds back nobody.
func TestCeilingOfATransfer(t *testing.T) {
	n := NewNested(0, budgets(10e6, 10e6, 10e6))
	slow := &sender{lane: n.Lane(0, Urgent, ceiling(1e6)), level: 2}
	fast := &sender{lane: n.Lane(0, Background, noCeiling()), level: 2}
	now := move(0, 5*time.Second, slow, fast)
	if !near(slow.moved, 1e6, 5*time.Second) || !near(fast.moved, 9e6, 5*time.Second) {
		t.Errorf("%s and %s in 5 s", slow.moved, fast.moved)
	}
	if r := slow.lane.Rate(2); r != 1e6 {
		t.Errorf("at most %s", r)
	}
	slow.lane.SetCeiling(now, ceiling(0))
	if slow.lane.Allows(now.Add(time.Hour), 2) || slow.lane.ReadyAt(now, 2) != unit.Never || slow.lane.Binding(now, 2).Reason != Distribution {
		t.Errorf("a ceiling of 0: %s", slow.lane.Binding(now, 2))
	}
	slow.lane.SetCeiling(now, noCeiling())
	slow.lane.SetRank(Background)
	if at := slow.lane.ReadyAt(now, 2); at > now.Add(time.Second) {
		t.Errorf("without a ceiling it is ready at %d", at)
	}
}

func TestBindingOfALane(t *testing.T) {
	n := NewNested(0, budgets(10e6, 5e6, 1e6))
	l := n.Lane(0, Normal, ceiling(7e6))
	for level, want := range []Reason{Distribution, Reserve, Reserve} {
		if b := l.Binding(0, level); b.Reason != want {
			t.Errorf("level %d: %s", level, b)
		}
	}
	if b := l.Binding(0, 2); b.Hop != hops[2] {
		t.Errorf("the tightest is %s", b)
	}
	l.Take(0, 1, unit.MiB)
	if b := l.Binding(0, 2); b.Hop != hops[1] {
		t.Errorf("in debt is %s", b)
	}
	n = NewNested(0, budgets(1e6, 5e6, 5e6))
	l = n.Lane(0, Normal, noCeiling())
	l.Take(0, 0, unit.MiB)
	if l.Allows(0, 2) {
		t.Fatal("it is allowed in debt")
	}
	at := l.ReadyAt(0, 2)
	l.Allows(at-1, 2)
	if b := l.Binding(at, 0); b.Reason != OuterFirst {
		t.Errorf("traffic in the rack waits: %s", b)
	}
}

// A node that moves keeps the hops that stay, with their debts.
func TestNestedMoves(t *testing.T) {
	n := NewNested(0, budgets(1e6, 1e6))
	l := n.Lane(0, Normal, noCeiling())
	l.Take(0, 1, unit.MiB)
	n.SetBudgets(0, budgets(1e6, 2e6, 3e6))
	if l.Allows(0, 1) || n.Depth() != 2 || n.Budget(2).Rate != 3e6 {
		t.Error("after it moved down")
	}
	n.SetBudgets(0, budgets(5e6))
	if n.Depth() != 0 || l.Rate(2) != 5e6 || l.ReadyAt(0, 2) != l.ReadyAt(0, 0) {
		t.Error("after it moved up")
	}
	l.Return(7, unit.MiB)
	if !l.Allows(0, 7) {
		t.Error("what was returned is not there")
	}
}

// Whatever is asked, taken and changed, and by whom: no hop and no ceiling gives
// more than its rates over the time, its burst and one block. Who is refused is
// told a later time, and who is told now is allowed.
func TestNestedNeverExceeds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rates := rapid.OneOf(rapid.Int64Range(1000, 1<<32), rapid.Just(int64(0)))
		draw := func(n int) (list []unit.Rate) {
			for range n {
				list = append(list, unit.Rate(rates.Draw(t, "rate")))
			}
			return list
		}
		set := draw(3)
		n := NewNested(0, budgets(set...))
		// What the hops may have given since the start, and what they gave.
		var may, gave [3]float64
		var burst [3]unit.Rate
		copy(burst[:], set)
		lanes := []*Lane{}
		for rank := Background; rank <= Urgent; rank++ {
			lanes = append(lanes, n.Lane(0, rank, noCeiling()), n.Lane(0, rank, ceiling(draw(1)[0])))
		}
		var now unit.Time
		for range rapid.IntRange(1, 150).Draw(t, "steps") {
			d := time.Duration(rapid.Int64Range(0, int64(50*time.Millisecond)).Draw(t, "wait"))
			now = now.Add(d)
			for i, r := range set {
				may[i] += float64(r) * d.Seconds()
			}
			if rapid.IntRange(0, 9).Draw(t, "change") == 0 {
				set = draw(3)
				n.SetBudgets(now, budgets(set...))
				for i, r := range set {
					burst[i] = max(burst[i], r)
				}
			}
			l := lanes[rapid.IntRange(0, len(lanes)-1).Draw(t, "lane")]
			level := rapid.IntRange(0, 2).Draw(t, "level")
			for range 4 {
				at := l.ReadyAt(now, level)
				if l.Allows(now, level) != (at == now) {
					t.Fatalf("allowed: %v, at %d ready at %d", at != now, now, at)
				}
				if at != now {
					if l.ReadyAt(now, level) <= now {
						t.Fatal("refused, and ready now")
					}
					break
				}
				b := unit.Bytes(rapid.Int64Range(1, int64(block)).Draw(t, "n"))
				l.Take(now, level, b)
				for i := range level + 1 {
					gave[i] += float64(b)
				}
				if rapid.IntRange(0, 9).Draw(t, "returned") == 0 {
					l.Return(level, b)
					for i := range level + 1 {
						gave[i] -= float64(b)
					}
				}
			}
			for i := range set {
				if most := may[i]*(1+1e-9) + float64(burst[i].In(burstTime)) + float64(block) + 2; gave[i] > most {
					t.Fatalf("hop %d gave %g, more than %g", i, gave[i], most)
				}
			}
		}
	})
}

func TestNestedDoesNotAllocate(t *testing.T) {
	n := NewNested(0, budgets(1e6, 1e6, 1e6))
	l, urgent := n.Lane(0, Normal, ceiling(1e6)), n.Lane(0, Urgent, noCeiling())
	var now unit.Time
	if allocs := testing.AllocsPerRun(1000, func() {
		now = now.Add(time.Millisecond)
		for _, lane := range []*Lane{l, urgent} {
			if lane.Allows(now, 2) {
				lane.Take(now, 2, block)
				lane.Return(2, 1)
			}
			_ = lane.ReadyAt(now, 2)
		}
	}); allocs > 0 {
		t.Errorf("%g allocations", allocs)
	}
}

func BenchmarkLane(b *testing.B) {
	n := NewNested(0, budgets(1e12, 1e12, 1e12))
	l := n.Lane(0, Normal, noCeiling())
	var now unit.Time
	for b.Loop() {
		now = now.Add(time.Microsecond)
		if l.Allows(now, 2) {
			l.Take(now, 2, block)
		}
	}
}

// Who waits long for a hop farther out leaves the others what is ready earlier.
func TestWaitingFartherOutHoldsBackNobody(t *testing.T) {
	n := NewNested(0, budgets(10e6, 10e6, 1e6))
	urgent, normal := n.Lane(0, Urgent, noCeiling()), n.Lane(0, Normal, noCeiling())
	urgent.Take(0, 2, unit.MiB) // a second of the outermost, a tenth of the others
	if urgent.Allows(0, 2) {
		t.Fatal("it is allowed in debt")
	}
	if at := normal.ReadyAt(0, 0); at > unit.Time(200*time.Millisecond) {
		t.Errorf("traffic in the rack waits until %v", time.Duration(at))
	}
	n.SetBudgets(0, budgets(10e6, 10e6, 0))
	urgent.Allows(0, 2)
	if b := normal.Binding(0, 2); b.Reason != Reserve || b.Hop != hops[2] {
		t.Errorf("where nothing passes others wait for: %s", b)
	}
}
