package bandwidth

import (
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

// Nested holds what a node may move in one direction: a bucket for its own link
// and one for each uplink between it and the root. Its hops are numbered by the
// uplinks crossed: hop 0 is the host's link, hop 1 the uplink of its own location,
// and so on outward. Traffic of level k crosses k uplinks and takes from the
// hops 0 to k.
//
// Where a hop is short, a higher Rank goes before a lower one, and within a rank
// traffic that crosses more uplinks goes before traffic that crosses fewer
// (requirement 41). Only what waits for a hop that others use, too, holds these
// back: who waits for a hop farther out, or for its own ceiling, does not.
//
// A Nested and its lanes are owned by one goroutine; times must not go back.
// Asking and taking do not allocate.
//
// Invariant: over any interval d, while a hop's rate is at most r, at most
// r×d + its burst (50 ms at r) + one block crosses it, if nothing is taken that
// was not allowed.
type Nested struct {
	hops  []hop
	wants [ranks][unit.MaxDepth + 1]want
	// until is when the last of the wants is over.
	until unit.Time
	// unlimited is how many hops from the first on have no limit.
	unlimited int
}

type hop struct {
	bucket Bucket
	budget Budget
}

// want says that traffic of a rank and level was refused, and which hops it waits
// for.
type want struct {
	hops  uint32 // as bits
	until unit.Time
}

// grace is how long hops are kept for who waits for them after they are ready: it
// may be late, or want nothing any more. A bucket does not overflow in it.
const grace = 5 * time.Millisecond

// NewNested returns a node's hops with their budgets, from its own link outward.
// There must be one at least, and at most unit.MaxDepth+1 count.
func NewNested(now unit.Time, budgets []Budget) *Nested {
	n := &Nested{}
	n.SetBudgets(now, budgets)
	return n
}

// SetBudgets changes the budgets from now on. If their number changes, as the
// node has moved, the hops farthest out come or go.
func (n *Nested) SetBudgets(now unit.Time, budgets []Budget) {
	budgets = budgets[:min(len(budgets), unit.MaxDepth+1)]
	n.hops = n.hops[:min(len(n.hops), len(budgets))]
	for i, b := range budgets {
		if i == len(n.hops) {
			n.hops = append(n.hops, hop{bucket: *NewBucket(now, b.Rate)})
		}
		if h := &n.hops[i]; h.bucket.Rate() != b.Rate {
			h.bucket.SetRate(now, b.Rate)
		}
		n.hops[i].budget = b
	}
	n.wants, n.until = [ranks][unit.MaxDepth + 1]want{}, 0 // hops may be ready earlier
	n.unlimited = 0
	for n.unlimited < len(n.hops) && n.hops[n.unlimited].budget.Rate == unit.Unlimited {
		n.unlimited++
	}
}

// Depth is the highest level.
func (n *Nested) Depth() int { return len(n.hops) - 1 }

// Budget is what was set for a hop.
func (n *Nested) Budget(hop int) Budget { return n.hops[n.level(hop)].budget }

// level is l within 0 and Depth.
func (n *Nested) level(l int) int { return min(max(l, 0), n.Depth()) }

// path is the hops of a level, as bits.
func path(level int) uint32 { return 1<<(level+1) - 1 }

// short returns the hops of a level that have nothing to give at now.
func (n *Nested) short(now unit.Time, level int) (short uint32) {
	for i := range n.hops[:level+1] {
		if !n.hops[i].bucket.Allows(now) {
			short |= 1 << i
		}
	}
	return short
}

// wanted notes that somebody waits for hops that are short, those that take
// longest: what is ready earlier is free for others until then. Who waits for one
// that gives nothing at all holds back nobody.
func (n *Nested) wanted(now unit.Time, rank Rank, level int, short uint32) {
	latest := now
	for i := range n.hops[:level+1] {
		if short&(1<<i) != 0 {
			latest = max(latest, n.hops[i].bucket.ReadyAt(now))
		}
	}
	if latest == unit.Never {
		n.wants[rank.index()][level] = want{}
		return
	}
	for i := range n.hops[:level+1] {
		if short&(1<<i) != 0 && n.hops[i].bucket.ReadyAt(now).Add(grace) < latest {
			short &^= 1 << i
		}
	}
	n.want(rank, level, want{short, latest.Add(grace)})
}

func (n *Nested) want(rank Rank, level int, w want) {
	n.wants[rank.index()][level] = w
	n.until = max(n.until, w.until)
}

// yields returns the want that traffic has to let go first, and why; one that is
// over if there is none.
func (n *Nested) yields(now unit.Time, rank Rank, level int) (want, Reason) {
	if n.until <= now {
		return want{}, Open
	}
	for r := ranks - 1; r >= rank.index(); r-- {
		for l := n.Depth(); l >= 0; l-- {
			if r == rank.index() && l <= level {
				break
			}
			w := n.wants[r][l]
			if w.until <= now || w.hops&path(level) == 0 {
				continue
			}
			if r > rank.index() {
				return w, Priority
			}
			return w, OuterFirst
		}
	}
	return want{}, Open
}

// hopsReadyAt is when the hops of a level have something to give, and the one
// that takes longest.
func (n *Nested) hopsReadyAt(now unit.Time, level int) (at unit.Time, last int) {
	at, last = now, -1
	for i := range n.hops[:level+1] {
		if t := n.hops[i].bucket.ReadyAt(now); t > at {
			at, last = t, i
		}
	}
	return at, last
}

// Lane is the traffic of one transfer in one direction of a node, with its rank
// and its own ceiling on top of the hops'. The transfer owns it; there is nothing
// to close.
type Lane struct {
	nested  *Nested
	rank    Rank
	ceiling Budget
	bucket  Bucket
}

// Lane returns a lane of a transfer. A ceiling of rate 0 lets nothing pass.
func (n *Nested) Lane(now unit.Time, rank Rank, ceiling Budget) *Lane {
	return &Lane{nested: n, rank: rank, ceiling: ceiling, bucket: *NewBucket(now, ceiling.Rate)}
}

// SetRank changes how urgent the transfer is.
func (l *Lane) SetRank(rank Rank) { l.rank = rank }

// SetCeiling changes what the transfer may move at most, from now on.
func (l *Lane) SetCeiling(now unit.Time, ceiling Budget) {
	if l.ceiling = ceiling; l.bucket.Rate() != ceiling.Rate {
		l.bucket.SetRate(now, ceiling.Rate)
	}
}

// free reports whether nothing limits a level, and so nobody waits for its hops.
func (l *Lane) free(level int) bool {
	return level < l.nested.unlimited && l.bucket.rate == unit.Unlimited
}

// Allows reports whether a block of a level may be taken at now. Who is refused
// as a hop is short holds back what comes after it until that hop is ready, and
// 5 ms longer: so it is asked only when there is something to move, and again at
// ReadyAt.
func (l *Lane) Allows(now unit.Time, level int) bool {
	n := l.nested
	level = n.level(level)
	if l.free(level) {
		return true
	}
	if !l.bucket.Allows(now) {
		n.wants[l.rank.index()][level] = want{}
		return false
	}
	if short := n.short(now, level); short != 0 {
		n.wanted(now, l.rank, level, short)
		return false
	}
	n.wants[l.rank.index()][level] = want{}
	first, _ := n.yields(now, l.rank, level)
	if first.until <= now {
		return true
	}
	n.want(l.rank, level, want{first.hops & path(level), first.until.Add(grace)}) // it is second, before others
	return false
}

// Take takes b bytes for a level from all its hops and from the ceiling, into
// debt if need be. Whoever takes waits no more, until it is refused again.
func (l *Lane) Take(now unit.Time, level int, b unit.Bytes) {
	n := l.nested
	level = n.level(level)
	if l.free(level) {
		return
	}
	n.wants[l.rank.index()][level] = want{}
	l.bucket.Take(now, b)
	for i := range n.hops[:level+1] {
		n.hops[i].bucket.Take(now, b)
	}
}

// Return gives back b bytes that were taken for a level and are not moved after
// all.
func (l *Lane) Return(level int, b unit.Bytes) {
	l.bucket.Return(b)
	for i := range l.nested.hops[:l.nested.level(level)+1] {
		l.nested.hops[i].bucket.Return(b)
	}
}

// ReadyAt returns when to ask again: now if Allows is true, else later than now;
// unit.Never if the ceiling or a hop gives nothing at all.
func (l *Lane) ReadyAt(now unit.Time, level int) unit.Time {
	level = l.nested.level(level)
	if l.free(level) {
		return now
	}
	at, _ := l.nested.hopsReadyAt(now, level)
	first, _ := l.nested.yields(now, l.rank, level)
	return max(at, first.until, l.bucket.ReadyAt(now))
}

// Binding says what a transfer waits for at a level: what takes longest, or, if
// it need not wait, what limits it most.
func (l *Lane) Binding(now unit.Time, level int) Binding {
	n := l.nested
	level = n.level(level)
	at, last := n.hopsReadyAt(now, level)
	first, reason := n.yields(now, l.rank, level)
	own := l.bucket.ReadyAt(now)
	switch {
	case own > now && own >= max(at, first.until):
		return l.ceiling.Binding
	case first.until > now && first.until >= at:
		return Binding{Reason: reason, OfTransfer: true, Hop: n.hops[0].budget.Binding.Hop}
	case last >= 0:
		return n.hops[last].budget.Binding
	}
	least := l.ceiling
	for i := range n.hops[:level+1] {
		least = Least(n.hops[i].budget, least)
	}
	return least.Binding
}

// Rate is the most that the lane moves at a level: the least of its ceiling and
// the hops' budgets.
func (l *Lane) Rate(level int) unit.Rate {
	r := l.ceiling.Rate
	if l.free(l.nested.level(level)) {
		return r
	}
	for i := range l.nested.hops[:l.nested.level(level)+1] {
		r = min(r, l.nested.hops[i].budget.Rate)
	}
	return r
}
