package bandwidth

import (
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

// Sharer decides what one node may use of one direction of a link that it shares
// with others, who decide for themselves from the same claims, which everybody
// hears of a little later. A share that shrinks does so at once. One that grows
// because its node wants more does so only after two intervals, in which the
// others hear of it and shrink, or at once if there are none: see Complete.
//
// The rule: of its own demand a node counts the least of the last two intervals,
// of everybody else's the last that it has read. So, if every node decides at
// least once per interval, by claims that are read at most one interval before,
// nobody counts more for itself than all others count for it. As a share never
// grows with the demand of another, this follows however demands change and
// nodes come and go:
//
//   - Shares sum to at most the budget at all times, apart from newcomers: a claim
//     that began less than two intervals ago has a floor (FloorOf), divided by the
//     number of such claims that its node has read of. The reserve has room for
//     ten of them.
//   - When the budget itself changes, the sum is at most the higher one until all
//     nodes have heard of it.
//   - What a node frees, as it wants less or leaves, is used by others two
//     intervals later at most.
//
// If claims are read later than that, the sum may be too high for as long as they
// are late. When nothing can be read any more, shares stay as they are, and what
// shrinks is the budget, as its measurement grows old. A node that cannot publish
// for so long that its claim expires must not go on with its share: it has the
// floor at most.
//
// A Sharer is owned by one goroutine; times must not go back.
type Sharer struct {
	self     unit.NodeID
	interval time.Duration
	own      [ranks]course
	began    [ranks]unit.Time // of the own claim that stands
	others   map[claimant]heard
}

type claimant struct {
	node unit.NodeID
	rank Rank
}

// heard is what was read of a claim last, and since when it is there.
type heard struct {
	demand unit.Rate
	since  unit.Time
}

// NewSharer returns the sharer of a node that has published nothing yet. Claims
// are published, and read, once per interval.
func NewSharer(self unit.NodeID, interval time.Duration) *Sharer {
	return &Sharer{self: self, interval: interval, others: map[claimant]heard{}}
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
	others := make(map[claimant]heard, len(s.others))
	for _, c := range claims {
		if c.Node == s.self || c.Demand <= 0 {
			continue
		}
		key := claimant{c.Node, Rank(c.Rank.index()) + Background}
		h := heard{demand: max(c.Demand, others[key].demand), since: now}
		if before, ok := s.others[key]; ok {
			h.since = before.since
		}
		others[key] = h
	}
	s.others = others
}

// Complete says that the claims read last are all under which anybody has a share, as
// they stood when the node's own were published last. If there is no other the own ones
// count at once: who publishes one later reads this node's first, and waits.
func (s *Sharer) Complete(now unit.Time) {
	if len(s.others) > 0 {
		return
	}
	for i := range s.own {
		s.own[i].settle(now, s.window())
		s.began[i] = min(s.began[i], now.Add(-s.window()))
	}
}

// Share is what the node may use now, for all ranks together, when the fleet may
// use budget. It is to be asked once per interval, and when the budget changes.
func (s *Sharer) Share(now unit.Time, budget Budget) Budget {
	whole := budget.Rate
	if whole == unit.Unlimited {
		return budget
	}
	share, joining := s.sum(now, whole, min(FloorOf(budget.Binding.Capacity), whole))
	if share >= budget.Rate {
		return budget
	}
	b := Binding{Reason: Shared, Hop: budget.Binding.Hop, Rate: share, Whole: whole, By: budget.Binding.Reason, Capacity: budget.Binding.Capacity}
	b.Users = s.users()
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
			sum += floor / unit.Rate(max(s.newcomers(now), 1))
		}
	}
	return min(sum, whole), joining
}

// established is the share of the own claim of rank i that others know of.
func (s *Sharer) established(now unit.Time, whole unit.Rate, i int) unit.Rate {
	claims := []Claim{{s.self, Rank(i) + Background, s.own[i].least(now, s.window())}}
	for j := range s.own {
		if d := s.own[j].last(); j != i && d > 0 {
			claims = append(claims, Claim{s.self, Rank(j) + Background, d})
		}
	}
	for key, h := range s.others { // in any order: Divide does not mind
		claims = append(claims, Claim{key.node, key.rank, h.demand})
	}
	return Divide(whole, claims)[0]
}

// newcomers counts the claims, own and others', that are younger than the window.
func (s *Sharer) newcomers(now unit.Time) (n int) {
	for i := range s.own {
		if s.own[i].last() > 0 && now.Sub(s.began[i]) < s.window() {
			n++
		}
	}
	for _, h := range s.others {
		if now.Sub(h.since) < s.window() {
			n++
		}
	}
	return n
}

// users counts the nodes with demand, this one included.
func (s *Sharer) users() int {
	nodes := map[unit.NodeID]bool{s.self: true}
	for key := range s.others {
		nodes[key.node] = true
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

// settle makes the rate that was set last that of all of the window.
func (c *course) settle(now unit.Time, window time.Duration) {
	if n := len(c.steps); n > 0 {
		c.steps = []step{{min(c.steps[n-1].at, now.Add(-window)), c.steps[n-1].rate}}
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
