package restore

import "sync"

// locks let one run at a time work on an instance, by its data directory.
type locks struct {
	mu   sync.Mutex
	held map[string]string // by directory: the run; guarded by mu
}

// take reports which run holds the instance afterwards, and whether it is run.
func (l *locks) take(data, run string) (holder string, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held == nil {
		l.held = map[string]string{}
	}
	if holder, taken := l.held[data]; taken {
		return holder, holder == run
	}
	l.held[data] = run
	return run, true
}

// release gives up what run holds.
func (l *locks) release(data, run string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held[data] == run {
		delete(l.held, data)
	}
}
