package foreign

import (
	"io"
	"net"
	"strings"
	"testing"

	"github.com/rackswarm/rackswarm/agent/internal/transport"
	"github.com/rackswarm/rackswarm/core/wire"
)

// Whatever a client sends, its connection ends without a panic.
func FuzzClient(f *testing.F) {
	c := newContent(16<<10, 40_000, 100, 7, 30)
	for _, messages := range [][]wire.Message{
		{wire.HaveAll{}, wire.Unchoke{}, wire.Interested{}, wire.Request{Piece: 3, Length: 16 << 10}, wire.Cancel{Piece: 3, Length: 16 << 10}},
		{wire.Bitfield{Bits: []byte{0xfc}}, wire.Unchoke{}, wire.Choke{}, wire.RejectRequest{Length: 16 << 10}, wire.Have{Piece: 5}},
		{wire.ExtHandshake{Queue: 1}, wire.HashRequest{HashRange: wire.HashRange{Root: c.Files()[0].Root, Length: 4}}, wire.KeepAlive{}},
	} {
		var stream []byte
		for _, m := range messages {
			stream = wire.Append(stream, m, wire.LocalExtension)
		}
		f.Add(stream)
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		near, far := net.Pipe()
		k := New(Config{Guest: &transport.Guest{Conn: near, Handshake: hello}, Manifest: c.Manifest, Read: c.read})
		ended := make(chan error, 1)
		go func() { ended <- k.Run(&sink{blocks: map[block][]byte{}}) }()
		go io.Copy(io.Discard, far)
		k.Send(c.none())
		k.Send(wire.SpanRequest{Span: 1, Length: 16 << 10})
		far.Write(stream)
		far.Close()
		if err := <-ended; strings.Contains(err.Error(), "panic") {
			t.Fatal(err)
		}
	})
}
