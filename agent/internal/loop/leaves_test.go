package loop

import (
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rackswarm/rackswarm/agent/internal/transport"
	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/swarm"
	"github.com/rackswarm/rackswarm/core/unit"
	"github.com/rackswarm/rackswarm/core/wire"
)

// longPiece makes spans that do not come from one sender: its window is shorter.
const longPiece = 4 << 20

// carry has the nodes move a tree of files of these lengths in place of what they
// moved.
func (n *nodes) carry(lengths ...int) {
	n.t.Helper()
	b := artifact.NewBuilder("tree", artifact.KindTree, longPiece)
	b.AddDir("", 0o755)
	n.data = nil
	for i, length := range lengths {
		data := make([]byte, length)
		rand.NewChaCha8([32]byte{byte(i)}).Read(data)
		var layer [][32]byte
		for part := range slices.Chunk(data, longPiece) {
			layer = append(layer, artifact.PieceHash(part, longPiece, length <= longPiece))
		}
		b.AddFile(fmt.Sprintf("%03d", i), 0o644, int64(length), layer)
		n.data = append(n.data, data...)
	}
	m, err := b.Build()
	if err != nil {
		n.t.Fatal(err)
	}
	n.manifest = m
}

// together has two contents be read only when both are: neither sends all.
func together(a, b *memory, spoil func(buf []byte)) {
	readA, readB := make(chan struct{}), make(chan struct{})
	var onceA, onceB sync.Once
	a.read = func(int, []byte) error {
		onceA.Do(func() { close(readA) })
		<-readB
		return nil
	}
	b.read = func(_ int, buf []byte) error {
		onceB.Do(func() { close(readB) })
		<-readA
		spoil(buf)
		return nil
	}
}

func (p *peer) account(of unit.NodeID) (account swarm.Account) {
	p.touch(func(t *transfer) {
		st, _ := t.loop.machine.Status(t.digest)
		for _, a := range st.Accounts {
			if a.Node == of {
				account = a
			}
		}
	})
	return account
}

// Of two senders of a span one sends wrong bytes: by the hashes of leaves, which
// the other gives, it is found out, and nothing that the honest one sent is
// fetched again.
func TestLiarAmongTwo(t *testing.T) {
	n := newNodes(t, 1)
	n.carry(longPiece)
	good, bad, c := n.full(), n.full(), n.empty()
	together(good, bad, func(buf []byte) {
		for i := 0; i < len(buf); i += artifact.LeafSize {
			buf[i] ^= 1
		}
	})
	honest := n.start("honest", rack)
	honest.join(good, false)
	n.start("liar", rack).join(bad, false)
	p := n.start("p", rack)
	p.join(c, false)
	n.eventually("everything came", func() bool { return c.is(n.data) })
	h, l := p.account("honest"), p.account("liar")
	if h.Bad > 0 || h.Duplicate > 0 || h.Down != unit.Bytes(len(n.data)) {
		t.Errorf("the honest sender's account is %+v, want %d bytes sent once", h, len(n.data))
	}
	if l.Bad == 0 || l.Bad != l.Down {
		t.Errorf("the liar's account is %+v, want all of it wrong", l)
	}
	if st, _ := p.Stats(n.manifest.Digest()); st.Received.Duplicate != int64(l.Down) {
		t.Errorf("%d bytes were in vain, the liar sent %d", st.Received.Duplicate, l.Down)
	}
	good.mu.Lock()
	defer good.mu.Unlock()
	if good.verified > 0 {
		t.Error("the honest sender was suspected")
	}
}

// forger says that it has everything, sends nothing, and gives hashes that are made
// up.
type forger struct{ spans int }

func (s *forger) Message(c *transport.Conn, m wire.Message) {
	switch m := m.(type) {
	case wire.SpanBitfield:
		c.Send(wire.SpanBitfield{Bits: artifact.All(s.spans).Bytes()})
	case wire.SpanRequest:
		c.Send(wire.SpanReject{Span: m.Span, Begin: m.Begin, Length: m.Length, Reason: wire.ReasonBusy, RetryAfterMs: 60_000})
	case wire.HashRequest:
		c.Send(wire.Hashes{HashRange: m.HashRange, Hashes: make([][32]byte, m.Length)})
	}
}

func (*forger) Announced(*transport.Conn, uint64, wire.Message)         {}
func (*forger) Block(*transport.Conn, uint32, uint32, uint32) []byte    { return nil }
func (*forger) BlockDone(*transport.Conn, uint32, uint32, uint32, bool) {}

// Who gives leaves that are made up is banned at once, and another is asked.
func TestForger(t *testing.T) {
	n := newNodes(t, 1)
	n.carry(longPiece)
	good, bad, c := n.full(), n.full(), n.empty()
	together(good, bad, func(buf []byte) { buf[0] ^= 1 })
	tr := n.rogue("forger")
	p := n.start("p", rack)
	p.join(c, false)
	n.enlist(tr, "forger")
	conn, err := tr.Dial(t.Context(), p.cfg.Machine.Addr, "p", n.manifest.Digest())
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = conn.Run(&forger{n.manifest.NumSpans()}) }()
	t.Cleanup(func() { conn.Close(io.EOF); <-done })
	n.eventually("the forger is asked, and sends nothing", func() bool { return p.account("forger").Rejects > 0 })
	n.start("honest", rack).join(good, false)
	n.start("liar", rack).join(bad, false)
	n.eventually("everything came", func() bool { return c.is(n.data) })
	if log := p.log.String(); !strings.Contains(log, "peer banned") || !strings.Contains(log, swarm.BadLeaves.String()) {
		t.Errorf("the forger is not banned:\n%s", log)
	}
	if h := p.account("honest"); h.Bad > 0 || h.Duplicate > 0 {
		t.Errorf("the honest sender's account is %+v", h)
	}
}

// In a span of many files leaves lie across the borders of what was sent.
func TestLiarAmongTwoInATree(t *testing.T) {
	n := newNodes(t, 1)
	lengths := []int{1, 100, longPiece / 2, 3*artifact.LeafSize + 5, 16}
	for range 30 {
		lengths = append(lengths, 40_000)
	}
	n.carry(lengths...)
	good, bad, c := n.full(), n.full(), n.empty()
	together(good, bad, func(buf []byte) {
		for i := range buf {
			buf[i] ^= 1
		}
	})
	n.start("honest", rack).join(good, false)
	n.start("liar", rack).join(bad, false)
	p := n.start("p", rack)
	p.join(c, false)
	n.eventually("everything came", func() bool { return c.is(n.data) })
	h, l := p.account("honest"), p.account("liar")
	if again := h.Down - unit.Bytes(len(n.data)); h.Bad > 0 || again > unit.Bytes(len(n.data)/4) {
		t.Errorf("the honest sender's account is %+v: %d bytes again", h, again)
	}
	if l.Bad == 0 {
		t.Errorf("the liar's account is %+v", l)
	}
	good.mu.Lock()
	defer good.mu.Unlock()
	if good.verified > 0 {
		t.Error("the honest sender was suspected")
	}
}

// Leaves that are forged, of another range, or too few, are found out or do not
// count.
func TestCompareLeaves(t *testing.T) {
	n := newNodes(t, 1)
	n.carry(longPiece, 5, 3*artifact.LeafSize, 3*artifact.LeafSize)
	m, c := n.manifest, n.full()
	leaves := func(piece int) [][32]byte {
		l, err := readLeaves(m, c, piece)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	span := slices.Clone(n.data[longPiece:])
	spoilt := slices.Clone(span)
	spoilt[0] ^= 1
	spoilt[5+artifact.LeafSize+7] ^= 1
	spoilt[5+5*artifact.LeafSize+7] ^= 1
	forged := leaves(2)
	forged[3][0] ^= 1
	block := func(begin, length int32) swarm.Block { return swarm.Block{Span: 1, Begin: begin, Length: length} }
	for _, c := range []struct {
		name   string
		leaves map[int][][32]byte
		result swarm.LeavesResult
		wrong  []swarm.Block
	}{
		{"all", map[int][][32]byte{2: leaves(2), 3: leaves(3)}, swarm.LeavesProven,
			[]swarm.Block{block(0, 5), block(5+artifact.LeafSize, artifact.LeafSize), block(5+5*artifact.LeafSize, artifact.LeafSize)}},
		{"some", map[int][][32]byte{3: leaves(3)}, swarm.LeavesProven,
			[]swarm.Block{block(0, 5), block(5, 3*artifact.LeafSize), block(5+5*artifact.LeafSize, artifact.LeafSize)}},
		{"forged", map[int][][32]byte{2: forged, 3: leaves(3)}, swarm.LeavesForged, nil},
		{"another file's", map[int][][32]byte{2: leaves(3)}, swarm.LeavesForged, nil},
		{"too few", map[int][][32]byte{2: leaves(2)[:3]}, swarm.LeavesForged, nil},
		{"none", map[int][][32]byte{2: {}}, swarm.LeavesForged, nil},
	} {
		q := &inquiry{span: 1, wrong: []int{1, 2, 3}, leaves: c.leaves}
		if result, wrong := q.compare(m, spoilt); result != c.result || !slices.Equal(wrong, c.wrong) {
			t.Errorf("%s: %d %v, want %d %v", c.name, result, wrong, c.result, c.wrong)
		}
	}
	c.data[longPiece+5+9] ^= 1
	if _, err := readLeaves(m, c, 2); err == nil {
		t.Error("leaves of wrong bytes are given")
	}
}

// Whatever a peer says about hashes, the loop lives, and gives nothing away that
// is not asked for rightly.
func FuzzLeafMessages(f *testing.F) {
	n := newNodes(f, 1)
	n.carry(longPiece+artifact.LeafSize, 5, 3*artifact.LeafSize)
	m := n.manifest
	for piece := range m.NumPieces() {
		r, _ := leafRequest(m, piece)
		f.Add(r.Root[:], r.Base, r.Index, r.Length, r.ProofLayers)
		f.Add(r.Root[:], r.Base+1, r.Index, r.Length, r.ProofLayers)
		f.Add(r.Root[:], r.Base, ^uint32(0), ^uint32(0), uint32(1))
	}
	f.Fuzz(func(t *testing.T, root []byte, base, index, length, proof uint32) {
		if len(root) != 32 {
			return
		}
		r := wire.HashRange{Root: [32]byte(root), Base: base, Index: index, Length: length, ProofLayers: proof}
		for _, at := range leafPlaces(m, r) {
			if got, ok := leafRequest(m, int(at.Piece)); !ok && length > 1 || ok && got != r || m.SpanOfPiece(int(at.Piece)) != int(at.Span) {
				t.Errorf("%+v is said to be of %+v: %+v", r, at, got)
			}
		}
	})
}
