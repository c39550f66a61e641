package traffic

import (
	"time"

	"github.com/rackswarm/rackswarm/core/scenario"
)

// sample is one round trip, or one page.
type sample struct {
	at   time.Duration // when it began, since the measurement did
	took time.Duration // 0 if it was lost
	lost bool
}

// probe is a probe with what it has measured, by time.
type probe struct {
	scenario.Probe
	idle, run []sample // before the distribution, and since Begin
	err       error
}

// report is the probe's part of a report. Only what was lost since Begin counts.
func (p *probe) report(s *scenario.Scenario) scenario.ProbeReport {
	idle, _ := summarize(p.idle)
	run, lost := summarize(p.run)
	r := scenario.ProbeReport{From: p.From, To: p.To, Proto: p.Proto, IdleP50: idle.P50, IdleP99: idle.P99,
		RunP50: run.P50, RunP99: run.P99, Lost: lost}
	atStep, calm := split(p.run, s.NearStep)
	if len(atStep) == 0 {
		return r
	}
	took, _ := summarize(calm)
	r.CalmP50, r.CalmP99 = took.P50, took.P99
	took, _ = summarize(atStep)
	r.StepP50, r.StepP99 = took.P50, took.P99
	return r
}

// split tells the samples that began near a step from the others.
func split(all []sample, near func(time.Duration) bool) (atStep, calm []sample) {
	for _, s := range all {
		if near(s.at) {
			atStep = append(atStep, s)
		} else {
			calm = append(calm, s)
		}
	}
	return atStep, calm
}

// summarize returns the percentiles of what was not lost, and how much was.
func summarize(samples []sample) (took scenario.Percentiles, lost int) {
	var times []time.Duration
	for _, s := range samples {
		if s.lost {
			lost++
		} else {
			times = append(times, s.took)
		}
	}
	return scenario.PercentilesOf(times), lost
}
