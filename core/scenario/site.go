package scenario

import (
	"math"
	"slices"

	"github.com/rackswarm/rackswarm/core/topo"
	"github.com/rackswarm/rackswarm/core/unit"
)

// Baseline is the system that distributes nothing: what the site notices of others
// is what differs from its reports.
const Baseline = "none"

// Site is what the site notices of a system, beside the baseline. Figures that the
// scenario does not have, or the baseline lacks, are NaN; of several probes, flows,
// links or steps they are the worst.
type Site struct {
	System string
	// Probe is by how many milliseconds the p99 of round trips is above the
	// baseline's, AtStep that near steps of the background, and Allowed what it may
	// be: 5 ms, or 10 frame times of the slowest link on the way.
	Probe, AtStep, Allowed Range
	Lost                   Range // probes
	Page                   Range // p99 of pages ÷ the baseline's
	TCP                    Range // what TCP got ÷ what it got in the baseline
	UDP                    Range // the share that UDP lost, beyond the baseline's
	// Less and More are after how many seconds less was used when less was left, and
	// more when there was more.
	Less, More Range
	Over       Range // seconds above capacity less reserve when only we sent
	LastOver   Range // last ÷ bound
	IdleCPU    Range // of the busiest agent, in percent of a processor
	Queries    Range // the most that a device got by SNMP in a second
	Missed     int   // steps that were not followed at all, in all repetitions
}

// targets are what the figures of a Site should come to.
var targets = Site{
	System: "target", Lost: exactly(0), Page: exactly(1.1), TCP: exactly(0.97), UDP: exactly(0), Less: exactly(1.5), More: exactly(4), Over: exactly(1),
	LastOver: exactly(1.25), IdleCPU: exactly(3), Queries: exactly(1), Probe: exactly(math.NaN()), AtStep: exactly(math.NaN()),
}

func exactly(v float64) Range { return Range{v, v, v} }

// HasOthers reports whether there are others, by background traffic or probes, of whom is
// told what they notice beside the Baseline.
func (s *Scenario) HasOthers() bool { return len(s.Probes) > 0 || len(s.Background) > 0 }

// Site sums up what the site notices of each system, of reports of this scenario,
// in the order in which systems first come. There is none without probes and
// background.
func (s *Scenario) Site(reports []Report) ([]Site, error) {
	if !s.HasOthers() {
		return nil, nil
	}
	tree, err := s.Tree()
	if err != nil {
		return nil, err
	}
	var systems []string
	by := map[string][]Report{}
	for _, r := range reports {
		if r.Missing != "" {
			continue
		}
		if by[r.System] == nil {
			systems = append(systems, r.System)
		}
		by[r.System] = append(by[r.System], r)
	}
	c := comparison{s, tree, by[Baseline]}
	var all []Site
	for _, name := range systems {
		all = append(all, c.site(name, by[name]))
	}
	return all, nil
}

// comparison compares reports with those of the baseline.
type comparison struct {
	*Scenario
	tree *topo.Tree
	base []Report
}

func (c comparison) site(name string, reports []Report) Site {
	over := func(figure func(Report) float64) Range { return rangeOfKnown(reports, figure) }
	site := Site{
		System:  name,
		Probe:   over(func(r Report) float64 { return c.probes(r, UDP, minus, ProbeReport.calm) }),
		AtStep:  over(func(r Report) float64 { return c.probes(r, UDP, minus, ProbeReport.atStep) }),
		Allowed: exactly(c.allowed()),
		Lost:    over(lostProbes),
		Page:    over(func(r Report) float64 { return c.probes(r, HTTP, times, ProbeReport.calm) }),
		TCP:     over(c.tcp), UDP: over(c.udp),
		Less: over(func(r Report) float64 { return r.slowest(func(s StepReport) bool { return s.After < s.Before }) }),
		More: over(func(r Report) float64 { return r.slowest(func(s StepReport) bool { return s.After > s.Before }) }),
		Over: over(Report.over), LastOver: over(func(r Report) float64 { return known(r.LastOverBound) }),
		IdleCPU: over(func(r Report) float64 { return known(r.IdleCPU.Most) }), Queries: over(Report.queries),
	}
	for _, r := range reports {
		for _, step := range r.Steps {
			if step.Missed {
				site.Missed++
			}
		}
	}
	return site
}

// known is v, or NaN for the 0 of what was not measured.
func known(v float64) float64 {
	if v == 0 {
		return math.NaN()
	}
	return v
}

func minus(a, b float64) float64 { return a - b }
func times(a, b float64) float64 { return a / b }

// calm is the p99 away from steps, atStep that near them; NaN if there is none.
func (p ProbeReport) calm() float64 {
	if p.CalmP99 == 0 {
		return known(p.RunP99)
	}
	return p.CalmP99
}

func (p ProbeReport) atStep() float64 { return known(p.StepP99) }

// probes compares a figure of the probes of a kind with the baseline's median, and
// returns the worst.
func (c comparison) probes(r Report, proto Proto, compare func(a, b float64) float64, figure func(ProbeReport) float64) float64 {
	worst := math.NaN()
	for i, p := range r.Probes {
		if p.Proto != proto {
			continue
		}
		base := rangeOfKnown(c.base, func(b Report) float64 {
			if i >= len(b.Probes) {
				return math.NaN()
			}
			return figure(b.Probes[i])
		})
		worst = most(worst, compare(figure(p), base.Median))
	}
	return worst
}

// allowed is by how much round trips may take longer: on the way that allows the
// least.
func (c comparison) allowed() float64 {
	const ms, frames, frame = 5, 10, 1514
	least := math.Inf(1)
	for _, p := range c.Probes {
		path, err := c.tree.Path(p.From, p.To)
		if err != nil || p.Proto != UDP {
			continue
		}
		slowest := unit.Unlimited
		for _, hop := range path {
			slowest = min(slowest, c.tree.Capacity(hop))
		}
		least = min(least, max(ms, 1000*frames*frame/float64(slowest)))
	}
	if math.IsInf(least, 1) {
		return math.NaN()
	}
	return least
}

// tcp is what the flow that lost most kept of what it got in the baseline.
func (c comparison) tcp(r Report) float64 {
	return -c.flows(r, TCP, func(f, base FlowReport) float64 { return -f.Got / known(base.Got) })
}

func (c comparison) udp(r Report) float64 {
	return c.flows(r, UDP, func(f, base FlowReport) float64 { return max(0, f.Lost-base.Lost) })
}

// leastFlow is for how many seconds a flow has to last to be compared.
const leastFlow = 1

// flows returns the highest figure of the flows of a kind that lasted in the
// baseline's first report as well.
func (c comparison) flows(r Report, proto Proto, figure func(f, base FlowReport) float64) float64 {
	worst := math.NaN()
	for i, f := range r.Background {
		if f.Proto != proto || len(c.base) == 0 || i >= len(c.base[0].Background) || f.Lasted < leastFlow {
			continue
		}
		if base := c.base[0].Background[i]; base.Lasted >= leastFlow {
			worst = most(worst, figure(f, base))
		}
	}
	return worst
}

// most is the greater of two numbers, of which one may be NaN.
func most(a, b float64) float64 {
	if math.IsNaN(a) || b > a {
		return b
	}
	return a
}

func lostProbes(r Report) float64 {
	lost := math.NaN()
	for _, p := range r.Probes {
		lost = most(0, lost) + float64(p.Lost)
	}
	return lost
}

// slowest is the longest that a step of a kind took to be followed.
func (r Report) slowest(kind func(StepReport) bool) float64 {
	worst := math.NaN()
	for _, s := range r.Steps {
		if kind(s) {
			worst = most(worst, s.Followed)
		}
	}
	return worst
}

func (r Report) over() float64 {
	worst := math.NaN()
	for _, l := range r.Links {
		worst = most(worst, max(l.Up.Over, l.Down.Over))
	}
	return worst
}

func (r Report) queries() float64 {
	worst := math.NaN()
	for _, q := range r.Devices {
		worst = most(worst, q.Peak)
	}
	return worst
}

// rangeOfKnown is the range of a figure over the reports that have it, NaN if none
// has.
func rangeOfKnown(reports []Report, figure func(Report) float64) Range {
	var values []float64
	for _, r := range reports {
		if v := figure(r); !math.IsNaN(v) {
			values = append(values, v)
		}
	}
	if len(values) == 0 {
		return exactly(math.NaN())
	}
	slices.Sort(values)
	return Range{Median: Quantile(values, 0.5), Min: values[0], Max: values[len(values)-1]}
}
