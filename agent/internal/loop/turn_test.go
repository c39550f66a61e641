package loop

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/rackswarm/rackswarm/core/node"
	"github.com/rackswarm/rackswarm/core/unit"
	"github.com/rackswarm/rackswarm/core/wire"
)

// What waits for the loop goes into one turn, except that the START of a span that
// was begun does not wait for all of it.
func TestTurnEndsForAStart(t *testing.T) {
	for _, c := range []struct {
		name  string
		since time.Duration // the last turn
		begun bool
		left  int // for the next turn
	}{
		{"nothing was begun", time.Second, false, 0},
		{"begun long after the last turn", time.Second, true, 2},
		{"begun at the bound", shareStarts, true, 2},
		{"begun right after the last turn", shareStarts - 1, true, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := New(Config{})
				time.Sleep(c.since)
				l.inbox <- func(unit.Time) {}
				l.inbox <- func(unit.Time) { l.begun = c.begun }
				l.inbox <- func(unit.Time) {}
				l.ahead <- func(unit.Time) {}
				l.ahead <- func(unit.Time) {}
				l.inbox <- func(unit.Time) {}
				l.drain()
				if got := len(l.ahead) + len(l.inbox); got != c.left {
					t.Errorf("%d are left for the next turn, want %d", got, c.left)
				}
			})
		})
	}
}

// A turn that takes long ends as soon as a START has waited.
func TestTurnEndsWhenAStartHasWaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Config{})
		l.inbox <- func(unit.Time) { l.begun = true }
		for range 10 {
			l.inbox <- func(unit.Time) { time.Sleep(shareStarts / 4) }
		}
		l.drain()
		if got := len(l.inbox); got != 6 {
			t.Errorf("%d are left for the next turn, want 6", got)
		}
	})
}

// deaf is a connection to a peer that hears nothing.
type deaf struct{ conn }

func (deaf) Send(wire.Message) {}

// A span is begun by the first request for any of it.
func TestFirstRequestBeginsASpan(t *testing.T) {
	l := New(Config{})
	tr := &transfer{lengths: []int32{1000, 1000}, links: map[unit.NodeID]*link{"p": {conn: deaf{}}}}
	tr.buffers.Store(newAssembler(1000))
	for _, c := range []struct {
		message wire.Message
		begins  bool
	}{
		{wire.SpanHave{Spans: []uint32{1}}, false},
		{wire.SpanRequest{Span: 1, Length: 500}, true},
		{wire.SpanRequest{Span: 1, Begin: 500, Length: 500}, false},
		{wire.SpanRequest{Span: 0, Length: 1000}, true},
	} {
		l.begun = false
		l.send(tr, node.Send{Peer: "p", Message: c.message})
		if l.begun != c.begins {
			t.Errorf("after %v a span was begun: %v", c.message, l.begun)
		}
	}
}
