package loop

import (
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/rackswarm/rackswarm/agent/internal/pki"
	"github.com/rackswarm/rackswarm/agent/internal/swarmapi"
	"github.com/rackswarm/rackswarm/agent/internal/transport"
	"github.com/rackswarm/rackswarm/core/overlay"
	"github.com/rackswarm/rackswarm/core/swarm"
	"github.com/rackswarm/rackswarm/core/unit"
	"github.com/rackswarm/rackswarm/core/wire"
)

// rogue is a node with a valid certificate that does what it likes.
func (n *nodes) rogue(name string) *transport.Transport {
	n.t.Helper()
	files, err := pki.Issue(n.pki, pki.Request{Name: name, Role: pki.RoleNode, Out: n.t.TempDir()})
	if err != nil {
		n.t.Fatal(err)
	}
	creds, err := pki.Load(files.CA, files.Cert, files.Key)
	if err != nil {
		n.t.Fatal(err)
	}
	tr, err := transport.Listen(transport.Config{Self: unit.NodeID(name), Listen: "127.0.0.1:0", TLS: certificates{creds}, Datagrams: true})
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { tr.Close() })
	return tr
}

// enlist makes a rogue a member of the rack's group.
func (n *nodes) enlist(tr *transport.Transport, name unit.NodeID) {
	n.t.Helper()
	m := overlay.Member{Node: name, Addr: tr.Addr().String(), Location: rack}
	err := n.store.JoinGroup(n.t.Context(), (&transfer{digest: n.manifest.Digest()}).key(rack), m, overlay.MemberTTL)
	if err != nil {
		n.t.Fatal(err)
	}
}

// spoiler sends wrong blocks, of several sizes, of spans that its victim says it
// fetches.
type spoiler struct {
	lengths []int32
	once    sync.Once
	sent    chan struct{} // closed when blocks of every size were sent
}

func (s *spoiler) Message(c *transport.Conn, m wire.Message) {
	started, ok := m.(wire.Start)
	if !ok {
		return
	}
	x := started.Spans[0]
	for size := int32(swarm.Grain); size <= pieceLength; size *= 2 {
		for at := int32(0); at < s.lengths[x]; at += size {
			length := uint32(min(size, s.lengths[x]-at))
			c.SendSpan(x, uint32(at), length, func([]byte) error { return nil })
		}
	}
	c.SendSpan(x, 0, swarm.Grain, func([]byte) error { s.once.Do(func() { close(s.sent) }); return nil })
}

func (*spoiler) Announced(*transport.Conn, uint64, wire.Message)         {}
func (*spoiler) Block(*transport.Conn, uint32, uint32, uint32) []byte    { return nil }
func (*spoiler) BlockDone(*transport.Conn, uint32, uint32, uint32, bool) {}

// Blocks that were not asked of a peer go into no span, so that it can neither
// spoil what others send nor have them suspected.
func TestBlocksThatNobodyAskedFor(t *testing.T) {
	n := newNodes(t, 48)
	seed := n.full()
	n.start("seed", rack).join(seed, false)
	tr := n.rogue("rogue")
	victim, c := n.start("victim", rack), n.empty()
	n.enlist(tr, "rogue")
	s := &spoiler{lengths: n.manifest.SpanLengths(), sent: make(chan struct{})}
	seed.read = func(int, []byte) error { <-s.sent; return nil } // the rogue is always first
	victim.Join(n.manifest.Digest(), swarmapi.JoinOptions{})
	conn, err := tr.Dial(t.Context(), victim.cfg.Machine.Addr, "victim", n.manifest.Digest())
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = conn.Run(s) }()
	t.Cleanup(func() { conn.Close(io.EOF); <-done })
	n.eventually("the rogue is let in", func() (in bool) {
		victim.touch(func(tr *transfer) { in = tr.links["rogue"] != nil })
		return in
	})
	victim.Provide(n.manifest.Digest(), n.manifest, c)
	n.eventually("the victim has everything", func() bool { return c.is(n.data) })
	if log := victim.log.String(); strings.Contains(log, "wrong bytes received") {
		t.Errorf("the rogue's bytes went into spans:\n%s", log)
	}
}
