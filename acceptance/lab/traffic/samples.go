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
func (p *probe) report() scenario.ProbeReport {
	idle, _ := summarize(p.idle)
	run, lost := summarize(p.run)
	return scenario.ProbeReport{From: p.From, To: p.To, IdleP50: idle.P50, IdleP99: idle.P99,
		RunP50: run.P50, RunP99: run.P99, Lost: lost}
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
