package control

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

const typeEvents = "text/event-stream"

// keepAlive is how often a quiet stream says that it is alive.
const keepAlive = 10 * time.Second

// events writes server-sent events (HTML standard, section 9.2). It belongs to
// one goroutine. Every write has writeTimeout to reach the client's socket.
type events struct {
	w  http.ResponseWriter
	rc *http.ResponseController
}

// startEvents sends the header. The request's body, if it is still being read,
// can be read on.
func startEvents(w http.ResponseWriter) *events {
	e := &events{w, http.NewResponseController(w)}
	h := w.Header()
	h.Set("Content-Type", typeEvents)
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	return e
}

// send writes one event; an error means that the client has gone.
func (e *events) send(name string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode event %s: %w", name, err)
	}
	return e.write(fmt.Sprintf("event: %s\ndata: %s\n\n", name, data))
}

// ping writes a comment, which clients ignore.
func (e *events) ping() error { return e.write(": alive\n\n") }

func (e *events) write(text string) error {
	_ = e.rc.SetWriteDeadline(time.Now().Add(writeTimeout))
	if _, err := e.w.Write([]byte(text)); err != nil {
		return err
	}
	return e.rc.Flush()
}

func wantsEvents(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), typeEvents)
}
