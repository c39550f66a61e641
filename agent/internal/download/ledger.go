package download

import (
	"math"
	"slices"
)

// span is the bytes From ≤ i < To.
type span struct {
	From int64 `json:"from"`
	To   int64 `json:"to"`
}

// unknown is the size of content whose end the server does not announce.
const unknown = math.MaxInt64

// ledger says which bytes of a file have arrived and who fetches which.
//
// Invariant: done is sorted, its spans are not empty, and none touches the next.
// The open parts of claims, [next, end), overlap neither each other nor done.
type ledger struct {
	size   int64 // unknown until the end was met
	done   []span
	claims []*claim
}

// claim is a stretch that one stream fetches in order.
type claim struct {
	next int64 // what comes next; the bytes before are done, or being written
	end  int64 // another stream may bring it closer
}

// claim gives out a stretch that nobody fetches: at most limit bytes of the first
// gap, or else the last limit bytes of a claim that has twice as much before it.
// It returns nil if there is none.
func (l *ledger) claim(limit int64) *claim {
	c := l.gap(limit)
	if c == nil {
		c = l.steal(limit)
	}
	if c != nil {
		l.claims = append(l.claims, c)
	}
	return c
}

// gap returns the first stretch that is neither done nor claimed.
func (l *ledger) gap(limit int64) *claim {
	taken := slices.Clone(l.done)
	for _, c := range l.claims {
		taken = append(taken, span{c.next, c.end})
	}
	slices.SortFunc(taken, func(a, b span) int { return int(min(max(a.From-b.From, -1), 1)) })
	at := int64(0)
	for _, s := range append(taken, span{l.size, l.size}) {
		if s.From > at {
			return &claim{next: at, end: at + min(limit, s.From-at)}
		}
		at = max(at, s.To)
	}
	return nil
}

func (l *ledger) steal(limit int64) *claim {
	var victim *claim
	for _, c := range l.claims {
		if victim == nil || c.end-c.next > victim.end-victim.next {
			victim = c
		}
	}
	if l.size == unknown || victim == nil || (victim.end-victim.next)/2 < limit {
		return nil
	}
	victim.end -= limit
	return &claim{next: victim.end, end: victim.end + limit}
}

// reserve moves a claim on by up to n bytes, which the caller is about to write.
func (c *claim) reserve(n int) (at int64, granted int) {
	at, granted = c.next, int(min(int64(n), c.end-c.next))
	c.next += int64(granted)
	return at, granted
}

// release gives up what is left of a claim.
func (l *ledger) release(c *claim) {
	l.claims = slices.DeleteFunc(l.claims, func(other *claim) bool { return other == c })
}

// add notes bytes that have been written.
func (l *ledger) add(from, to int64) {
	if from >= to {
		return
	}
	i := 0
	for i < len(l.done) && l.done[i].To < from {
		i++
	}
	j := i
	for j < len(l.done) && l.done[j].From <= to {
		from, to = min(from, l.done[j].From), max(to, l.done[j].To)
		j++
	}
	l.done = slices.Replace(l.done, i, j, span{from, to})
}

// arrived is how many bytes are done.
func (l *ledger) arrived() int64 {
	sum := int64(0)
	for _, s := range l.done {
		sum += s.To - s.From
	}
	return sum
}

func (l *ledger) complete() bool { return l.arrived() == l.size }

// sound reports whether spans that were read from the disk can be a ledger's.
func sound(size int64, done []span) bool {
	at := int64(-1)
	for _, s := range done {
		if s.From <= at || s.From >= s.To || s.To > size {
			return false
		}
		at = s.To
	}
	return size >= 0 && size < unknown
}
