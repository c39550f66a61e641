package foreign

import (
	"errors"

	"github.com/rackswarm/rackswarm/core/wire"
)

// maxControl bounds the control messages that wait for a client, in bytes.
const maxControl = 4 << 20

var errControlFull = errors.New("control queue full: more than 4 MiB wait for the client")

// outbox is what waits for the writer. The connection's lock guards it.
type outbox struct {
	wake    chan struct{} // has a token when something was put in
	control []byte        // frames
	uploads []upload
	later   []wire.Message // for the sink, which the loop itself must not call
}

// upload is a block to be sent.
type upload struct {
	block
	read func([]byte) error
}

func (o *outbox) put(m wire.Message) {
	o.control = wire.Append(o.control, m, 0)
	o.rouse()
}

func (o *outbox) upload(u upload) {
	o.uploads = append(o.uploads, u)
	o.rouse()
}

// tell has the writer tell the sink.
func (o *outbox) tell(m wire.Message) {
	o.later = append(o.later, m)
	o.rouse()
}

func (o *outbox) rouse() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// full reports an outbox that the client does not empty.
func (o *outbox) full() error {
	if len(o.control) > maxControl {
		return errControlFull
	}
	return nil
}
