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
	payload []byte // the end of frame
	class   int
	buffer  *[]byte
}

const (
	// headRoom is what a buffer has before the payload, for a data frame's head.
	// A whole cache line keeps the payload aligned: the kernel takes more than
	// twice as long to copy from the page cache to an odd address.
	headRoom = 64
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
	var scratch [headRoom]byte
	h := wire.Append(scratch[:0], head, ext)
	start, end := headRoom-len(h), headRoom+size
	copy((*buffer)[start:], h)
	return &block{frame: (*buffer)[start:end], payload: (*buffer)[headRoom:end], class: class, buffer: buffer}
}

// release gives the buffer back; the frame must not be used any more.
func (b *block) release() { pools[b.class].Put(b.buffer) }
