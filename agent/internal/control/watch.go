package control

import (
	"context"
	"net/http"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
)

// A stream looks at the status every watchInterval, and hintDelay after a hint, as
// hints come together. It rests restFactor times as long as the last look took:
// looking at a large fleet takes the store some time, of which one stream gets a
// tenth at most.
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
	last := func() bool { return until == "done" && st.Summary.Done }
	hints, rested := s.cfg.Store.StatusHints(r.Context(), name), time.Now()
	for over := stream.show(st, last(), nil); !over; over = stream.show(st, last(), err) {
		if !s.awaitLook(r.Context(), hints, rested) {
			return nil
		}
		began := time.Now()
		st, err = s.fleet.Status(r.Context(), name)
		now := time.Now()
		rested = now.Add(min(restFactor*now.Sub(began), watchInterval))
	}
	return nil
}

// awaitLook waits until it is time to look again, after a hint, but not before
// rested, or without; false is the end of the stream.
func (s *Server) awaitLook(ctx context.Context, hints <-chan struct{}, rested time.Time) bool {
	due := time.NewTimer(watchInterval)
	defer due.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-s.ending:
			return false
		case <-due.C:
			return true
		case <-hints:
			hints = nil
			due.Reset(max(hintDelay, time.Until(rested)))
		}
	}
}
