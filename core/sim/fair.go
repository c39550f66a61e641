package sim

import (
	"cmp"
	"container/heap"
	"slices"
)

// share gives every active flow its max-min fair rate: all rise alike until a
// link is full or a flow has what it can take; who crosses a full link stays.
func (n *network) share() {
	n.dirty = false
	n.prepare()
	limited := n.limited()
	for {
		l := n.tightest()
		f := nextOf(&limited)
		switch {
		case l == nil && f == nil:
			n.acknowledge()
			return
		case l == nil || f != nil && f.most <= l.key:
			f.settle(f.most)
		default:
			l.full = true
			for _, f := range l.flows {
				if !f.settled {
					f.settle(l.key)
				}
			}
		}
	}
}

// prepare forgets the last shares.
func (n *network) prepare() {
	n.heap = n.heap[:0]
	for _, l := range n.links {
		l.left, l.count, l.full, l.used = l.free(), len(l.flows), false, 0
		if l.count > 0 && l.left < hostRate {
			l.key = l.left / float64(l.count)
			n.heap = append(n.heap, l)
		}
	}
	heap.Init(&n.heap)
	for _, f := range n.active {
		f.settled, f.most = false, f.limit(n.clock.now)
	}
}

// limited is the active flows, those that can take least first.
func (n *network) limited() []*flow {
	return slices.SortedStableFunc(slices.Values(n.active), func(a, b *flow) int { return cmp.Compare(a.most, b.most) })
}

// nextOf is the first flow that has no share yet.
func nextOf(flows *[]*flow) *flow {
	for len(*flows) > 0 && (*flows)[0].settled {
		*flows = (*flows)[1:]
	}
	if len(*flows) == 0 {
		return nil
	}
	return (*flows)[0]
}

// tightest is the link that would be full first if all who have no share yet rose
// alike; its key is their rate then. Keys only rise as flows get their shares, so
// one that is looked at is right or too low.
func (n *network) tightest() *link {
	for len(n.heap) > 0 {
		l := n.heap[0]
		if l.count == 0 {
			heap.Pop(&n.heap)
			continue
		}
		key := max(l.left, 0) / float64(l.count)
		if key <= l.key*(1+1e-12) {
			return l
		}
		l.key = key
		heap.Fix(&n.heap, 0)
	}
	return nil
}

// settle fixes a flow's rate.
func (f *flow) settle(rate float64) {
	f.rate, f.settled = rate, true
	for _, l := range f.path {
		l.left -= rate
		l.count--
		l.used += rate
	}
}

// acknowledge notes what acknowledgements take, for the next time.
func (n *network) acknowledge() {
	for _, l := range n.links {
		l.acks = 0
	}
	for _, f := range n.active {
		for _, l := range f.back {
			l.acks += f.rate * ackShare
		}
	}
}

type linkHeap []*link

func (h linkHeap) Len() int           { return len(h) }
func (h linkHeap) Less(i, j int) bool { return h[i].key < h[j].key }
func (h linkHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *linkHeap) Push(x any)        { *h = append(*h, x.(*link)) }
func (h *linkHeap) Pop() any {
	old := *h
	l := old[len(old)-1]
	*h = old[:len(old)-1]
	return l
}
