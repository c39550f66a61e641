package links

import (
	"context"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/agent/internal/probe"
	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/pause"
	"github.com/rackswarm/rackswarm/core/unit"
)

// TestWhoGetsNoAnswerLeavesTheDevice: the agent that asks cannot reach the device, as
// its community is wrong or its way there is broken; another one, that can, takes over.
func TestWhoGetsNoAnswerLeavesTheDevice(t *testing.T) {
	t.Parallel()
	_, open := openStore(t)
	s := open()
	source := func(fault *probe.Error) Source {
		return Source{Name: "device test:161", Links: []unit.Location{"ams/r1"}, Run: func(ctx context.Context, a Asking) {
			for pause.For(ctx, routerPolls) == nil {
				now := time.Now()
				a.Report(probe.Report{Link: "ams/r1", Known: fault == nil, Err: fault, Use: bandwidth.Use{
					UpCapacity: 100 * mbit, DownCapacity: 100 * mbit, Over: routerPolls, At: a.Time(now)}})
			}
		}}
	}
	asks := func(node unit.NodeID) func() bool {
		return func() bool {
			r := readingOf(t, s, "ams/r1")
			return r != nil && r.Node == node
		}
	}
	start(t, open(), "cut-off", &mover{}, func(c *Config) {
		c.Sources = []Source{source(&probe.Error{Fault: bandwidth.FaultSilent})}
	})
	eventually(t, "the one that gets no answer", asks("cut-off"))
	start(t, open(), "near", &mover{}, func(c *Config) { c.Sources = []Source{source(nil)} })
	t.Logf("the other one asks after %v", eventually(t, "the other one", asks("near")))
}
