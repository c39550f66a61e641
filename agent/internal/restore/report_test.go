package restore

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	decide "github.com/rackswarm/rackswarm/core/restore"
	"github.com/rackswarm/rackswarm/core/store"
)

// written is a store that notes when what was written.
type written struct {
	*reporter
	err atomic.Pointer[error]

	lock   sync.Mutex
	at     []time.Duration // guarded by lock
	states []api.PartState // guarded by lock
	last   api.PartReport  // guarded by lock
}

// attempts is how often something was written, or was tried to be.
func (w *written) attempts() int {
	w.lock.Lock()
	defer w.lock.Unlock()
	return len(w.at)
}

// known is what was written last, and the state before that.
func (w *written) known() (last api.PartReport, before api.PartState) {
	w.lock.Lock()
	defer w.lock.Unlock()
	if n := len(w.states); n > 1 {
		before = w.states[n-2]
	}
	return w.last, before
}

// newWritten starts a reporter, in a bubble.
func newWritten(t *testing.T) (w *written, end func()) {
	t.Helper()
	w = &written{}
	began := time.Now()
	w.reporter = newReporter(func(_ context.Context, p api.PartReport) error {
		w.lock.Lock()
		defer w.lock.Unlock()
		w.at = append(w.at, time.Since(began))
		if err := w.err.Load(); err != nil {
			return *err
		}
		w.states, w.last = append(w.states, p.State), p
		return nil
	}, slog.New(slog.DiscardHandler), time.Now, func() {})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); w.run(ctx) }()
	return w, func() { cancel(); <-ended }
}

// rest lets time pass, and what is due then happen.
func rest(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestReportsArePaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, end := newWritten(t)
		defer end()
		for n := range 100 { // ten seconds of progress
			w.say(api.PartReport{State: api.PartCapturing, Progress: &api.Progress{Done: int64(n)}})
			time.Sleep(100 * time.Millisecond)
		}
		synctest.Wait()
		if n := w.attempts(); n < 19 || n > 21 {
			t.Errorf("%d reports in ten seconds", n)
		}
		rest(time.Second)
		last, _ := w.known()
		if last.Progress.Done != 99 || !w.told() {
			t.Errorf("the last is %+v", last.Progress)
		}
		n := w.attempts()
		last.UpdatedAt = time.Time{}
		w.say(last)
		rest(time.Minute)
		if w.attempts() != n {
			t.Error("the same was said again")
		}
		w.say(api.PartReport{State: api.PartCaptured})
		synctest.Wait()
		w.say(api.PartReport{State: api.PartEnded})
		synctest.Wait()
		if last, before := w.known(); last.State != api.PartEnded || before != api.PartCaptured {
			t.Errorf("a state had to wait: %s, %s", before, last.State)
		}
	})
}

func TestReportsOutliveAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, end := newWritten(t)
		down := errors.New("the store is down")
		w.err.Store(&down)
		w.say(api.PartReport{State: api.PartStopped})
		rest(time.Minute)
		if w.say(api.PartReport{State: api.PartHealthy}); w.told() {
			t.Error("it was told to nobody")
		}
		if n := w.attempts(); n < 6 || n > 14 {
			t.Errorf("%d attempts in a minute", n)
		}
		w.err.Store(nil)
		rest(longestSilence + time.Second)
		if last, _ := w.known(); last.State != api.PartHealthy || !w.told() {
			t.Errorf("the store knows of %+v", last)
		}
		n := w.attempts()
		has, _ := w.known()
		w.heard(has)
		rest(time.Second)
		if w.attempts() != n {
			t.Errorf("%d reports of what the store has", w.attempts()-n)
		}
		w.heard(api.PartReport{State: api.PartStopped}) // it lost the last one
		rest(time.Second)
		if last, _ := w.known(); w.attempts() != n+1 || last.State != api.PartHealthy {
			t.Errorf("%d reports after that, of %s", w.attempts()-n, last.State)
		}
		w.say(api.PartReport{State: api.PartCommitted})
		end()
		if last, _ := w.known(); last.State != api.PartCommitted {
			t.Error("the last word is missing")
		}
	})
}

// A run that is gone takes no reports, and that is no failure.
func TestReportOfARunThatIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, end := newWritten(t)
		defer end()
		w.err.Store(&store.ErrNotFound)
		w.say(api.PartReport{State: api.PartFailed})
		rest(time.Minute)
		if w.attempts() != 1 || !w.told() {
			t.Errorf("told %d times", w.attempts())
		}
	})
}

func TestDelays(t *testing.T) {
	for _, c := range []struct {
		op       decide.Op
		failed   bool
		attempts int
		want     time.Duration
	}{
		{decide.OpAwaitHealth, false, 0, pollInterval},
		{decide.OpWatchPin, false, 0, pinInterval},
		{decide.OpVerify, false, 0, 0},
		{decide.OpVerify, true, 1, firstBackoff},
		{decide.OpVerify, true, 3, 4 * firstBackoff},
		{decide.OpVerify, true, 1000, longestBackoff},
		{decide.OpStart, true, 1000, urgentBackoff},
		{decide.OpStop, true, 1000, urgentBackoff},
	} {
		if got := delay(c.op, c.failed, c.attempts); got != c.want {
			t.Errorf("%s, failed %v %d times: %v, want %v", c.op, c.failed, c.attempts, got, c.want)
		}
	}
}

// Every operation says what it is, except those in which nothing happens.
func TestDoing(t *testing.T) {
	for _, op := range []decide.Op{decide.OpProbe, decide.OpPin, decide.OpCapture, decide.OpVerifyCapture, decide.OpPublish, decide.OpUnpin,
		decide.OpDropCapture, decide.OpAwaitRelease, decide.OpVerify, decide.OpConfigure, decide.OpCheckRole, decide.OpStop, decide.OpExchange,
		decide.OpStart, decide.OpAwaitHealth, decide.OpRemoveOld, decide.OpDropFormer, decide.OpLook, decide.OpStopNew, decide.OpExchangeBack,
		decide.OpStartOld, decide.OpCleanup, decide.OpRemoveStaging} {
		if words[op] == "" {
			t.Errorf("%s has no words", op)
		}
	}
	if words[decide.OpNone] != "" || words[decide.OpWatchPin] != "" {
		t.Error("waiting has words")
	}
}
