package loop

import (
	"bytes"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/node"
	"github.com/rackswarm/rackswarm/core/trace"
)

func TestTraceBeginsWithAnAnchor(t *testing.T) {
	var text bytes.Buffer
	epoch := time.Unix(1_795_000_000, 7)
	tr := newTracer(&text, "n1", epoch)
	tr.event(5, node.Left{})
	first, rest, _ := bytes.Cut(text.Bytes(), []byte("\n"))
	for want, line := range map[trace.Event][]byte{trace.Anchor{Unix: epoch.UnixNano()}: first, trace.Leave{}: bytes.TrimSpace(rest)} {
		if got, err := trace.Parse(line); err != nil || got.Event != want {
			t.Errorf("line %s: %v, %v, want %v", line, got.Event, err, want)
		}
	}
}
