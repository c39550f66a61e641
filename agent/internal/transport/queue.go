package transport

import (
	"errors"
	"slices"
	"sync"

	"github.com/rackswarm/rackswarm/core/wire"
)

const (
	maxControl = 4 << 20 // bytes of control messages waiting for a peer
	maxUploads = 4 << 20 // bytes of blocks that a peer may have asked for
	maxBlocks  = 1 << 10 // and how many blocks, however small
	// keepControl is the largest buffer of control messages that is kept.
	keepControl = 64 << 10
)

var (
	errControlFull = errors.New("control queue full: more than 4 MiB wait for the peer")
	errUploadsFull = errors.New("protocol error: more than 4 MiB, or 1024 blocks, requested ahead")
)

// upload is a block to be sent.
type upload struct {
	span, begin, length uint32
	read                func([]byte) error
}

// queue is what waits for the writer: encoded control messages, and blocks.
// It is safe for concurrent use; take* are for the writer alone.
type queue struct {
	wake chan struct{} // has a token when something was put in

	mu      sync.Mutex
	closed  bool
	control []byte // frames
	writing int    // bytes that takeControl gave last: the writer is at them
	spare   []byte // empty, becomes control after the next take
	// announcements counts those that were sent.
	announcements uint64
	uploads       []upload
	waiting       int64 // sum of the lengths of uploads
}

func newQueue() queue { return queue{wake: make(chan struct{}, 1)} }

// send encodes m into the control queue and returns how many announcements the
// connection has with it. What is sent to a closed queue is dropped.
func (q *queue) send(m wire.Message, ext uint8) (announcements uint64, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return 0, nil
	}
	q.control = wire.Append(q.control, m, ext)
	q.announcements += wire.Announcements(m)
	if len(q.control)+q.writing > maxControl {
		return 0, errControlFull
	}
	q.rouse()
	return q.announcements, nil
}

func (q *queue) upload(u upload) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return nil
	}
	q.uploads = append(q.uploads, u)
	q.waiting += int64(u.length)
	if q.waiting > maxUploads || len(q.uploads) > maxBlocks {
		return errUploadsFull
	}
	q.rouse()
	return nil
}

// cancel removes the blocks that match.
func (q *queue) cancel(span, begin, length uint32) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.uploads = slices.DeleteFunc(q.uploads, func(u upload) bool {
		match := u.span == span && u.begin == begin && u.length == length
		if match {
			q.waiting -= int64(length)
		}
		return match
	})
}

// takeControl returns all control frames that wait, valid until the next call.
func (q *queue) takeControl() []byte {
	q.mu.Lock()
	defer q.mu.Unlock()
	batch := q.control
	q.control, q.spare = q.spare, nil
	if cap(batch) <= keepControl {
		q.spare = batch[:0]
	}
	q.writing = len(batch)
	return batch
}

// takeUpload returns the block that waits longest, if it has so many bytes.
func (q *queue) takeUpload(atLeast uint32) (upload, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.uploads) == 0 || q.uploads[0].length < atLeast {
		return upload{}, false
	}
	u := q.uploads[0]
	q.uploads[0] = upload{}
	q.uploads = q.uploads[1:]
	q.waiting -= int64(u.length)
	return u, true
}

// close drops what waits and what is put in later.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed, q.control, q.uploads, q.waiting = true, nil, nil, 0
}

func (q *queue) rouse() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// depth returns how many blocks and bytes of them wait.
func (q *queue) depth() (blocks int, bytes int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.uploads), q.waiting
}
