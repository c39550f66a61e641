package foreign

import (
	"bytes"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/rackswarm/rackswarm/acceptance/fleet"
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/wire"
)

// seed is a client of the test's own, which can be told to misbehave.
type seed struct {
	t        *testing.T
	manifest *artifact.Manifest
	content  []byte // of all files, one after the other
	from     string // the address that it connects from
	// spoil changes a block before it is sent.
	spoil func(block []byte)
	// blocks is how many it sends before it goes away; 0 is no end.
	blocks int
}

func newSeed(t *testing.T, torrent string, content []byte) *seed {
	t.Helper()
	text, err := os.ReadFile(torrent)
	if err != nil {
		t.Fatal(err)
	}
	m, err := artifact.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return &seed{t: t, manifest: m, content: content, from: "127.0.0.1"}
}

// dial connects and exchanges handshakes; false if the agent closes instead.
func (s *seed) dial(a *fleet.Agent) (net.Conn, bool) {
	s.t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(s.from)}}
	nc, err := dialer.Dial("tcp", a.DataAddr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { nc.Close() })
	h := wire.Handshake{Extensions: wire.Extensions(), InfoHash: s.manifest.Digest().Short(), PeerID: [20]byte([]byte("-XX0001-abcdefghijkl"))}
	if _, err := nc.Write(h.Append(nil)); err != nil {
		return nc, false
	}
	_, err = io.ReadFull(nc, make([]byte, wire.HandshakeSize))
	return nc, err == nil
}

// serve gives the agent what it asks for until one of them goes away, and returns
// how many bytes that were.
func (s *seed) serve(a *fleet.Agent) (sent int64) {
	s.t.Helper()
	nc, ok := s.dial(a)
	if !ok {
		s.t.Fatal("the agent does not answer the handshake")
	}
	defer nc.Close()
	if _, err := nc.Write(wire.Append(wire.Append(nil, wire.HaveAll{}, 0), wire.Unchoke{}, 0)); err != nil {
		return 0
	}
	dec := wire.NewDecoder(nc)
	for n := 0; s.blocks == 0 || n < s.blocks; {
		m, err := dec.Next()
		if err != nil {
			return sent
		}
		r, ok := m.(wire.Request)
		if !ok {
			continue
		}
		if _, err := nc.Write(append(wire.Append(nil, wire.PieceHeader(r), 0), s.block(r)...)); err != nil {
			return sent
		}
		n++
		sent += int64(r.Length)
	}
	return sent
}

func (s *seed) block(r wire.Request) []byte {
	p := s.manifest.Piece(int(r.Piece))
	at := s.manifest.Files()[p.File].Offset + p.Offset + int64(r.Begin)
	b := bytes.Clone(s.content[at : at+int64(r.Length)])
	if s.spoil != nil {
		s.spoil(b)
	}
	return b
}

// wanting is a fleet in which the target fetches what only clients have.
func wanting(t *testing.T) (f *fleet.Fleet, target *fleet.Agent, dest string, s *seed) {
	t.Helper()
	f, publisher, target := startFleet(t, false, admit)
	src := makeFile(t, t.TempDir())
	content := files(t, src)[""]
	digest, torrent := publish(t, f, src)
	withdraw(t, publisher, src)
	dest = filepath.Join(f.Root, "content")
	f.CLI("distribute", "content", "--artifact", digest, "--path", dest, "--node", target.Name)
	awaitPhase(t, f, target, api.PhaseFetching)
	return f, target, dest, newSeed(t, torrent, content)
}

func TestCorruptingClientIsBanned(t *testing.T) {
	f, target, dest, liar := wanting(t)
	liar.spoil = func(block []byte) { block[0] ^= 1 }
	liar.serve(target) // until the agent hangs up
	awaitLog(t, target, `msg="peer banned" peer=foreign:127.0.0.1/1`)
	if _, ok := liar.dial(target); ok {
		t.Error("it is let in again")
	}
	awaitLog(t, target, "clients of this address are banned")

	honest := *liar
	honest.from, honest.spoil = "127.0.0.2", nil
	honest.serve(target)
	n := awaitPhase(t, f, target, api.PhaseInstalled)
	awaitSame(t, map[string][]byte{"": honest.content}, target.Path(dest))
	if wasted := received(n) - int64(len(honest.content)); n.Received.Duplicate < wasted || wasted == 0 {
		t.Errorf("received %+v: the wrong bytes are not counted", n.Received)
	}
}

func TestClientGoesAwayInTheMiddle(t *testing.T) {
	f, target, dest, s := wanting(t)
	s.blocks = 100
	first := s.serve(target)
	if first == 0 || first >= int64(len(s.content)) {
		t.Fatalf("it has sent %d bytes of %d", first, len(s.content))
	}
	s.blocks = 0
	second := s.serve(target)
	n := awaitPhase(t, f, target, api.PhaseInstalled)
	awaitSame(t, map[string][]byte{"": s.content}, target.Path(dest))
	if second >= int64(len(s.content)) {
		t.Errorf("%d bytes were sent, then all %d again", first, second)
	}
	if got := received(n); got > first+second {
		t.Errorf("received %d bytes, %d were sent", got, first+second)
	}
}

func TestClientFromElsewhereIsRefused(t *testing.T) {
	f, _, target := startFleet(t, false, map[string]any{"foreign": map[string]any{"accept": []string{"192.0.2.0/24"}}})
	_, torrent := publish(t, f, makeFile(t, t.TempDir()))
	s := newSeed(t, torrent, nil)
	if _, ok := s.dial(target); ok {
		t.Error("it is let in")
	}
	awaitLog(t, target, "only rackswarm agents may connect")
	awaitLog(t, target, "foreign.accept")
}

func TestClientThatWantsWhatIsNotThere(t *testing.T) {
	f, _, target := startFleet(t, false, admit)
	_, torrent := publish(t, f, makeFile(t, t.TempDir()))
	s := newSeed(t, torrent, nil)
	if _, ok := s.dial(target); ok { // the other agent has it
		t.Error("it is let in")
	}
	awaitLog(t, target, "does not offer an artifact with info-hash")
}

func TestClientThatTalksNonsenseIsBanned(t *testing.T) {
	_, target, _, s := wanting(t)
	nc, ok := s.dial(target)
	if !ok {
		t.Fatal("it is not let in")
	}
	if _, err := nc.Write(wire.Append(nil, wire.Have{Piece: 1 << 20}, 0)); err != nil {
		t.Fatal(err)
	}
	awaitLog(t, target, "malformed message: piece 1048576 of")
	if _, ok := s.dial(target); ok {
		t.Error("it is let in again")
	}
	awaitLog(t, target, "clients of this address are banned")
}
