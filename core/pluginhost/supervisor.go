package pluginhost

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// supervisor has one process of a driver or sensor while that is needed.
type supervisor struct {
	kind   Kind
	name   string
	launch func(ctx context.Context) (process, error)
	policy Policy
	idle   time.Duration // after which an unused process is ended
	log    *slog.Logger
	ctx    context.Context // ends with the host

	mu      sync.Mutex
	current process // nil if none
	users   int     // calls under way with current
	resting *time.Timer
	trying  *attempt // nil if no start is under way
	history history
	lastEnd string // how the last process that crashed ended
	work    sync.WaitGroup
	closed  bool
}

// attempt is a start that is under way.
type attempt struct {
	done chan struct{}
	err  error // after done
}

// acquire returns a process that runs, and starts it if need be. The caller calls
// release. Errors are *Error or wrap that of ctx.
func (s *supervisor) acquire(ctx context.Context) (process, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("start %s %s: %w", s.kind, s.name, err)
		}
		p, a, err := s.get()
		if p != nil || err != nil {
			return p, err
		}
		select {
		case <-a.done:
			if a.err != nil {
				return nil, a.err
			}
		case <-ctx.Done():
			return nil, fmt.Errorf("start %s %s: %w", s.kind, s.name, ctx.Err())
		}
	}
}

// get returns the process that runs, or else the attempt to start one.
func (s *supervisor) get() (process, *attempt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, nil, closedError(s.kind, s.name)
	}
	if s.current != nil {
		select {
		case <-s.current.ended(): // and watch comes to it in a moment
			s.noteEnd(s.current)
		default:
		}
	}
	if s.current != nil {
		s.users++
		s.resting.Stop()
		return s.current, nil, nil
	}
	if s.trying == nil {
		wait, unhealthy := s.history.next(time.Now(), s.policy)
		if unhealthy {
			return nil, nil, s.unhealthy(wait)
		}
		s.trying = &attempt{done: make(chan struct{})}
		s.work.Add(1)
		go s.try(s.trying, wait)
	}
	return nil, s.trying, nil
}

func (s *supervisor) unhealthy(wait time.Duration) error {
	return &Error{
		Kind: s.kind, Driver: s.name, Reason: ReasonUnhealthy, RetryAfter: wait,
		Message: fmt.Sprintf("it crashed %d times within %v and is not started for %v; the last time %s",
			s.policy.Crashes, s.policy.Window, wait.Round(time.Second), s.lastEnd),
		Fix: "see the agent's log for what it wrote; mend its program or the instance's settings, then try again",
	}
}

// try starts a process after the pause.
func (s *supervisor) try(a *attempt, pause time.Duration) {
	defer s.work.Done()
	p, err := s.startAfter(pause)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trying = nil
	switch own, _ := err.(*Error); { //nolint:errorlint // launch returns *Error itself
	case err == nil && s.closed:
		s.work.Add(1)
		go s.end(p)
		a.err = closedError(s.kind, s.name)
	case err == nil:
		s.current = p
		s.resting = time.AfterFunc(s.idle, func() { s.rest(p) })
		s.work.Add(1)
		go s.watch(p)
	default:
		a.err = err
		if own != nil && own.Reason == ReasonCrashed && !s.closed {
			s.crashed(own.Message)
		}
	}
	close(a.done)
}

func (s *supervisor) startAfter(pause time.Duration) (process, error) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.ctx.Done():
		return nil, closedError(s.kind, s.name)
	}
	return s.launch(s.ctx)
}

// crashed notes how a process ended. The lock is held.
func (s *supervisor) crashed(how string) {
	s.history = s.history.crashed(time.Now(), s.policy)
	s.lastEnd = how
	s.log.Warn(fmt.Sprintf("a %s's process ended", s.kind), string(s.kind), s.name, "how", how, "crashes", len(s.history))
}

// watch notes the end of p, unless that was asked for.
func (s *supervisor) watch(p process) {
	defer s.work.Done()
	<-p.ended()
	s.mu.Lock()
	s.noteEnd(p)
	s.mu.Unlock()
	p.kill("it ended") // what go-plugin keeps of it
}

// noteEnd notes that p ended, once, if it was to run on. The lock is held.
func (s *supervisor) noteEnd(p process) {
	if s.current != p {
		return
	}
	s.current = nil
	s.users = 0
	s.resting.Stop()
	s.crashed(p.how())
}

// release ends the use of p.
func (s *supervisor) release(p process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != p {
		return
	}
	s.users--
	if s.users == 0 {
		s.resting = time.AfterFunc(s.idle, func() { s.rest(p) })
	}
}

// rest ends p if nobody uses it.
func (s *supervisor) rest(p process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != p || s.users > 0 {
		return
	}
	s.current = nil
	s.work.Add(1)
	go s.end(p)
}

func (s *supervisor) end(p process) {
	defer s.work.Done()
	p.stop()
}

// close ends the process and lets none be started. It returns when all is gone.
func (s *supervisor) close() {
	s.mu.Lock()
	s.closed = true
	if p := s.current; p != nil {
		s.current = nil
		s.resting.Stop()
		s.work.Add(1)
		go s.end(p)
	}
	s.mu.Unlock()
	s.work.Wait()
}
