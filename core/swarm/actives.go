package swarm

import "slices"

// actives are the spans in transfer. Invariant: of, list and spans have the same.
type actives struct {
	of    map[int32]*active
	list  []*active // in the order in which they were started
	spans set
	idle  []*active // to be used again
	// inFlight are the bytes requested and not received, of all peers; storing those
	// of spans that are all here.
	inFlight, storing int
}

func newActives(spans int) actives {
	return actives{of: map[int32]*active{}, spans: newSet(spans)}
}

// begin adds a span of so many grains, of which nobody was asked for any. No span has
// more than most.
func (l *actives) begin(x int32, grains, most int) *active {
	a := l.take(grains, most)
	a.span, a.free = x, grains
	l.of[x] = a
	l.list = append(l.list, a)
	l.spans.Set(int(x))
	return a
}

// take takes an active from those that are done, or makes one that serves for any span.
func (l *actives) take(grains, most int) *active {
	last := len(l.idle) - 1
	if last < 0 {
		return &active{grains: make([]grain, grains, most)}
	}
	a := l.idle[last]
	l.idle = l.idle[:last]
	blank := a.grains[:grains]
	clear(blank)
	*a = active{grains: blank, asks: a.asks[:0]}
	return a
}

// end removes a span. Nothing uses a after that.
func (l *actives) end(a *active) {
	i := slices.Index(l.list, a)
	l.list = slices.Delete(l.list, i, i+1)
	delete(l.of, a.span)
	l.spans.Clear(int(a.span))
	l.idle = append(l.idle, a)
}
