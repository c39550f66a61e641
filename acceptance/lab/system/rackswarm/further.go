package rackswarm

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	contents "github.com/rackswarm/rackswarm/acceptance/lab/content"
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/scenario"
	"github.com/rackswarm/rackswarm/core/unit"
)

// further is an artifact that is distributed beside the first one.
type further struct {
	fault   scenario.Fault
	name    string
	content contents.Content

	mu       sync.Mutex
	word     time.Time // when it was distributed, zero before
	complete map[unit.NodeID]time.Time
}

// writeFurther makes the content of all of them.
func (f *Fleet) writeFurther() error {
	s := f.opts.Scenario
	for _, fault := range s.Faults {
		if fault.Action != scenario.Distribute {
			continue
		}
		n := len(f.further) + 1
		more := &further{fault: fault, name: fmt.Sprintf("further-%d", n), complete: map[unit.NodeID]time.Time{}}
		var err error
		artifact := scenario.Artifact{Size: fault.Size, Seed: s.Artifact.Seed + uint64(n), Files: 1}
		if more.content, err = contents.Write(f.file(more.name), artifact); err != nil {
			return err
		}
		f.further = append(f.further, more)
	}
	return nil
}

// distributeFurther publishes one on all initial seeders, and has it distributed.
func (f *Fleet) distributeFurther(ctx context.Context, fault scenario.Fault) error {
	i := slices.IndexFunc(f.further, func(m *further) bool { return m.fault == fault && m.waits() })
	more := f.further[i]
	var digest string
	for _, a := range f.seeders() {
		published, err := a.client.Publish(ctx, api.PublishRequest{Source: more.content.Path, Name: more.name}, nil)
		if err != nil {
			return a.explain(fmt.Errorf("publish %s: %w", more.name, err))
		}
		digest = published.Digest
	}
	first := f.seeders()[0]
	_, err := first.client.PutDistribution(ctx, f.distribution(more.name, digest, fault.Priority))
	if err != nil {
		return first.explain(err)
	}
	more.mu.Lock()
	defer more.mu.Unlock()
	more.word = time.Now()
	return nil
}

func (m *further) waits() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.word.IsZero()
}

// distribution is one to all receivers.
func (f *Fleet) distribution(name, digest string, priority scenario.Priority) api.Distribution {
	d := api.Distribution{
		Name: name, Digest: digest, Path: filepath.Join(f.root(), name),
		Selector: api.Selector{Labels: map[string]string{label: string(receiver)}}, AllowEmpty: true,
	}
	if priority != scenario.Normal {
		d.Priority = string(priority)
	}
	return d
}

// furtherInterval is how often the lab looks who has them.
const furtherInterval = 100 * time.Millisecond

// followFurther looks until ctx ends.
func (f *Fleet) followFurther(ctx context.Context) {
	if len(f.further) == 0 {
		return
	}
	tick := time.NewTicker(furtherInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, m := range f.further {
			f.look(m)
		}
	}
}

func (f *Fleet) look(m *further) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, node := range f.opts.Scenario.Receivers {
		if !m.complete[node].IsZero() {
			continue
		}
		if _, err := os.Lstat(m.path(f.agents[node])); err == nil {
			m.complete[node] = time.Now()
		}
	}
}

func (m *further) path(a *agent) string { return filepath.Join(a.own(), m.name) }

// report verifies what receivers have, and says when they had it.
func (f *Fleet) reportFurther(o *scenario.Observed) {
	for _, m := range f.further {
		m.mu.Lock()
		r := scenario.TransferReport{At: m.fault.At.Seconds(), Size: int64(m.fault.Size), Priority: m.fault.Priority}
		var took []float64
		for node, at := range m.complete {
			if err := m.content.Verify(m.path(f.agents[node])); err != nil {
				o.Notes = append(o.Notes, fmt.Sprintf("%s on %s: %v", m.name, node, err))
				continue
			}
			took = append(took, at.Sub(m.word).Seconds())
		}
		m.mu.Unlock()
		slices.Sort(took)
		if r.Complete = len(took); r.Complete > 0 {
			r.Median, r.Last = scenario.Quantile(took, 0.5), took[len(took)-1]
		}
		o.Transfers = append(o.Transfers, r)
	}
}

// beforeMinute waits until the artifact's window closes in as long as the scenario
// says, and returns the windows: they begin and end on the minute.
func (f *Fleet) beforeMinute(ctx context.Context) ([]string, error) {
	w := f.opts.Scenario.Window
	if w.Opens == 0 {
		return nil, nil
	}
	closes := nextMinute(time.Now().UTC(), w.Closes)
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-time.After(time.Until(closes.Add(-w.Closes))):
	}
	return []string{closedFrom(closes, closes.Add(w.Opens-w.Closes))}, nil
}

// nextMinute is the first full minute that is at least some time away.
func nextMinute(now time.Time, away time.Duration) time.Time {
	at := now.Add(away).Truncate(time.Minute)
	if at.Sub(now) < away {
		at = at.Add(time.Minute)
	}
	return at
}

// closedFrom is a window in which nothing moves.
func closedFrom(from, to time.Time) string {
	const clock = "15:04"
	return fmt.Sprintf("daily %s-%s 0", from.Format(clock), cmp.Or(map[string]string{"00:00": "24:00"}[to.Format(clock)], to.Format(clock)))
}
