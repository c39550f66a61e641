package foreign

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/rackswarm/rackswarm/agent/internal/transport"
	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/wire"
)

// content is files one after the other, and their manifest.
type content struct {
	*artifact.Manifest
	bytes []byte
}

// newContent makes a tree of files of these lengths.
func newContent(pieceLength int64, lengths ...int) content {
	var c content
	b := artifact.NewBuilder("tree", artifact.KindTree, pieceLength)
	b.AddDir("", 0o755)
	for i, n := range lengths {
		data := make([]byte, n)
		rand.NewChaCha8(sha256.Sum256([]byte{byte(i), byte(i >> 8)})).Read(data)
		var layer [][32]byte
		for at := 0; at < n; at += int(pieceLength) {
			layer = append(layer, artifact.PieceHash(data[at:min(n, at+int(pieceLength))], pieceLength, n <= int(pieceLength)))
		}
		b.AddFile(fmt.Sprintf("f%04d", i), 0o644, int64(n), layer)
		c.bytes = append(c.bytes, data...)
	}
	var err error
	if c.Manifest, err = b.Build(); err != nil {
		panic(err)
	}
	return c
}

// span is the content of a range of a span.
func (c content) span(span, begin, length int) []byte {
	at := int(c.Span(span).Offset) + begin
	return c.bytes[at : at+length]
}

func (c content) read(span, begin int, buf []byte) error {
	copy(buf, c.span(span, begin, len(buf)))
	return nil
}

// all has every span.
func (c content) all() wire.SpanBitfield {
	return wire.SpanBitfield{Bits: artifact.All(c.NumSpans()).Bytes()}
}

func (c content) none() wire.SpanBitfield {
	return wire.SpanBitfield{Bits: artifact.NewBitset(c.NumSpans()).Bytes()}
}

// story is a Conn and the client at its other end, in a synctest bubble.
type story struct {
	t *testing.T
	*Conn
	far   net.Conn
	ended chan error
	sink  *sink

	mu   sync.Mutex
	said []any // by the Conn: messages, and payload behind a PieceHeader
}

// sink writes down what the loop would hear, and admits everything.
type sink struct {
	mu     sync.Mutex
	heard  []wire.Message
	blocks map[block][]byte
	panics bool
}

func (s *sink) Message(m wire.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.panics {
		panic("the sink is broken")
	}
	s.heard = append(s.heard, m)
}

func (s *sink) Block(span, begin, length uint32) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	buf := make([]byte, length)
	s.blocks[block{span, begin, length}] = buf
	return buf
}

func (s *sink) BlockDone(span, begin, length uint32, kept bool) {
	if !kept {
		panic("a block was not kept")
	}
}

// take returns what was heard since the last take.
func (s *sink) take() []wire.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	heard := s.heard
	s.heard = nil
	return heard
}

var hello = wire.Handshake{Extensions: wire.Extensions(), PeerID: [20]byte([]byte("-XX0001-abcdefghijkl"))}

// meet connects a client that speaks as h says, and listens.
func meet(t *testing.T, c content, h wire.Handshake) *story {
	t.Helper()
	s := meetDeaf(t, c, h)
	go s.listen()
	return s
}

// meetDeaf connects a client that takes nothing.
func meetDeaf(t *testing.T, c content, h wire.Handshake) *story {
	t.Helper()
	near, far := net.Pipe()
	s := &story{t: t, far: far, ended: make(chan error, 1), sink: &sink{blocks: map[block][]byte{}}}
	s.Conn = New(Config{Guest: &transport.Guest{Conn: near, Handshake: h, Inbound: true}, Peer: "foreign:x/1", Manifest: c.Manifest, Read: c.read, Client: "rackswarm test"})
	go func() { s.ended <- s.Run(s.sink) }()
	t.Cleanup(func() { s.Close(nil); far.Close() })
	return s
}

// listen writes down what the Conn says.
func (s *story) listen() {
	dec := wire.NewDecoder(s.far)
	for {
		m, err := dec.Next()
		if err != nil {
			return
		}
		payload := make([]byte, wire.Payload(m))
		if dec.ReadPayload(payload) != nil {
			return
		}
		s.mu.Lock()
		s.said = append(s.said, m)
		if len(payload) > 0 {
			s.said = append(s.said, payload)
		}
		s.mu.Unlock()
	}
}

// says returns what the Conn has said since the last call, once all is quiet.
func (s *story) says() []any {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	said := s.said
	s.said = nil
	return said
}

// tell has the client say something.
func (s *story) tell(messages ...wire.Message) {
	s.t.Helper()
	for _, m := range messages {
		s.write(wire.Append(nil, m, wire.LocalExtension))
	}
	synctest.Wait()
}

// give has the client answer a request.
func (s *story) give(r request, data []byte) {
	s.t.Helper()
	s.write(append(wire.Append(nil, wire.PieceHeader(r), 0), data...))
	synctest.Wait()
}

func (s *story) write(b []byte) {
	s.t.Helper()
	if _, err := s.far.Write(b); err != nil && !errors.Is(err, net.ErrClosed) && err.Error() != "io: read/write on closed pipe" {
		s.t.Fatal(err)
	}
}

// asks returns the requests among what the Conn has said.
func (s *story) asks() (all []request) {
	for _, m := range s.says() {
		if r, ok := m.(wire.Request); ok {
			all = append(all, request(r))
		}
	}
	return all
}

// wantEnd checks why the connection has ended.
func (s *story) wantEnd(want error) {
	s.t.Helper()
	synctest.Wait()
	select {
	case err := <-s.ended:
		if !errors.Is(err, want) {
			s.t.Errorf("ended with %v; want %v", err, want)
		}
	default:
		s.t.Errorf("goes on; want the end: %v", want)
	}
}

// has reports whether a message is among others.
func has[T any](all []T, m T) bool {
	return slices.ContainsFunc(all, func(x T) bool { return fmt.Sprintf("%#v", x) == fmt.Sprintf("%#v", m) })
}
