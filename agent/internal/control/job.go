package control

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
)

// progressInterval is the least time between two progress events.
const progressInterval = 250 * time.Millisecond

// job makes an artifact and tells how far it is, from any goroutine.
type job func(ctx context.Context, progress func(api.Progress)) (api.Artifact, error)

// outcome is how a job ended.
type outcome struct {
	artifact api.Artifact
	err      error
}

// errStopping is what a client hears whose job the agent's end has ended.
var errStopping = &api.Error{Code: api.CodeUnreachable, Subject: "agent", Message: "it is stopping", Fix: "try again when it is back"}

// stream runs the job with events: progress as it goes, result or error at the
// end. A job that fails at once is answered with an HTTP status instead. It
// returns when the job has ended, which a client that goes away and an agent that
// stops bring about.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, run job) {
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	var progress atomic.Pointer[api.Progress]
	done := make(chan outcome, 1)
	go func() { done <- run.outcome(ctx, &progress) }()
	var out *jobStream
	ending := s.ending
	tick := time.NewTicker(progressInterval)
	defer tick.Stop()
	for {
		select {
		case end := <-done:
			s.finishJob(w, r, out, end)
			return
		case <-ending:
			cancel(errStopping)
			ending = nil
		case <-tick.C:
			if out == nil {
				out = &jobStream{events: startEvents(w)}
			}
			if out.show(progress.Load()) != nil {
				cancel(nil)
			}
		}
	}
}

// outcome runs the job. A panic costs this job only.
func (run job) outcome(ctx context.Context, progress *atomic.Pointer[api.Progress]) (o outcome) {
	defer func() {
		if p := recover(); p != nil {
			o.err = fmt.Errorf("the publisher panicked: %v\n%s", p, debug.Stack())
		}
	}()
	o.artifact, o.err = run(ctx, func(p api.Progress) { progress.Store(&p) })
	if o.err != nil && errors.Is(context.Cause(ctx), errStopping) {
		o.err = errStopping
	}
	return o
}

// finishJob sends the last event. out is nil if nothing was sent before.
func (s *Server) finishJob(w http.ResponseWriter, r *http.Request, out *jobStream, end outcome) {
	switch {
	case end.err != nil && out == nil:
		s.writeError(w, r, end.err)
	case end.err != nil:
		_ = out.events.send(api.EventError, api.ErrorBody{Error: asError(end.err)})
	default:
		if out == nil {
			out = &jobStream{events: startEvents(w)}
		}
		_ = out.events.send(api.EventResult, end.artifact)
	}
}

// jobStream is what the client of a job has been told.
type jobStream struct {
	events *events
	last   *api.Progress
	spoke  time.Time
}

// show sends progress if it is new, or a sign of life. An error means that the
// client has gone.
func (j *jobStream) show(p *api.Progress) error {
	switch {
	case p != nil && p != j.last:
		j.last, j.spoke = p, time.Now()
		return j.events.send(api.EventProgress, p)
	case time.Since(j.spoke) >= keepAlive:
		j.spoke = time.Now()
		return j.events.ping()
	}
	return nil
}
