package scenario

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

// Report makes the report of a run of system from what was seen of it. A host
// that is not in the scenario is an error.
func (s *Scenario) Report(system string, o Observed) (Report, error) {
	if err := s.checkHosts(o); err != nil {
		return Report{}, err
	}
	bound, err := s.Bound()
	if err != nil {
		return Report{}, err
	}
	r := s.empty(system)
	r.Notes = slices.Clone(o.Notes)
	if bound.Time == forever {
		r.Notes = append(r.Notes, fmt.Sprintf("no bound: it can never be complete, with %s", bound.Terms[0]))
	} else {
		r.Bound = bound.Time.Seconds()
	}
	s.split(&r, o)
	r.times()
	s.traffic(&r, o)
	r.StartLatency = s.startLatency(o.StartWays)
	r.Overlay.Built, r.Overlay.StoreOps, r.Overlay.StoreOpsPeak = o.Overlay.Built, o.Overlay.StoreOps, o.Overlay.StoreOpsPeak
	maps.Copy(r.Overlay.Representatives, o.Overlay.Representatives)
	maps.Copy(r.LinkUse, o.LinkUse)
	maps.Copy(r.Devices, o.Devices)
	r.IdleCPU, r.Transfers = o.IdleCPU, o.Transfers
	r.Probes = append(r.Probes, o.Probes...)
	r.Background = append(r.Background, o.Background...)
	r.Bytes = append(r.Bytes, o.Bytes...)
	return r, s.followed(&r, o)
}

// Missing is the report of a system that could not be run, and why.
func (s *Scenario) Missing(system, why string) Report {
	r := s.empty(system)
	r.Missing = why
	return r
}

// empty has every list and map, so that none is null in JSON.
func (s *Scenario) empty(system string) Report {
	return Report{
		Scenario: s.Name, System: system,
		Nodes: []NodeReport{}, Failed: []Failure{}, UplinkCopies: map[unit.Location]UpDown{},
		Overlay: OverlayReport{Representatives: map[unit.Location]int{}},
		Probes:  []ProbeReport{}, Background: []FlowReport{}, LinkUse: map[unit.Location]Peak{},
		Links: map[unit.Location]LinkReport{}, Steps: []StepReport{}, Devices: map[unit.Location]Queries{},
		Complete: []Point{}, Bytes: []Point{},
	}
}

func (s *Scenario) checkHosts(o Observed) error {
	known := map[unit.NodeID]bool{}
	for _, h := range s.Hosts {
		known[h.Node] = true
	}
	for _, node := range slices.Sorted(maps.Keys(o.Nodes)) {
		if !known[node] {
			return fmt.Errorf("report of %s: %s is not a host of the scenario", s.Name, node)
		}
	}
	return nil
}

// KilledForGood are the hosts that a fault kills and none starts again.
func (s *Scenario) KilledForGood() map[unit.NodeID]bool { return s.dead(forever) }

// dead are the hosts that faults have killed by the time end, and not started
// again.
func (s *Scenario) dead(end time.Duration) map[unit.NodeID]bool {
	killed := map[unit.NodeID]bool{}
	for _, f := range s.Faults {
		switch {
		case f.At > end:
		case f.Action == Kill:
			killed[f.Node] = true
		case f.Action == Start:
			delete(killed, f.Node)
		}
	}
	return killed
}

// split tells the receivers that have everything from those that failed. Faults
// that were to come after the end have killed nobody.
func (s *Scenario) split(r *Report, o Observed) {
	killed, dead := s.KilledForGood(), s.dead(cmp.Or(o.Ended, forever))
	for _, node := range s.Receivers {
		n := o.Nodes[node]
		if reason := s.failure(killed[node] && dead[node], n); reason != "" {
			r.Failed = append(r.Failed, Failure{node, reason})
		} else {
			r.Nodes = append(r.Nodes, nodeReport(node, n))
		}
	}
}

// failure says why a receiver did not finish, "" if it did.
func (s *Scenario) failure(killed bool, n NodeObserved) string {
	switch {
	case killed:
		return Killed
	case n.Finished && !n.SHA256:
		return "the content differs from what was distributed"
	case n.Finished:
		return ""
	}
	return cmp.Or(n.Failure, fmt.Sprintf("not complete at the deadline of %s", s.Deadline))
}

func nodeReport(node unit.NodeID, n NodeObserved) NodeReport {
	return NodeReport{
		Node: node, Finish: n.Finish.Seconds(), SHA256: n.SHA256,
		Received: int64(cmp.Or(n.Received, n.Crossed.Down)), Duplicate: int64(n.Duplicate),
		MaxRSS: float64(n.MaxRSS) / float64(unit.MiB), CPU: n.CPU.Seconds(),
	}
}

// times fills in what follows from the finish times.
func (r *Report) times() {
	finishes := make([]float64, len(r.Nodes))
	for i, n := range r.Nodes {
		finishes[i] = n.Finish
	}
	slices.Sort(finishes)
	r.Complete = append(r.Complete, Point{0, 0})
	for i, t := range finishes {
		r.Complete = append(r.Complete, Point{t, float64(i + 1)})
	}
	if len(finishes) == 0 {
		return
	}
	r.Last, r.Median = finishes[len(finishes)-1], Quantile(finishes, 0.5)
	r.Spread = ratio(Quantile(finishes, 0.95)-Quantile(finishes, 0.05), r.Median)
	r.LastOverBound, r.MedianOverBound = ratio(r.Last, r.Bound), ratio(r.Median, r.Bound)
}

// traffic fills in what follows from amounts.
func (s *Scenario) traffic(r *Report, o Observed) {
	size := float64(s.Artifact.Size)
	for loc, c := range o.Crossed {
		r.UplinkCopies[loc] = UpDown{Down: float64(c.Down) / size, Up: float64(c.Up) / size}
	}
	var sent, out unit.Bytes
	for _, node := range s.Initial {
		sent += o.Nodes[node].Sent
		out += o.Nodes[node].Crossed.Up
	}
	r.SeedingRatio = float64(cmp.Or(sent, out)) / size
	// A transfer that goes on moves more between the reading of the two.
	if sent > 0 && r.Unexpected() == 0 {
		r.compare("the initial seeders say that they sent", sent, out)
	}
	var cpu time.Duration
	for _, n := range o.Nodes {
		cpu += n.CPU
	}
	r.CPUPerGiB = ratio(cpu.Seconds(), float64(len(r.Nodes))*size/float64(unit.GiB))
	for _, node := range s.Receivers {
		if n := o.Nodes[node]; n.Received > 0 && n.Finished {
			r.compare(string(node)+" says that it received", n.Received, n.Crossed.Down)
		}
	}
}

// startLatency tells STARTs within a location from those across an uplink, by
// where the scenario's file has the hosts.
func (s *Scenario) startLatency(ways []StartWay) StartLatency {
	at := map[unit.NodeID]unit.Location{}
	for _, h := range s.Hosts {
		at[h.Node] = h.Location
	}
	var all, within, across []time.Duration
	for _, w := range ways {
		all = append(all, w.Took)
		if at[w.From] == at[w.To] {
			within = append(within, w.Took)
		} else {
			across = append(across, w.Took)
		}
	}
	return StartLatency{
		Percentiles: PercentilesOf(all),
		Within:      ClassLatency{PercentilesOf(within), len(within)},
		Across:      ClassLatency{PercentilesOf(across), len(across)},
	}
}

// tolerance is by how much, as a share, the agents' amounts and those of
// interfaces may differ: messages and retransmissions count in these only.
const tolerance = 0.05

// compare notes an amount that does not agree with what passed the interface, if
// that was counted.
func (r *Report) compare(who string, said, passed unit.Bytes) {
	if passed > 0 && math.Abs(float64(said-passed)) > tolerance*float64(max(said, passed)) {
		r.Notes = append(r.Notes, fmt.Sprintf("%s %s, but %s passed the interface", who, said, passed))
	}
}

// ratio is a ÷ b, or 0 if b is.
func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}
