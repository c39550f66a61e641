package pack

import (
	"sync"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
)

// reportEvery bounds how often a meter reports.
const reportEvery = 100 * time.Millisecond

// Meter counts what is done of something long, and reports it about ten times a
// second. It is safe for concurrent use; reports come one at a time. A nil
// Meter counts nothing.
type Meter struct {
	report func(api.Progress)

	mu   sync.Mutex
	now  api.Progress
	last time.Time
}

// NewMeter returns a meter of a stage, or nil if there is nobody to report to.
func NewMeter(stage string, total int64, report func(api.Progress)) *Meter {
	if report == nil {
		return nil
	}
	return &Meter{report: report, now: api.Progress{Stage: stage, Total: total}}
}

// Add counts bytes and files that were done.
func (m *Meter) Add(bytes int64, files int) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now.Done += bytes
	m.now.Files += files
	if time.Since(m.last) >= reportEvery {
		m.last = time.Now()
		m.report(m.now)
	}
}

// Flush reports the count as it is.
func (m *Meter) Flush() {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last = time.Now()
	m.report(m.now)
}
