package control

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
)

// changes is what one watcher has been told of something that changes.
type changes struct {
	events *events
	name   string // of the events
	last   []byte // what was sent last
	spoke  time.Time
}

// show sends text if it is new and reports whether the stream has ended: with this
// text, if it is the last, with an error that does not pass, or as the client has
// gone.
func (s *changes) show(text []byte, last bool, err error) (over bool) {
	if err != nil {
		return s.fail(asError(err))
	}
	if bytes.Equal(text, s.last) {
		return s.keepAlive()
	}
	s.last, s.spoke = text, time.Now()
	return s.events.send(s.name, json.RawMessage(text)) != nil || last
}

func (s *changes) fail(e *api.Error) (over bool) {
	if e.Code == api.CodeStoreDown {
		return s.keepAlive()
	}
	_ = s.events.send(api.EventError, api.ErrorBody{Error: e})
	return true
}

func (s *changes) keepAlive() (over bool) {
	if time.Since(s.spoke) < keepAlive {
		return false
	}
	s.spoke = time.Now()
	return s.events.ping() != nil
}
