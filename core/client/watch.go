package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
)

const (
	firstRetry = 200 * time.Millisecond
	lastRetry  = 5 * time.Second
)

// Watch calls fn with the status of a distribution, now and whenever it
// changes: within half a second, sooner when a node is done or fails. It ends when
// fn returns an error, which comes back unchanged, when ctx ends, when the
// distribution is gone (IsNotFound), or, with untilDone, after the status that says
// Done. Once an agent has answered any call of this client, it is asked again for
// as long as ctx lasts when connections break or the store does not answer.
func (c *Client) Watch(ctx context.Context, name string, untilDone bool, fn func(api.Status) error) error {
	path, err := object(pathDistributions, name)
	if err != nil {
		return err
	}
	r := call{op: "watch " + name, method: http.MethodGet, path: path + "/events"}
	if untilDone {
		r.query = url.Values{"until": {"done"}}
	}
	return c.watch(ctx, r, &watch{event: api.EventStatus, fn: func(data []byte) (bool, error) {
		st, err := decodeEvent[api.Status](r.op, "status", data)
		if err != nil {
			return false, err
		}
		return untilDone && st.Summary.Done, callback(fn(st))
	}})
}

// WatchRun calls fn with a run and what its parts tell, now and whenever it
// changes, within a quarter of a second. It ends as Watch does, with
// untilFinished after the run that is finished.
func (c *Client) WatchRun(ctx context.Context, id string, untilFinished bool, fn func(api.Run) error) error {
	path, err := object(pathRuns, id)
	if err != nil {
		return err
	}
	r := call{op: "watch run " + id, method: http.MethodGet, path: path + "/events"}
	if untilFinished {
		r.query = url.Values{"until": {"finished"}}
	}
	return c.watch(ctx, r, &watch{event: api.EventRun, fn: func(data []byte) (bool, error) {
		run, err := decodeEvent[api.Run](r.op, "run", data)
		if err != nil {
			return false, err
		}
		return untilFinished && run.Phase.Finished(), callback(fn(run))
	}})
}

// Statuses is Watch for a caller that waits for other things beside: it sends the
// statuses on one channel and, once, why they ended on the other. The caller
// ends it with ctx; until then every status waits to be received.
func (c *Client) Statuses(ctx context.Context, name string) (<-chan api.Status, <-chan error) {
	statuses, ended := make(chan api.Status), make(chan error, 1)
	go func() {
		ended <- c.Watch(ctx, name, false, func(st api.Status) error {
			select {
			case statuses <- st:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	return statuses, ended
}

// watch is the state of a Watch across connections.
type watch struct {
	event string // the name of the events that fn gets
	// fn tells whether this was the last event. An error that is no stopped is the
	// connection's.
	fn   func(data []byte) (last bool, err error)
	seen int  // events that fn took
	over bool // fn has had its last event, or ended the watch
}

// stopped is the error by which a caller's own function ends its watch.
type stopped struct{ error }

func callback(err error) error {
	if err != nil {
		return stopped{err}
	}
	return nil
}

func decodeEvent[T any](op, what string, data []byte) (v T, err error) {
	if err := json.Unmarshal(data, &v); err != nil {
		return v, wrapBroken(op, fmt.Errorf("decode %s: %w", what, err))
	}
	return v, nil
}

// watch hands events to w over as many connections as it takes.
func (c *Client) watch(ctx context.Context, r call, w *watch) error {
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		seen := w.seen
		err := c.follow(ctx, r, w)
		switch {
		case w.over:
			return err
		case ctx.Err() != nil:
			return canceled(ctx, r.op)
		case !c.answered.Load() || !passing(err):
			return err
		case w.seen > seen:
			wait = firstRetry
		}
		select {
		case <-ctx.Done():
			return canceled(ctx, r.op)
		case <-time.After(wait):
		}
	}
}

// follow passes the events of one connection on until it ends.
func (c *Client) follow(ctx context.Context, r call, w *watch) error {
	s, err := c.events(ctx, r)
	if err != nil {
		return err
	}
	defer s.close()
	for !w.over {
		e, err := s.next()
		if err != nil {
			return wrapBroken(r.op, err)
		}
		if e.name != w.event {
			continue
		}
		last, err := w.fn(e.data)
		if end, ok := err.(stopped); ok { //nolint:errorlint // nobody wraps it
			w.over = true
			return end.error
		}
		if err != nil {
			return err
		}
		w.seen++
		w.over = last
	}
	return nil
}

// passing reports whether a watch goes on after err.
func passing(err error) bool {
	return hasCode(err, api.CodeUnreachable) || hasCode(err, api.CodeStoreDown) || hasCode(err, api.CodeInternal)
}

// wrapBroken makes the error of a stream that ended early an *api.Error.
func wrapBroken(op string, err error) error {
	var e *api.Error
	if errors.As(err, &e) {
		return err
	}
	return &failure{&api.Error{Code: api.CodeUnreachable, Subject: op,
		Message: "the connection to the agent broke: " + err.Error(), Fix: "check that the agent runs, and try again"}, err}
}
