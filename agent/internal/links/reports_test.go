package links

import (
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/agent/internal/probe"
	"github.com/rackswarm/rackswarm/core/bandwidth"
)

// TestReportsDoNotPileUp while the store does not answer: the last one that has
// settled is kept, and those that have not.
func TestReportsDoNotPileUp(t *testing.T) {
	t.Parallel()
	k := &watched{ours: newOurs()}
	at := time.Duration(0)
	take := func(r probe.Report) {
		at += settle / 2
		r.Use.At = after(at)
		k.take(after(at), r)
	}
	for range 1000 {
		take(probe.Report{Known: true, Use: bandwidth.Use{Up: 1}})
	}
	for range 1000 {
		take(probe.Report{})
	}
	take(probe.Report{Known: true, Use: bandwidth.Use{Up: 2}})
	if n := len(k.reports); n > 3 {
		t.Errorf("%d reports are kept", n)
	}
	if r, ok := k.settled(after(at)); !ok || r.Known {
		t.Errorf("before the last report has settled: %+v, %v", r, ok)
	}
	if r, ok := k.settled(after(at + settle)); !ok || r.Use.Up != 2 {
		t.Errorf("the last report: %+v, %v", r, ok)
	}
}
