package swarm

import (
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

// How long a backlog takes follows from what was passed on while there was one.
func TestRelay(t *testing.T) {
	at := func(d time.Duration) unit.Time { return unit.Time(0).Add(d) }
	var r relay
	if got := r.wait(at(time.Hour)); got != 0 {
		t.Errorf("with nothing to pass on: %v", got)
	}
	r.add(at(10*time.Second), 8<<20)
	if got := r.wait(at(13 * time.Second)); got != 3*time.Second {
		t.Errorf("while nothing is known of its rate: %v, want the 3 s that it took", got)
	}
	r.passed(at(12*time.Second), 2<<20)
	if got := r.wait(at(12 * time.Second)); got != 6*time.Second {
		t.Errorf("with 6 MiB at 1 MiB/s: %v, want 6 s", got)
	}
	r.add(at(12*time.Second), -(6 << 20)) // given again by ourselves
	if got := r.wait(at(20 * time.Second)); got != 0 {
		t.Errorf("with nothing left: %v", got)
	}
}
