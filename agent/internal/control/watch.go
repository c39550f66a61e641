package control

import (
	"bytes"
	"context"
	"encoding/json"
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
	stream := &statusStream{events: startEvents(w), untilDone: until == "done"}
	hints, rested := s.cfg.Store.StatusHints(r.Context(), name), time.Now()
	for over := stream.show(st, nil); !over; over = stream.show(st, err) {
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

// statusStream is what one watcher has been told.
type statusStream struct {
	events    *events
	untilDone bool
	last      []byte // the status sent last
	spoke     time.Time
}

// show sends what is new and reports whether the stream has ended.
func (s *statusStream) show(st api.Status, err error) (over bool) {
	if err != nil {
		return s.fail(asError(err))
	}
	text, err := json.Marshal(st)
	if err != nil {
		return true
	}
	if bytes.Equal(text, s.last) {
		return s.keepAlive()
	}
	s.last, s.spoke = text, time.Now()
	return s.events.send(api.EventStatus, json.RawMessage(text)) != nil || s.untilDone && st.Summary.Done
}

func (s *statusStream) fail(e *api.Error) (over bool) {
	if e.Code == api.CodeStoreDown {
		return s.keepAlive()
	}
	_ = s.events.send(api.EventError, api.ErrorBody{Error: e})
	return true
}

func (s *statusStream) keepAlive() (over bool) {
	if time.Since(s.spoke) < keepAlive {
		return false
	}
	s.spoke = time.Now()
	return s.events.ping() != nil
}
