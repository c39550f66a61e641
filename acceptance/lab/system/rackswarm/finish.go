package rackswarm

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"syscall"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/traces"
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/scenario"
	"github.com/rackswarm/rackswarm/core/unit"
)

// Finish asks all agents once more what they moved, why those that are not
// complete are not, and ends them, which completes their traces.
func (f *Fleet) Finish(ctx context.Context, o *scenario.Observed) error {
	f.stop()
	f.counting.Wait()
	f.countOnce(ctx)
	for node, a := range f.agents {
		n, seen := o.Nodes[node]
		if !seen {
			continue
		}
		a.mu.Lock()
		n.Received, n.Duplicate, n.Sent = a.counts.sum()
		a.mu.Unlock()
		o.Nodes[node] = n
	}
	f.explainFailures(ctx, o)
	f.reportFurther(o)
	o.Overlay.StoreOps, o.Overlay.StoreOpsPeak = f.store.operations(ctx)
	if err := f.end(syscall.SIGTERM); err != nil {
		o.Notes = append(o.Notes, err.Error())
	}
	o.Notes = append(o.Notes, f.bugs()...)
	return f.readTraces(o)
}

// explainFailures adds what the agents say of receivers that are not complete.
func (f *Fleet) explainFailures(ctx context.Context, o *scenario.Observed) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	st, err := f.seeders()[0].client.Status(ctx, content)
	if err != nil {
		return // without it the failures have no more to say than that time was up
	}
	said := map[string]api.NodeStatus{}
	for _, s := range st.Nodes {
		said[s.Node] = s
	}
	for node, a := range f.agents {
		n, seen := o.Nodes[node]
		s, has := said[a.name]
		if !seen || n.Finished || n.Failure != "" || !has {
			continue
		}
		n.Failure = fmt.Sprintf("%s, %d of %d bytes", s.Phase, s.BytesDone, s.BytesTotal)
		if s.Waiting != "" {
			n.Failure += ": " + s.Waiting
		}
		if s.Error != nil {
			n.Failure += ": " + s.Error.Error()
		}
		o.Nodes[node] = n
	}
}

var bug = regexp.MustCompile(`(?m)^(WARNING: DATA RACE|panic: |fatal error: ).*`)

// bugs are what agents should never log.
func (f *Fleet) bugs() []string {
	var found []string
	for _, a := range f.order {
		log, _ := os.ReadFile(a.file("log")) // there is none if it was never started
		if line := bug.Find(log); line != nil {
			found = append(found, fmt.Sprintf("agent %s: %s", a.name, line))
		}
	}
	return found
}

// readTraces fills in what the traces tell.
func (f *Fleet) readTraces(o *scenario.Observed) error {
	var all []traces.Trace
	var errs []error
	for _, a := range f.order {
		for i := range a.processes() {
			t, err := traces.Read(a.traceFile(i))
			if err != nil {
				errs = append(errs, fmt.Errorf("read the trace of %s: %w", a.name, err))
				continue
			}
			all = append(all, t)
		}
	}
	o.StartWays = f.startWays(all)
	slots := traces.Slots(all)
	o.Overlay.Representatives = slots.Most
	o.Overlay.Built = f.built(slots.Changes, o).Seconds()
	return errors.Join(errs...)
}

// startWays are those of the traces, between the scenario's hosts.
func (f *Fleet) startWays(all []traces.Trace) []scenario.StartWay {
	hosts := map[unit.NodeID]unit.NodeID{} // by the agents' names
	for node, a := range f.agents {
		hosts[unit.NodeID(a.name)] = node
	}
	var ways []scenario.StartWay
	for _, w := range traces.StartWays(all) {
		ways = append(ways, scenario.StartWay{From: hosts[w.From], To: hosts[w.To], Took: w.Took})
	}
	return ways
}

// built is when the overlay was as it then stayed: the last change of a
// representative before the first receiver was complete, as those that have
// everything leave.
func (f *Fleet) built(changes []time.Time, o *scenario.Observed) time.Duration {
	var finishes []time.Duration
	for _, n := range slices.Sorted(maps.Keys(o.Nodes)) {
		if o.Nodes[n].Finished && f.agents[n] != nil && f.agents[n].role != seeder {
			finishes = append(finishes, o.Nodes[n].Finish)
		}
	}
	end := o.Ended
	if len(finishes) > 0 {
		end = slices.Min(finishes)
	}
	var last time.Duration
	for _, c := range changes {
		if at := c.Sub(f.zero); at < end {
			last = max(last, at)
		}
	}
	return last
}
