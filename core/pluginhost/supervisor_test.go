package pluginhost

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rackswarm/rackswarm/core/pluginapi"
)

// bareProcess ends when it is told to.
type bareProcess struct {
	once sync.Once
	done chan struct{}
	said string
}

func (p *bareProcess) database() pluginapi.DatabaseDriver { return nil }
func (p *bareProcess) sensor() pluginapi.BandwidthSensor  { return nil }
func (p *bareProcess) ended() <-chan struct{}             { return p.done }
func (p *bareProcess) how() string                        { return p.said }
func (p *bareProcess) kill(string)                        { p.once.Do(func() { close(p.done) }) }
func (p *bareProcess) stop()                              { p.kill("") }

// supervised runs story in a bubble with a supervisor whose starts take a second
// and fail while broken says so.
func supervised(t *testing.T, story func(t *testing.T, s *supervisor, starts *int, broken *error)) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var starts int
		var broken error
		s := &supervisor{
			kind: KindDriver, name: "db", idle: time.Minute, log: slog.New(slog.DiscardHandler), ctx: ctx,
			policy: Policy{Backoff: time.Second, MaxBackoff: 4 * time.Second, Crashes: 4, Window: time.Hour, CoolDown: 10 * time.Minute},
		}
		s.launch = func(ctx context.Context) (process, error) {
			starts++ // one start at a time
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
				return nil, closedError(KindDriver, "db")
			}
			if broken != nil {
				return nil, broken
			}
			return &bareProcess{done: make(chan struct{}), said: "it fell"}, nil
		}
		story(t, s, &starts, &broken)
		cancel()
		s.close()
	})
}

func TestManyCallsShareOneProcess(t *testing.T) {
	supervised(t, func(t *testing.T, s *supervisor, starts *int, _ *error) {
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				p, err := s.acquire(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				time.Sleep(time.Second) // a call
				s.release(p)
			})
		}
		all.Wait()
		if *starts != 1 {
			t.Errorf("%d starts", *starts)
		}
	})
}

func TestACallWaitsThePauseAfterACrash(t *testing.T) {
	supervised(t, func(t *testing.T, s *supervisor, _ *int, _ *error) {
		for _, want := range []time.Duration{1, 2, 3} { // a second to start, after no pause, one of 1 s, one of 2 s
			began := time.Now()
			p, err := s.acquire(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took != want*time.Second {
				t.Errorf("a process came after %v, want %d s", took, want)
			}
			p.kill("")
			s.release(p)
		}
		p, err := s.acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		p.kill("") // the fourth crash
		_, err = s.acquire(t.Context())
		own := (*Error)(nil)
		if !errors.As(err, &own) || own.Reason != ReasonUnhealthy || own.RetryAfter != 10*time.Minute {
			t.Fatalf("after four crashes: %v", err)
		}
		time.Sleep(own.RetryAfter)
		if _, err := s.acquire(t.Context()); err != nil {
			t.Errorf("after cooling down: %v", err)
		}
	})
}

func TestACallerThatGivesUpLeavesTheStartAlone(t *testing.T) {
	supervised(t, func(t *testing.T, s *supervisor, starts *int, _ *error) {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if _, err := s.acquire(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if _, err := s.acquire(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		p, err := s.acquire(t.Context())
		if err != nil || *starts != 1 {
			t.Errorf("%d starts, %v", *starts, err)
		}
		s.release(p)
	})
}

func TestAProcessRestsAfterItsLastUse(t *testing.T) {
	supervised(t, func(t *testing.T, s *supervisor, starts *int, _ *error) {
		p, err := s.acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour) // a long call
		synctest.Wait()
		if isEnded(p) {
			t.Error("it was ended during a call")
		}
		s.release(p)
		time.Sleep(59 * time.Second)
		again, err := s.acquire(t.Context())
		if err != nil || again != p {
			t.Fatalf("another process after 59 s: %v", err)
		}
		s.release(p)
		time.Sleep(61 * time.Second)
		synctest.Wait()
		if !isEnded(p) {
			t.Error("it runs on unused")
		}
		if len(s.history) > 0 {
			t.Error("that counts as a crash")
		}
	})
}

func TestAStartThatCannotSucceedDoesNotCount(t *testing.T) {
	supervised(t, func(t *testing.T, s *supervisor, _ *int, broken *error) {
		*broken = &Error{Driver: "db", Reason: ReasonUntrusted, Message: "another SHA-256"}
		for range 10 {
			if _, err := s.acquire(t.Context()); !errors.Is(err, *broken) {
				t.Fatal(err)
			}
		}
		*broken = nil
		began := time.Now()
		if _, err := s.acquire(t.Context()); err != nil || time.Since(began) != time.Second {
			t.Errorf("mended, it starts after %v: %v", time.Since(began), err)
		}
	})
}

func TestCloseEndsAStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		p := &bareProcess{done: make(chan struct{})}
		s := &supervisor{kind: KindDriver, name: "db", idle: time.Minute, log: slog.New(slog.DiscardHandler), ctx: ctx, policy: Policy{}.withDefaults()}
		s.launch = func(ctx context.Context) (process, error) {
			<-ctx.Done()
			return p, nil // it had just succeeded
		}
		failed := make(chan error)
		go func() {
			_, err := s.acquire(t.Context())
			failed <- err
		}()
		synctest.Wait()
		go func() {
			s.mu.Lock()
			s.closed = true
			s.mu.Unlock()
			cancel()
			s.close()
		}()
		own := (*Error)(nil)
		if err := <-failed; !errors.As(err, &own) || own.Reason != ReasonClosed {
			t.Error(err)
		}
		<-p.ended()
	})
}

func isEnded(p process) bool {
	select {
	case <-p.ended():
		return true
	default:
		return false
	}
}
