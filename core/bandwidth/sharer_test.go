package bandwidth

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rackswarm/rackswarm/core/unit"
)

const interval = 250 * time.Millisecond

// fleet is some nodes that share a link and hear of each other through a board,
// each at its own times.
type fleet struct {
	board  map[unit.NodeID][]Claim
	past   []posting // of the whole board, in order
	nodes  []*sharing
	budget Budget
	now    unit.Time
}

// posting is the board from some time on.
type posting struct {
	at     unit.Time
	claims []Claim
}

type sharing struct {
	id            unit.NodeID
	sharer        *Sharer
	next          unit.Time     // when it reads, publishes and reckons
	lag           time.Duration // between two times, at most the interval
	late          time.Duration // how old is what it reads, at most the interval
	demand        []Claim
	published     unit.Time
	publishedOnce bool
	gone          bool
	held          unit.Rate
}

func limited(r unit.Rate) Budget {
	return NewBudget(Binding{Reason: Reserve, Hop: uplink, Rate: r, Capacity: r + r/4})
}

func newFleet(budget unit.Rate, n int) *fleet {
	f := &fleet{board: map[unit.NodeID][]Claim{}, budget: limited(budget)}
	for i := range n {
		f.join(time.Duration(i)*interval/time.Duration(n), interval)
	}
	return f
}

func (f *fleet) join(in, lag time.Duration) *sharing {
	id := unit.NodeID(fmt.Sprint("n", len(f.nodes)))
	s := &sharing{id: id, sharer: NewSharer(id, interval), next: f.now.Add(in), lag: lag}
	f.nodes = append(f.nodes, s)
	return s
}

func (s *sharing) wants(demands ...unit.Rate) {
	s.demand = nil
	for i, d := range demands {
		if d > 0 {
			s.demand = append(s.demand, Claim{s.id, Urgent - Rank(i), d})
		}
	}
}

// turn is what a node does at each of its times.
func (f *fleet) turn(s *sharing) {
	if !s.publishedOnce || f.now.Sub(s.published) >= interval {
		f.board[s.id] = slices.Clone(s.demand)
		s.sharer.Publish(f.now, s.demand)
		s.published, s.publishedOnce = f.now, true
	}
	f.post()
	s.sharer.Read(f.now, f.asOf(f.now.Add(-s.late)))
	s.held = s.sharer.Share(f.now, f.budget).Rate
	s.next = f.now.Add(s.lag)
}

func (f *fleet) post() {
	p := posting{at: f.now}
	for _, id := range slices.Sorted(maps.Keys(f.board)) {
		p.claims = append(p.claims, f.board[id]...)
	}
	f.past = append(f.past, p)
}

// asOf is the board as it was at a time.
func (f *fleet) asOf(at unit.Time) (claims []Claim) {
	for _, p := range f.past {
		if p.at <= at {
			claims = p.claims
		}
	}
	return claims
}

// newcomers are the claims that began less than two intervals ago, and those of
// which the floor may still be held.
func (f *fleet) newcomers() (n unit.Rate) {
	for _, s := range f.nodes {
		for i := range s.sharer.own {
			if !s.gone && f.now.Sub(s.sharer.began[i]) < 3*interval && s.sharer.own[i].last() > 0 {
				n++
			}
		}
	}
	return n
}

// run lets time pass, and calls check after each event.
func (f *fleet) run(d time.Duration, check func()) {
	end := f.now.Add(d)
	for {
		next := slices.MinFunc(f.nodes, func(a, b *sharing) int {
			return cmp.Or(cmp.Compare(a.at(), b.at()), cmp.Compare(a.id, b.id))
		})
		if next.at() > end {
			f.now = end
			return
		}
		f.now = next.next
		f.turn(next)
		if check != nil {
			check()
		}
	}
}

func (s *sharing) at() unit.Time {
	if s.gone {
		return unit.Never
	}
	return s.next
}

// leave withdraws what the node claimed; a node that crashed keeps it on the board
// until it expires.
func (f *fleet) leave(s *sharing, crashed bool) {
	s.gone, s.held = true, 0
	if !crashed {
		delete(f.board, s.id)
		f.post()
	}
}

func (f *fleet) sum() (sum unit.Rate) {
	for _, s := range f.nodes {
		sum += s.held
	}
	return sum
}

// No sequence of events lets shares exceed the budget by more than the newcomers'
// floors: demands of all ranks that come, change and go, nodes that come, leave
// and crash, each with its own times of reading.
func TestSharesNeverExceedTheLink(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		budget := unit.Rate(rapid.SampledFrom([]int64{100, 999_983, 1e9, 1 << 40}).Draw(t, "budget"))
		f := newFleet(budget, 0)
		floor := FloorOf(f.budget.Binding.Capacity)
		check := func() {
			if s := f.sum(); s > budget+floor*f.newcomers() {
				t.Fatalf("at %v shares sum to %d of %d (floor %d)", time.Duration(f.now), s, budget, floor)
			}
		}
		// Parts of the budget and of the interval, so that what matters happens often.
		draw := func() unit.Rate {
			if part := rapid.IntRange(0, 9).Draw(t, "demand"); part < 9 {
				return budget * unit.Rate(part) / 4
			}
			return unit.Unlimited
		}
		pass := func(name string, most int) time.Duration {
			return interval * time.Duration(rapid.IntRange(0, 8*most).Draw(t, name)) / 8
		}
		f.join(0, interval).wants(draw())
		for range rapid.IntRange(1, 40).Draw(t, "events") {
			who := f.nodes[rapid.IntRange(0, len(f.nodes)-1).Draw(t, "who")]
			switch rapid.IntRange(0, 5).Draw(t, "event") {
			case 0:
				if len(f.nodes) < 8 {
					s := f.join(pass("in", 1), max(pass("lag", 1), interval/4))
					s.late = pass("late", 1)
					s.wants(draw(), draw())
				}
			case 1:
				f.leave(who, rapid.Bool().Draw(t, "crash"))
			case 2:
				for _, n := range f.nodes { // all at once
					n.wants(draw(), draw(), draw())
				}
			default:
				who.wants(draw(), draw(), draw())
			}
			if alive := slices.ContainsFunc(f.nodes, func(s *sharing) bool { return !s.gone }); !alive {
				return
			}
			f.run(pass("pass", 4), check)
		}
	})
}

// When the budget changes, shares sum to at most the higher one until all have
// heard of it, an interval at most, and then to the new one; and they use it.
func TestSharesFollowTheBudget(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 6).Draw(t, "nodes")
		f := newFleet(1e6, n)
		for _, s := range f.nodes {
			s.wants(1e5 * unit.Rate(rapid.IntRange(1, 20).Draw(t, "demand")))
		}
		f.run(2*time.Second, nil)
		for range 5 {
			before, after := f.budget.Rate, 1e5*unit.Rate(rapid.IntRange(0, 20).Draw(t, "budget"))
			f.budget = limited(after)
			f.run(interval, func() {
				if s := f.sum(); s > max(before, after) {
					t.Fatalf("%d of %d and then %d", s, before, after)
				}
			})
			if s := f.sum(); s > after || s < after-unit.Rate(2*n) {
				t.Fatalf("%d of %d", s, after)
			}
		}
	})
}

// What a node frees, or leaves, is used by the other within three intervals, one of which passes until it
// publishes.
func TestUnusedShareIsReturned(t *testing.T) {
	for name, free := range map[string]func(*fleet, *sharing){
		"wants less": func(_ *fleet, s *sharing) { s.wants(0, 100) },
		"leaves":     func(f *fleet, s *sharing) { f.leave(s, false) },
	} {
		f := newFleet(1000, 2)
		a, b := f.nodes[0], f.nodes[1]
		a.wants(0, unit.Unlimited)
		b.wants(0, unit.Unlimited)
		f.run(2*time.Second, nil)
		if a.held != 500 || b.held != 500 {
			t.Fatalf("%s: %d and %d", name, a.held, b.held)
		}
		free(f, b)
		f.run(3*interval, nil)
		if a.held < 900 {
			t.Errorf("%s: three intervals later the other has %d of 1000", name, a.held)
		}
	}
}

// An urgent transfer has all within a second, and what it leaves goes back.
func TestUrgentPreempts(t *testing.T) {
	f := newFleet(1000, 3)
	for _, s := range f.nodes {
		s.wants(0, unit.Unlimited)
	}
	f.run(2*time.Second, nil)
	f.nodes[0].wants(unit.Unlimited)
	f.run(time.Second, nil)
	if f.nodes[0].held != 1000 || f.sum() != 1000 {
		t.Errorf("a second later: %d of %d", f.nodes[0].held, f.sum())
	}
	f.nodes[0].wants()
	f.run(time.Second+interval/2, nil)
	if f.nodes[1].held < 499 || f.nodes[2].held < 499 {
		t.Errorf("after it: %d and %d", f.nodes[1].held, f.nodes[2].held)
	}
}

// A newcomer begins with its part of a floor, and says why.
func TestNewcomer(t *testing.T) {
	s := NewSharer("a", interval)
	budget := limited(100e6)
	at := func(d time.Duration) Budget { return s.Share(unit.Time(d), budget) }
	if b := at(0); b.Rate != 0 {
		t.Errorf("without a claim: %s", b.Binding)
	}
	own := []Claim{{"a", Normal, 50e6}}
	s.Publish(0, own)
	s.Read(0, append(own, Claim{"b", Normal, 50e6}))
	for _, step := range []struct {
		at     time.Duration
		rate   unit.Rate
		reason Reason
	}{
		{0, 500e3, Joining}, {interval, 500e3, Joining}, {2*interval - 1, 500e3, Joining}, {2 * interval, 50e6, Shared},
	} {
		if b := at(step.at); b.Rate != step.rate || b.Binding.Reason != step.reason {
			t.Errorf("at %v: %s (%s), want %d", step.at, b.Binding, b.Binding.Reason, step.rate)
		}
	}
}

// Who is alone has all of the budget, for the budget's own reason; an unlimited
// one needs no claims.
func TestAlone(t *testing.T) {
	f := newFleet(1000, 1)
	f.nodes[0].wants(0, 1)
	f.run(time.Second, nil)
	if b := f.nodes[0].sharer.Share(f.now, f.budget); b != f.budget {
		t.Errorf("%s", b.Binding)
	}
	if b := NewSharer("a", interval).Share(0, NoLimit(uplink)); b != NoLimit(uplink) {
		t.Errorf("%s", b.Binding)
	}
}

// While nothing can be read shares stay, and follow a budget that shrinks.
func TestNothingCanBeRead(t *testing.T) {
	f := newFleet(1000, 2)
	for _, s := range f.nodes {
		s.wants(0, unit.Unlimited)
	}
	f.run(2*time.Second, nil)
	later := f.now.Add(time.Minute)
	if b := f.nodes[0].sharer.Share(later, limited(100)); b.Rate != 50 {
		t.Errorf("%s", b.Binding)
	}
}

func TestAppetite(t *testing.T) {
	const wish, share, floor = 1000, 800, 20
	var a Appetite
	for _, step := range []struct {
		at            time.Duration
		wish, used    unit.Rate
		want          unit.Rate
		whatItIsMeant string
	}{
		{0, wish, 700, wish, "its share holds it back"},
		{1 * time.Second, wish, 100, wish, "it has just begun to leave something"},
		{1900 * time.Millisecond, wish, 100, wish, "not for a second yet"},
		{2 * time.Second, wish, 100, 150, "something else holds it back"},
		{3 * time.Second, wish, 0, floor, "it comes to nothing"},
		{4 * time.Second, 10, 0, 10, "it wishes for less than the floor"},
		{5 * time.Second, wish, 600, wish, "its share holds it back again"},
		{6 * time.Second, wish, 100, wish, "and no longer"},
		{7 * time.Second, 0, 0, 0, "it wishes for nothing"},
		{8 * time.Second, wish, 0, wish, "and begins anew"},
	} {
		if got := a.Demand(unit.Time(step.at), step.wish, step.used, share, floor); got != step.want {
			t.Errorf("%v, %s: %d, want %d", step.at, step.whatItIsMeant, got, step.want)
		}
	}
}
