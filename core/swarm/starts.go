package swarm

import (
	"slices"
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

// start is a peer's START of a span: it has requested the first block.
type start struct {
	peer  *peer
	since unit.Time // when it was heard, or earlier if it broke one before: see promises
	at    unit.Time // the same, or when the peer last requested the span of us
}

// starts are the STARTs of peers. Invariant: spans has those that lists has, no list is
// empty, and each peer is at most once in it.
type starts struct {
	lists map[int32][]start // per span, in the order in which they were first heard
	spans set
	// emptied are lists to be used again.
	emptied [][]start
}

func newStarts(spans int) starts {
	return starts{lists: map[int32][]start{}, spans: newSet(spans)}
}

// of returns a peer's START of a span, or nil. It is good until the next change.
func (l *starts) of(x int32, p *peer) *start {
	list := l.lists[x]
	if i := slices.IndexFunc(list, func(st start) bool { return st.peer == p }); i >= 0 {
		return &list[i]
	}
	return nil
}

// count reports whether a START of a span still counts.
func (l *starts) count(now unit.Time, x int32) bool { return l.within(now, x, startTTL) }

// within reports whether there is a START of a span that is younger than d.
func (l *starts) within(now unit.Time, x int32, d time.Duration) bool {
	return slices.ContainsFunc(l.lists[x], func(st start) bool { return now.Sub(st.at) < d })
}

// add takes a START of a peer that has none of the span.
func (l *starts) add(x int32, st start) {
	list := l.lists[x]
	if last := len(l.emptied) - 1; list == nil && last >= 0 {
		list, l.emptied = l.emptied[last], l.emptied[:last]
	}
	l.lists[x] = append(list, st)
	l.spans.Set(int(x))
	st.peer.promises.standing++
}

// remove forgets a peer's START of a span, and returns since when it stood; ok is
// false if there was none.
func (l *starts) remove(x int32, p *peer) (since unit.Time, ok bool) {
	st := l.of(x, p)
	if st == nil {
		return 0, false
	}
	since = st.since
	if len(l.lists[x]) == 1 {
		l.clear(x)
		return since, true
	}
	p.promises.standing--
	l.lists[x] = slices.DeleteFunc(l.lists[x], func(st start) bool { return st.peer == p })
	return since, true
}

// clear forgets who STARTed a span.
func (l *starts) clear(x int32) {
	if !l.spans.Has(int(x)) {
		return
	}
	for _, st := range l.lists[x] {
		st.peer.promises.standing--
	}
	l.emptied = append(l.emptied, l.lists[x][:0])
	delete(l.lists, x)
	l.spans.Clear(int(x))
}
