package reconcile

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/rackswarm/rackswarm/core/api"
)

// asking calls everything that is asked of the loop from outside.
func asking(r *Reconciler) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"pause":  func(ctx context.Context) error { _, err := r.PauseHere(ctx, api.Hold{}); return err },
		"resume": func(ctx context.Context) error { _, err := r.ResumeHere(ctx, ""); return err },
		"holds":  func(ctx context.Context) error { _, err := r.OperatorHolds(ctx); return err },
		"paths":  func(ctx context.Context) error { _, err := r.Holds(ctx, "/srv"); return err },
		"report": func(ctx context.Context) error {
			if _, _, ok := r.Report(ctx, "site"); ok {
				return nil
			}
			return ctx.Err()
		},
	}
}

// Who asks a loop that is busy waits no longer than he wants, and what he asked for
// and does not wait for is not done later.
func TestAskingEndsWithItsContext(t *testing.T) {
	for name := range asking(nil) {
		synctest.Test(t, func(t *testing.T) {
			r := &Reconciler{mail: newMailbox[event](), done: make(chan struct{})}
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error)
			go func() { ended <- asking(r)[name](ctx) }()
			synctest.Wait() // until it has asked
			cancel()
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Errorf("%s: ends with %v", name, err)
			}
			r.handleMail(r.mail.take()) // would panic, as r has no state, if it did anything
		})
	}
}

func TestAskingOfALoopThatEnded(t *testing.T) {
	r := &Reconciler{mail: newMailbox[event](), done: make(chan struct{})}
	close(r.done)
	for name, ask := range asking(r) {
		if err := ask(t.Context()); name != "report" && !errors.Is(err, ErrStopped) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
