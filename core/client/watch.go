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
// changes: within half a second, sooner when a node is done or fails. It ends when fn returns an error, which comes
// back unchanged, when ctx ends, when the distribution is gone (IsNotFound), or,
// with untilDone, after the status that says Done. Once an agent has answered,
// broken connections are taken up again for as long as ctx lasts.
func (c *Client) Watch(ctx context.Context, name string, untilDone bool, fn func(api.Status) error) error {
	path, err := object(pathDistributions, name)
	if err != nil {
		return err
	}
	w := &watch{untilDone: untilDone, fn: fn}
	r := call{op: "watch " + name, method: http.MethodGet, path: path + "/events"}
	if untilDone {
		r.query = url.Values{"until": {"done"}}
	}
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		seen := w.seen
		err := c.follow(ctx, r, w)
		switch {
		case w.over:
			return err
		case ctx.Err() != nil:
			return canceled(ctx, r.op)
		case w.seen == 0 || !passing(err):
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
	untilDone bool
	fn        func(api.Status) error
	seen      int  // statuses handed to fn
	over      bool // fn returned an error, or the distribution is done
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
		if e.name != api.EventStatus {
			continue
		}
		var st api.Status
		if err := json.Unmarshal(e.data, &st); err != nil {
			return wrapBroken(r.op, fmt.Errorf("decode status: %w", err))
		}
		w.seen++
		if err := w.fn(st); err != nil {
			w.over = true
			return err
		}
		w.over = w.untilDone && st.Summary.Done
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
