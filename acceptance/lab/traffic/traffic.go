// Package traffic is what else passes the links of a lab's network: the site's own
// flows, and probes that measure how the links feel to somebody else.
//
// The rate of a flow is that on the links, headers included, as theirs is: a TCP
// flow of 4 Mbit/s takes as much of a link as a UDP flow of that rate. What got
// through is counted at the receiver and told in the same measure, full packets
// assumed.
//
// A UDP probe sends a small packet every 10 ms, which the other host sends back. The
// round trip is that of the links: packets are stamped by the kernel when they
// arrive, and what the answer took on the other host is taken off, so that a busy
// machine under the lab does not show. An HTTP probe loads a page of 20 KB every
// 200 ms over a new connection each, and counts from the connection to the last
// byte.
package traffic

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/lab/network"
	"github.com/rackswarm/rackswarm/core/scenario"
)

// Traffic are the flows and the probes of a scenario on a network. Its methods are
// called from one goroutine.
type Traffic struct {
	network  *network.Network
	scenario *scenario.Scenario
	probes   []*probe
	flows    []*flow
	// running ends with Finish or Close.
	cancel  context.CancelFunc
	running sync.WaitGroup
}

// New prepares the traffic of a scenario; nothing is sent yet.
func New(n *network.Network, s *scenario.Scenario) *Traffic {
	t := &Traffic{network: n, scenario: s, cancel: func() {}}
	for _, p := range s.Probes {
		t.probes = append(t.probes, &probe{Probe: p})
	}
	for _, f := range s.Background {
		t.flows = append(t.flows, &flow{Flow: f})
	}
	return t
}

// Idle has the probes measure for a time during which nothing is distributed, and
// returns when they have.
func (t *Traffic) Idle(ctx context.Context, d time.Duration) error {
	if len(t.probes) == 0 {
		return nil
	}
	// Not a deadline, which would end a page before the context says so.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer time.AfterFunc(d, cancel).Stop()
	var running sync.WaitGroup
	errs := make([]error, len(t.probes))
	for i, p := range t.probes {
		running.Go(func() { p.idle, errs[i] = t.measure(ctx, p.Probe) })
	}
	running.Wait()
	return errors.Join(errs...)
}

// Begin starts the probes and the flows, whose times count from now.
func (t *Traffic) Begin() {
	ctx, cancel := context.WithCancel(context.Background())
	t.cancel = cancel
	for _, p := range t.probes {
		t.running.Go(func() { p.run, p.err = t.measure(ctx, p.Probe) })
	}
	for _, f := range t.flows {
		t.running.Go(func() { f.err = t.send(ctx, f) })
	}
}

// Finish ends all and fills in what was seen. What could not be measured is noted.
func (t *Traffic) Finish(o *scenario.Observed) {
	t.Close()
	for _, p := range t.probes {
		o.Probes = append(o.Probes, p.report(t.scenario))
		o.Notes = note(o.Notes, fmt.Sprintf("probe from %s to %s", p.From, p.To), p.err)
	}
	for _, f := range t.flows {
		o.Background = append(o.Background, f.report())
		o.Notes = note(o.Notes, fmt.Sprintf("background from %s to %s", f.From, f.To), f.err)
	}
}

func note(notes []string, what string, err error) []string {
	if err == nil {
		return notes
	}
	return append(notes, fmt.Sprintf("%s: %v", what, err))
}

// Close ends all. It may be called more than once.
func (t *Traffic) Close() {
	t.cancel()
	t.running.Wait()
}
