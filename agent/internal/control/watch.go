package control

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
)

// The streams of a distribution look at its status every watchInterval, and hintDelay
// after a hint, as hints come together. They rest restFactor times as long as the last
// look took: looking at a large fleet takes the store some time, of which one
// distribution gets a tenth at most.
const (
	watchInterval = 500 * time.Millisecond
	hintDelay     = 10 * time.Millisecond
	restFactor    = 9
)

func (s *Server) getStatus(w http.ResponseWriter, r *http.Request) error {
	st, err := s.fleet.Status(r.Context(), r.PathValue("name"))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, st)
	return nil
}

// watch streams the status whenever it changes. An outage of the store is
// waited for; the client hears that the stream is alive.
func (s *Server) watch(w http.ResponseWriter, r *http.Request) error {
	name, until := r.PathValue("name"), r.URL.Query().Get("until")
	if until != "" && until != "done" {
		return badBody("until", "is "+until, "write done, or leave it out")
	}
	st, err := s.fleet.Status(r.Context(), name)
	if err != nil {
		return err
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	stream := &changes{events: startEvents(w), name: api.EventStatus}
	text, err := json.Marshal(st)
	last := func(st api.Status) bool { return until == "done" && st.Summary.Done }
	if stream.show(text, last(st), err) {
		return nil
	}
	s.statuses.follow(r.Context(), name, func(ctx context.Context) looking[api.Status] { return s.lookAtStatus(ctx, name) },
		func(seen *sight[api.Status]) bool { return stream.show(seen.text, last(seen.value), seen.err) })
	return nil
}

// lookAtStatus looks at a distribution until ctx ends.
func (s *Server) lookAtStatus(ctx context.Context, name string) looking[api.Status] {
	hints := s.cfg.Store.StatusHints(ctx, name)
	return looking[api.Status]{
		look: func(ctx context.Context) (api.Status, error) { return s.fleet.Status(ctx, name) },
		rest: func(ctx context.Context, took time.Duration) bool { return awaitHint(ctx, hints, took) },
	}
}

// awaitHint waits until it is time to look again after a look that took so long: after
// a hint, when it has rested from that, or without; false is the end.
func awaitHint(ctx context.Context, hints <-chan struct{}, took time.Duration) bool {
	rested := time.Now().Add(min(restFactor*took, watchInterval))
	due := time.NewTimer(watchInterval)
	defer due.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-due.C:
			return true
		case <-hints:
			hints = nil
			due.Reset(max(hintDelay, time.Until(rested)))
		}
	}
}
