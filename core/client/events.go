package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
)

const (
	// maxEvent bounds one event: the status of some ten thousand nodes.
	maxEvent = 64 << 20
	// silence is how long a stream may be quiet. Agents send a comment every
	// ten seconds.
	silence = 45 * time.Second
)

var errSilent = errors.New("the agent went silent")

// event is one server-sent event.
type event struct {
	name string
	data []byte
}

// events opens a stream of events. The caller closes it.
func (c *Client) events(ctx context.Context, r call) (*eventStream, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	r.accept = typeEvents
	resp, err := c.send(ctx, r)
	if err != nil {
		cancel(nil)
		return nil, err
	}
	s := &eventStream{ctx: ctx, resp: resp, r: bufio.NewReaderSize(resp.Body, 64<<10), cancel: cancel}
	s.idle = time.AfterFunc(silence, func() { cancel(errSilent) })
	return s, nil
}

// eventStream reads events. It belongs to one goroutine.
type eventStream struct {
	ctx    context.Context // of the request; canceled with errSilent by idle
	resp   *http.Response
	r      *bufio.Reader
	idle   *time.Timer
	cancel context.CancelCauseFunc
}

func (s *eventStream) close() {
	s.idle.Stop()
	s.cancel(nil)
	s.resp.Body.Close()
}

// next returns the next event, or io.EOF at the end of the stream. An event
// "error" comes as its *api.Error.
func (s *eventStream) next() (event, error) {
	e, err := readEvent(s.r, func() { s.idle.Reset(silence) })
	if err != nil && errors.Is(context.Cause(s.ctx), errSilent) {
		return e, errSilent
	}
	if err != nil || e.name != api.EventError {
		return e, err
	}
	var b api.ErrorBody
	if err := json.Unmarshal(e.data, &b); err != nil || b.Error == nil {
		return e, fmt.Errorf("decode event %q: %.200s", e.name, e.data)
	}
	return e, b.Error
}

// readEvent reads one event as the HTML standard writes it (section 9.2):
// lines "event: name" and "data: text", ended by an empty line. alive is called
// for every line. It returns io.EOF only between events.
func readEvent(r *bufio.Reader, alive func()) (event, error) {
	var e event
	for {
		line, err := readLine(r)
		if err != nil {
			if errors.Is(err, io.EOF) && e.name != "" {
				err = io.ErrUnexpectedEOF
			}
			return event{}, err
		}
		alive()
		field, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch {
		case len(line) == 0 && e.name != "":
			return e, nil
		case string(field) == "event":
			e.name = string(value)
		case string(field) == "data":
			e.data = append(e.data, value...)
		}
		if len(e.data) > maxEvent {
			return event{}, fmt.Errorf("event of more than %d bytes", maxEvent)
		}
	}
}

// readLine returns a line of at most maxEvent bytes without its end. The line
// is valid until the next call.
func readLine(r *bufio.Reader) ([]byte, error) {
	line, err := r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		long := bytes.Clone(line)
		for errors.Is(err, bufio.ErrBufferFull) && len(long) <= maxEvent {
			line, err = r.ReadSlice('\n')
			long = append(long, line...)
		}
		line = long
	}
	if err != nil {
		return nil, err
	}
	return bytes.TrimRight(line, "\r\n"), nil
}
