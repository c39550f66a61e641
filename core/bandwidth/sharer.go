package bandwidth

import (
	"cmp"
	"slices"
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

// Sharer decides what one node may use of one direction of a link that it shares
// with others, who decide for themselves from the same claims, which everybody
// hears of a little later. A share that shrinks does so at once. One that grows
// does so only when it would have been as large all through the last two
// intervals, in which the others had the chance to hear of it and to shrink.
//
// The rule: of the last two intervals a node counts the least of its own demand
// and of the budget, and the greatest of everybody else's demand. So, if each
// claim stands for at least an interval before it is replaced, is readable as
// soon as it is published, and is read by everybody at least once per interval,
// there is a moment of the past of which every node's view is at least as
// cautious as the truth, and as shares are monotonic:
//
//   - Shares sum to at most the budget at all times, however demands change and
//     nodes come and go, apart from the newcomers' floor.
//   - A claim that begins has nothing for one interval, and for another one its
//     part of one floor; all that begin divide that one floor. So the sum is at
//     most the budget and one floor, which lies well within the reserve.
//   - When the budget itself falls, the sum is above it by at most what it fell,
//     for as long as the nodes take to hear of it.
//   - What a node frees is used by others three intervals later at most.
//
// If claims are read later than that, the sum may be too high for as long as they
// are late. When nothing can be read any more, shares stay as they are, and what
// shrinks is the budget, as its measurement grows old.
//
// A Sharer is owned by one goroutine; times must not go back.
type Sharer struct {
	self     unit.NodeID
	interval time.Duration
	own      [ranks]course
	began    [ranks]unit.Time // of the own claim that stands
	others   map[claimant]*course
	budget   course
}

type claimant struct {
	node unit.NodeID
	rank Rank
}

// NewSharer returns the sharer of a node that has published nothing yet. Claims
// are published, and read, once per interval.
func NewSharer(self unit.NodeID, interval time.Duration) *Sharer {
	return &Sharer{self: self, interval: interval, others: map[claimant]*course{}}
}

// window is how far back a claim counts.
func (s *Sharer) window() time.Duration { return 2 * s.interval }

// Publish notes what others can read of this node from now on: its demand by
// rank. A rank without a claim has none.
func (s *Sharer) Publish(now unit.Time, own []Claim) {
	var demand [ranks]unit.Rate
	for _, c := range own {
		demand[c.Rank.index()] = max(c.Demand, 0)
	}
	for i, d := range demand {
		if s.own[i].last() == 0 && d > 0 {
			s.began[i] = now
		}
		s.own[i].set(now, s.window(), d)
	}
}

// Read notes the claims of all nodes as they can be read now. Whoever is missing,
// as its claim expired or was withdrawn, has none; this node's own are ignored.
func (s *Sharer) Read(now unit.Time, claims []Claim) {
	for _, c := range claims {
		key := claimant{c.Node, Rank(c.Rank.index()) + Background}
		if c.Node != s.self && s.others[key] == nil && c.Demand > 0 {
			s.others[key] = &course{}
		}
	}
	for key, course := range s.others {
		var demand unit.Rate
		for _, c := range claims {
			if c.Node == key.node && c.Rank.index() == key.rank.index() {
				demand = max(demand, c.Demand)
			}
		}
		if course.set(now, s.window(), demand); course.greatest(now, s.window()) == 0 {
			delete(s.others, key)
		}
	}
}

// Share is what the node may use now, for all ranks together, when the fleet may
// use budget. It is to be asked at least once per interval, and when the budget
// has changed.
func (s *Sharer) Share(now unit.Time, budget Budget) Budget {
	if len(s.budget.steps) == 0 { // whatever it was before, others know this one, too
		s.budget.set(now.Add(-s.window()), s.window(), budget.Rate)
	}
	s.budget.set(now, s.window(), budget.Rate)
	whole := min(s.budget.least(now, s.window()), budget.Rate)
	if whole == unit.Unlimited {
		return budget
	}
	share, joining := s.sum(now, whole, min(FloorOf(budget.Binding.Capacity), whole))
	if share >= budget.Rate {
		return budget
	}
	b := Binding{Reason: Shared, Hop: budget.Binding.Hop, Rate: share, Whole: whole, Capacity: budget.Binding.Capacity}
	b.Users = s.users(now)
	if joining {
		b.Reason = Joining
	}
	return NewBudget(b)
}

// sum adds up the shares of all ranks, and tells whether any of them is still to
// begin.
func (s *Sharer) sum(now unit.Time, whole, floor unit.Rate) (sum unit.Rate, joining bool) {
	for i := range s.own {
		switch {
		case s.own[i].last() == 0:
		case s.own[i].least(now, s.window()) > 0:
			sum += s.established(now, whole, i)
		default:
			joining = true
			if now.Sub(s.began[i]) >= s.interval {
				sum += floor / unit.Rate(max(s.newcomers(now), 1))
			}
		}
	}
	return min(sum, whole), joining
}

// established is the share of the own claim of rank i that others know of.
func (s *Sharer) established(now unit.Time, whole unit.Rate, i int) unit.Rate {
	claims := []Claim{{s.self, Rank(i) + Background, s.own[i].least(now, s.window())}}
	for j := range s.own {
		if d := s.own[j].greatest(now, s.window()); j != i && d > 0 {
			claims = append(claims, Claim{s.self, Rank(j) + Background, d})
		}
	}
	for key, course := range s.others {
		if d := course.greatest(now, s.window()); d > 0 {
			claims = append(claims, Claim{key.node, key.rank, d})
		}
	}
	slices.SortFunc(claims[1:], func(a, b Claim) int {
		return cmp.Or(cmp.Compare(a.Node, b.Node), cmp.Compare(a.Rank, b.Rank))
	})
	return Divide(whole, claims)[0]
}

// newcomers counts the claims, own and others', that not all know of yet.
func (s *Sharer) newcomers(now unit.Time) (n int) {
	begins := func(c *course) bool {
		return c.least(now, s.window()) == 0 && c.greatest(now, s.window()) > 0
	}
	for i := range s.own {
		if begins(&s.own[i]) {
			n++
		}
	}
	for _, c := range s.others {
		if begins(c) {
			n++
		}
	}
	return n
}

// users counts the nodes with demand, this one included.
func (s *Sharer) users(now unit.Time) int {
	nodes := map[unit.NodeID]bool{s.self: true}
	for key, c := range s.others {
		if c.greatest(now, s.window()) > 0 {
			nodes[key.node] = true
		}
	}
	return len(nodes)
}

// course is a rate that changes in steps, as far back as it matters. Before the
// first step it is 0.
type course struct{ steps []step }

type step struct {
	at   unit.Time
	rate unit.Rate
}

// set makes the rate r from now on, and forgets what lies before the window.
func (c *course) set(now unit.Time, window time.Duration, r unit.Rate) {
	for len(c.steps) > 1 && now.Sub(c.steps[1].at) >= window {
		c.steps = c.steps[1:]
	}
	if len(c.steps) == 0 || c.last() != r {
		c.steps = append(c.steps, step{now, r})
	}
}

// last is the rate that was set last.
func (c *course) last() unit.Rate {
	if len(c.steps) == 0 {
		return 0
	}
	return c.steps[len(c.steps)-1].rate
}

// least is the lowest rate within the window before now.
func (c *course) least(now unit.Time, window time.Duration) unit.Rate {
	r := c.last()
	for i := len(c.steps) - 1; i >= 0; i-- {
		if r = min(r, c.steps[i].rate); now.Sub(c.steps[i].at) >= window {
			return r
		}
	}
	return 0
}

// greatest is the highest rate within the window before now.
func (c *course) greatest(now unit.Time, window time.Duration) unit.Rate {
	r := c.last()
	for i := len(c.steps) - 1; i >= 0; i-- {
		if r = max(r, c.steps[i].rate); now.Sub(c.steps[i].at) >= window {
			return r
		}
	}
	return r
}
