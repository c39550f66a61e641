package transport

import (
	"math/bits"
	"sync"

	"github.com/rackswarm/rackswarm/core/wire"
)

// block is a data frame in a pooled buffer: head and payload, so that one write
// sends both.
type block struct {
	frame   []byte
	payload int // the last bytes of frame
	class   int
	buffer  *[]byte
}

const (
	headRoom = 32 // bytes for a data frame's head
	minClass = 14 // the smallest buffers have room for 16 KiB
	maxClass = 20 // the largest for wire.MaxRequest
)

// pools[i] has buffers for payloads of up to 2^(minClass+i) bytes.
var pools [maxClass - minClass + 1]sync.Pool

// newBlock returns a frame with its head written and the payload unset.
func newBlock(head wire.SpanData, ext uint8) *block {
	size := int(head.Length)
	class := max(bits.Len(uint(max(size, 1)-1)), minClass) - minClass
	buffer, ok := pools[class].Get().(*[]byte)
	if !ok {
		b := make([]byte, headRoom+1<<(minClass+class))
		buffer = &b
	}
	h := wire.Append((*buffer)[:0], head, ext)
	return &block{frame: (*buffer)[:len(h)+size], payload: size, class: class, buffer: buffer}
}

// release gives the buffer back; the frame must not be used any more.
func (b *block) release() { pools[b.class].Put(b.buffer) }
