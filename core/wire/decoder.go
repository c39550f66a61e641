package wire

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	pp "github.com/anacrolix/torrent/peer_protocol"
)

const (
	// maxBody bounds frames whose body is parsed in place in the read buffer.
	maxBody = maxList
	// maxList is the largest body of a list of spans: five bytes for each.
	maxList = 5 * MaxSpans
	// bufferSize holds the largest of them, with its ids. It is small so that
	// little of a data frame's payload is copied through the buffer.
	bufferSize = maxBody + 64
	// maxFrame is the largest length of a known frame: a full data frame.
	maxFrame = MaxRequest + 64
	// maxUnknown is the largest frame of an unknown kind that is skipped.
	maxUnknown = 256 << 10
)

// Decoder reads frames from a peer. It is used by one goroutine at a time.
type Decoder struct {
	r       *bufio.Reader
	payload int // bytes of the last data frame that are still to be read
	// overhead is what was read of frames so far, without payload.
	overhead int64
}

// NewDecoder returns a decoder of what r delivers. It may read ahead.
func NewDecoder(r io.Reader) *Decoder {
	return &Decoder{r: bufio.NewReaderSize(r, bufferSize)}
}

// Next returns the next message of a known kind and skips others. The slices in
// it belong to the caller. After a data frame's head the caller takes exactly
// Length bytes with ReadPayload or Discard before it calls Next again.
//
// The error is io.EOF if the stream ends between two frames,
// io.ErrUnexpectedEOF within one, and wraps ErrTooLarge or ErrMalformed if the
// peer breaks the protocol.
func (d *Decoder) Next() (Message, error) {
	if d.payload > 0 {
		return nil, fmt.Errorf("next message: %d bytes of payload are still unread", d.payload)
	}
	for {
		m, err := d.frame()
		if m != nil || err != nil {
			return m, err
		}
	}
}

// ReadPayload fills dst with the next bytes of the current data frame's payload.
func (d *Decoder) ReadPayload(dst []byte) error {
	if len(dst) > d.payload {
		return fmt.Errorf("read %d bytes of payload: only %d are left", len(dst), d.payload)
	}
	n, err := io.ReadFull(d.r, dst)
	d.payload -= n
	return cut(err)
}

// Discard skips what is left of the current data frame's payload.
func (d *Decoder) Discard() error {
	n, err := d.r.Discard(d.payload)
	d.payload -= n
	return cut(err)
}

// Overhead returns how many bytes of the frames that Next has read so far, the
// skipped ones included, were not payload.
func (d *Decoder) Overhead() int64 { return d.overhead }

// frame reads one frame; it returns nil and no error if it skipped it.
func (d *Decoder) frame() (Message, error) {
	head, err := d.r.Peek(4)
	if err != nil {
		if errors.Is(err, io.EOF) && len(head) > 0 {
			return nil, io.ErrUnexpectedEOF
		}
		return nil, err
	}
	length := int64(binary.BigEndian.Uint32(head))
	if length > maxFrame {
		return nil, fmt.Errorf("%w: frame of %d bytes, at most %d are allowed", ErrTooLarge, length, maxFrame)
	}
	d.skip(4)
	d.overhead += 4 + length
	if length == 0 {
		return KeepAlive{}, nil
	}
	return d.body(int(length))
}

// body reads the ids of a frame of n bytes and then what they announce.
func (d *Decoder) body(n int) (Message, error) {
	id, err := d.byte(&n)
	if err != nil {
		return nil, err
	}
	if pp.MessageType(id) != pp.Extended {
		return d.parse(standard[id], n)
	}
	if n == 0 {
		return nil, fmt.Errorf("%w: extended message without an extended id", ErrMalformed)
	}
	ext, err := d.byte(&n)
	if err != nil {
		return nil, err
	}
	switch {
	case ext == pp.HandshakeExtendedID:
		return d.parse(extHandshake, n)
	case ext != LocalExtension:
		return d.parse(format{}, n)
	case n == 0:
		return nil, fmt.Errorf("%w: %s message without a sub-type", ErrMalformed, ExtensionName)
	}
	sub, err := d.byte(&n)
	if err != nil {
		return nil, err
	}
	return d.parse(extension[sub], n)
}

// parse reads a body of n bytes in the given format, skipping an unknown one.
func (d *Decoder) parse(f format, n int) (Message, error) {
	switch {
	case f.name == "":
		return nil, d.skipUnknown(n)
	case n < f.min || n > f.max && f.min == f.max:
		return nil, fmt.Errorf("%w: %s with a body of %d bytes, it has %d to %d", ErrMalformed, f.name, n, f.min, f.max)
	case n > f.max:
		return nil, fmt.Errorf("%w: %s with a body of %d bytes, at most %d are allowed", ErrTooLarge, f.name, n, f.max)
	}
	m, err := f.read(d, n)
	if err != nil {
		return nil, fmt.Errorf("read %s of %d bytes: %w", f.name, n, err)
	}
	d.payload = Payload(m)
	d.overhead -= int64(d.payload)
	return m, nil
}

func (d *Decoder) skipUnknown(n int) error {
	if n > maxUnknown {
		return fmt.Errorf("%w: unknown message of %d bytes, at most %d are skipped", ErrTooLarge, n, maxUnknown)
	}
	_, err := d.r.Discard(n)
	return cut(err)
}

// byte takes one byte of a frame of which n are left.
func (d *Decoder) byte(n *int) (byte, error) {
	*n--
	b, err := d.r.ReadByte()
	return b, cut(err)
}

// skip drops n bytes that a Peek has shown to be there.
func (d *Decoder) skip(n int) {
	if _, err := d.r.Discard(n); err != nil {
		panic(fmt.Sprintf("wire: discard %d buffered bytes: %v", n, err))
	}
}

// cut makes the end of the stream within a frame an error of its own.
func cut(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
