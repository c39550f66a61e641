package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"os"
	"slices"
)

// report is what OUT gets.
type report struct {
	Machine machine  `json:"machine"`
	Repeat  int      `json:"repeat"`
	Quick   bool     `json:"quick,omitempty"`
	Seconds float64  `json:"seconds"` // the whole run
	Cases   []result `json:"cases"`
}

// result is a case by a system: medians of its rounds.
type result struct {
	Case       string  `json:"case"`
	System     string  `json:"system"`
	GiBPerS    float64 `json:"gib_per_s"`
	CPUSPerGiB float64 `json:"cpu_s_per_gib"`
	RSSMiB     float64 `json:"rss_mib"`
	FilesPerS  float64 `json:"files_per_s"`
	StartP50   float64 `json:"start_p50_ms"`
	StartP99   float64 `json:"start_p99_ms"`

	Runs []float64 `json:"runs,omitempty"` // GiB/s of every round
	Min  float64   `json:"min,omitempty"`  // of these
	Max  float64   `json:"max,omitempty"`
	// InsideGiBPerS is by the agents' own account: from the first receiver's start
	// to the last one's installation.
	InsideGiBPerS float64 `json:"inside_gib_per_s,omitempty"`
	CPUPercent    float64 `json:"cpu_percent,omitempty"` // of one core, of an idle agent
	Ratio         float64 `json:"ratio,omitempty"`       // of the machine's own hashing rate
	Share         float64 `json:"share,omitempty"`       // of the neighbour's file that stayed in memory
	ShareBefore   float64 `json:"share_before,omitempty"`
	Left          string  `json:"left_out,omitempty"` // why it was not measured
	Error         string  `json:"error,omitempty"`    // of the last round that failed
}

const gib = 1 << 30

// summarize makes a result of a case's rounds.
func summarize(kase, system string, samples []sample) result {
	r := result{Case: kase, System: system}
	over := func(f func(sample) float64) float64 { return median(each(samples, f)) }
	r.Runs = each(samples, sample.rate)
	r.GiBPerS = median(r.Runs)
	if len(r.Runs) > 0 {
		r.Min, r.Max = slices.Min(r.Runs), slices.Max(r.Runs)
	}
	r.CPUSPerGiB = over(func(s sample) float64 { return s.CPU / (float64(s.Bytes) / gib) })
	r.RSSMiB = over(func(s sample) float64 { return float64(s.RSS) / (1 << 20) })
	r.FilesPerS = over(func(s sample) float64 { return float64(s.Files) / s.Seconds })
	r.InsideGiBPerS = over(func(s sample) float64 {
		if s.Inside == 0 {
			return 0
		}
		return float64(s.Bytes) / gib / s.Inside
	})
	return r
}

// rate is in GiB/s.
func (s sample) rate() float64 { return float64(s.Bytes) / gib / s.Seconds }

func each[T any](all []T, f func(T) float64) []float64 {
	out := make([]float64, len(all))
	for i, v := range all {
		out[i] = f(v)
	}
	return out
}

// median is the middle of the values, or the mean of the two in the middle; 0
// of none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// quantile is the value below which a share q of the sorted values lies, 0 of
// none.
func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

// find returns a result that has figures.
func (r *report) find(kase, system string) (result, bool) {
	i := slices.IndexFunc(r.Cases, func(c result) bool { return c.Case == kase && c.System == system })
	if i < 0 || r.Cases[i].GiBPerS == 0 {
		return result{}, false
	}
	return r.Cases[i], true
}

// fastest returns the fastest of the clients that somebody could use instead.
func (r *report) fastest(kase string) (result, bool) {
	var peers []result
	for _, o := range others {
		if c, ok := r.find(kase, o.name); ok {
			peers = append(peers, c)
		}
	}
	if len(peers) == 0 {
		return result{}, false
	}
	return slices.MaxFunc(peers, func(a, b result) int { return cmp.Compare(a.GiBPerS, b.GiBPerS) }), true
}

// write writes the report as JSON.
func (r *report) write(path string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644) //nolint:gosec // everybody may read it
}

// failed reports whether a round failed.
func (r *report) failed() error {
	var errs []error
	for _, c := range r.Cases {
		if c.Error != "" {
			errs = append(errs, errors.New(c.Case+"/"+c.System+": "+c.Error))
		}
	}
	return errors.Join(errs...)
}
