package traffic

import (
	"math"
	"slices"
	"time"

	"github.com/rackswarm/rackswarm/core/scenario"
)

// Sample is one round trip, or one page.
type Sample struct {
	At   time.Duration // when it began, since the measurement did
	Took time.Duration // 0 if it was lost
	Lost bool
}

// Summary is what samples come to.
type Summary struct {
	At            time.Duration // the begin of the time that it is of
	Count, Lost   int           // lost ones count, too
	P50, P99, Max time.Duration // of those that were not lost; 0 if all were
}

// Summarize sums up the samples that began in [from, to).
func Summarize(samples []Sample, from, to time.Duration) Summary {
	s := Summary{At: from}
	var took []time.Duration
	for _, m := range samples {
		if m.At < from || m.At >= to {
			continue
		}
		s.Count++
		if m.Lost {
			s.Lost++
			continue
		}
		took = append(took, m.Took)
	}
	if len(took) == 0 {
		return s
	}
	slices.Sort(took)
	s.P50, s.P99, s.Max = percentile(took, 0.5), percentile(took, 0.99), took[len(took)-1]
	return s
}

// percentile is the smallest of the sorted values that the share of them does not
// exceed.
func percentile(sorted []time.Duration, share float64) time.Duration {
	return sorted[max(0, int(math.Ceil(share*float64(len(sorted))))-1)]
}

// Probe is a probe with what it has measured. It is complete after Traffic.Finish.
type Probe struct {
	scenario.Probe
	idle, run []Sample
	err       error
}

// Idle are the samples from before the distribution, by At.
func (p *Probe) Idle() []Sample { return p.idle }

// Samples are those since Begin, by At.
func (p *Probe) Samples() []Sample { return p.run }

// Seconds sums up each second since Begin.
func (p *Probe) Seconds() []Summary {
	var all []Summary
	rest := p.run
	for from := time.Duration(0); len(rest) > 0; from += time.Second {
		n := slices.IndexFunc(rest, func(s Sample) bool { return s.At >= from+time.Second })
		if n < 0 {
			n = len(rest)
		}
		all = append(all, Summarize(rest[:n], from, from+time.Second))
		rest = rest[n:]
	}
	return all
}

// Report is the probe's part of a report. Only what was lost since Begin counts.
func (p *Probe) Report() scenario.ProbeReport {
	idle, run := Summarize(p.idle, 0, math.MaxInt64), Summarize(p.run, 0, math.MaxInt64)
	return scenario.ProbeReport{From: p.From, To: p.To, IdleP50: ms(idle.P50), IdleP99: ms(idle.P99),
		RunP50: ms(run.P50), RunP99: ms(run.P99), Lost: run.Lost}
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
