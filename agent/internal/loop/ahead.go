package loop

import (
	"slices"

	"github.com/rackswarm/rackswarm/core/wire"
)

// maxAhead bounds the spans that a peer's datagrams are ahead about: those of what
// is on its way.
const maxAhead = 1 << 13

// order puts what a peer announces by TCP and by datagram in one order. TCP has all
// of it, in order, and has the last word; datagrams carry the same number as the
// announcement that they copy. What a datagram says of a span counts until TCP has
// come as far, unless TCP is past it. The zero value is that of a connection on
// which nothing was announced.
//
// Invariant: once TCP has brought announcement n, what counts of a span is what
// the announcements up to n say, or a later one that came by datagram.
type order struct {
	told  uint64            // announcements that came by TCP
	ahead map[uint32]uint64 // span to the number of the last datagram that counts
}

// byDatagram returns what is new of announcement number, a Start or Stop; false is
// nothing.
func (o *order) byDatagram(number uint64, m wire.Message) (wire.Message, bool) {
	spans, _ := startOrStop(m)
	if number <= o.told || len(o.ahead)+len(spans) > maxAhead {
		return nil, false
	}
	return only(m, func(span uint32) bool {
		if o.ahead[span] >= number {
			return false
		}
		if o.ahead == nil {
			o.ahead = map[uint32]uint64{}
		}
		o.ahead[span] = number
		return true
	})
}

// byTCP returns what is new of the next message by TCP; false is nothing.
func (o *order) byTCP(m wire.Message) (wire.Message, bool) {
	o.told += wire.Announcements(m)
	switch m := m.(type) {
	case wire.SpanHave:
		o.forget(m.Spans)
	case wire.SpanDontHave:
		o.forget(m.Spans)
	case wire.Start, wire.Stop:
		return only(m, func(span uint32) bool {
			ahead, known := o.ahead[span]
			if ahead <= o.told {
				delete(o.ahead, span)
			}
			return !known || ahead < o.told
		})
	}
	return m, true
}

// forget has what follows by TCP about the spans count, also what a datagram has
// brought: HAVE and DONTHAVE end STARTs.
func (o *order) forget(spans []uint32) {
	for _, span := range spans {
		delete(o.ahead, span)
	}
}

// only returns m, a Start or Stop, with those of its spans that are new; false if
// none is. An empty list, which says nothing, is kept as it is.
func only(m wire.Message, isNew func(span uint32) bool) (wire.Message, bool) {
	spans, with := startOrStop(m)
	if len(spans) == 0 {
		return m, true
	}
	left := slices.DeleteFunc(spans, func(span uint32) bool { return !isNew(span) })
	return with(left), len(left) > 0
}

// startOrStop returns the spans of m, and m with others.
func startOrStop(m wire.Message) (spans []uint32, with func([]uint32) wire.Message) {
	switch m := m.(type) {
	case wire.Start:
		return m.Spans, func(s []uint32) wire.Message { return wire.Start{Spans: s} }
	case wire.Stop:
		return m.Spans, func(s []uint32) wire.Message { return wire.Stop{Spans: s} }
	}
	return nil, nil
}
