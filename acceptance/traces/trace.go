package traces

import (
	"bufio"
	"fmt"
	"os"
	"time"

	"github.com/rackswarm/rackswarm/core/trace"
	"github.com/rackswarm/rackswarm/core/unit"
)

// Trace is what one agent traced, in its order, from its start on.
type Trace struct {
	Node  unit.NodeID
	Epoch int64 // nanoseconds since 1970
	Lines []trace.Line
}

// Read reads a trace to the last line that is whole: an agent may still write it,
// or was killed.
func Read(path string) (Trace, error) {
	f, err := os.Open(path)
	if err != nil {
		return Trace{}, err
	}
	defer f.Close()
	var t Trace
	s := bufio.NewScanner(f)
	s.Buffer(nil, trace.MaxLine)
	for s.Scan() {
		l, err := trace.Parse(s.Bytes())
		if err != nil {
			break
		}
		if anchor, ok := l.Event.(trace.Anchor); ok {
			t.Epoch, t.Node = anchor.Unix, l.Node
		}
		t.Lines = append(t.Lines, l)
	}
	if t.Epoch == 0 {
		return t, fmt.Errorf("%s has no anchor", path)
	}
	return t, s.Err()
}

// Time is when a line of the trace was written.
func (t Trace) Time(l trace.Line) time.Time { return time.Unix(0, t.wall(l)) }

// wall is Time in nanoseconds since 1970.
func (t Trace) wall(l trace.Line) int64 { return t.Epoch + int64(l.At) }
