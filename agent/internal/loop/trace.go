package loop

import (
	"io"
	"time"

	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/node"
	"github.com/rackswarm/rackswarm/core/trace"
	"github.com/rackswarm/rackswarm/core/unit"
)

// tracer writes what happens and what is decided, if somebody wants to know. It
// is touched only by run.
type tracer struct {
	w     io.Writer // nil: nobody does
	node  unit.NodeID
	clock trace.Clock
	line  []byte
	err   error // the first failure; nothing is written after it
}

// newTracer begins a trace whose times count from epoch.
func newTracer(w io.Writer, self unit.NodeID, epoch time.Time) tracer {
	t := tracer{w: w, node: self}
	if w != nil {
		t.write(0)(artifact.Digest{}, trace.Anchor{Unix: epoch.UnixNano()}, true)
	}
	return t
}

func (t *tracer) event(now unit.Time, ev node.Event) {
	if t.w != nil {
		t.write(now)(node.TraceEvent(ev))
	}
}

// datagram is event for an announcement that came by datagram.
func (t *tracer) datagram(now unit.Time, ev node.Event) {
	if t.w == nil {
		return
	}
	d, what, ok := node.TraceEvent(ev)
	switch a := what.(type) {
	case trace.Start:
		a.Datagram = true
		what = a
	case trace.Stop:
		a.Datagram = true
		what = a
	}
	t.write(now)(d, what, ok)
}

func (t *tracer) action(now unit.Time, a node.Action) {
	if t.w != nil {
		t.write(now)(node.TraceAction(a))
	}
}

func (t *tracer) write(now unit.Time) func(artifact.Digest, trace.Event, bool) {
	return func(d artifact.Digest, ev trace.Event, ok bool) {
		if !ok || t.err != nil {
			return
		}
		l := trace.Line{At: now, Clock: t.clock.Next(), Node: t.node, Transfer: d, Event: ev}
		if t.line, t.err = trace.Append(t.line[:0], l); t.err == nil {
			_, t.err = t.w.Write(t.line)
		}
	}
}
