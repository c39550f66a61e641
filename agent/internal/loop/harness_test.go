package loop

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/agent/internal/pki"
	"github.com/rackswarm/rackswarm/agent/internal/storage"
	"github.com/rackswarm/rackswarm/agent/internal/swarmapi"
	"github.com/rackswarm/rackswarm/agent/internal/transport"
	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/node"
	"github.com/rackswarm/rackswarm/core/store"
	"github.com/rackswarm/rackswarm/core/unit"
)

const (
	pieceLength = 256 << 10
	deadline    = time.Minute
	rack        = unit.Location("ams1/r1")
)

// nodes are loops with real transports, mutual TLS and one store.
type nodes struct {
	t     testing.TB
	pki   string
	store *store.Store
	// What is moved: a file of random bytes.
	manifest *artifact.Manifest
	data     []byte
}

func newNodes(t testing.TB, pieces int) *nodes {
	t.Helper()
	n := &nodes{t: t, pki: t.TempDir()}
	if _, err := pki.InitCA(n.pki, pki.InitOptions{}); err != nil {
		t.Fatal(err)
	}
	e, err := store.StartEmbedded(store.EmbeddedConfig{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	if n.store, err = store.Open(t.Context(), store.Config{Addrs: []string{e.Addr()}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.store.Close() })
	n.data = make([]byte, pieces*pieceLength-1234)
	rand.NewChaCha8([32]byte{1}).Read(n.data)
	n.manifest = manifestOf(t, n.data)
	return n
}

func manifestOf(t testing.TB, data []byte) *artifact.Manifest {
	t.Helper()
	var layer [][32]byte
	for at := 0; at < len(data); at += pieceLength {
		layer = append(layer, artifact.PieceHash(data[at:min(at+pieceLength, len(data))], pieceLength, false))
	}
	b := artifact.NewBuilder("data", artifact.KindFile, pieceLength)
	b.AddFile("data", 0o644, int64(len(data)), layer)
	m, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// certificates lets only certificates of nodes in, as the agent does.
type certificates struct{ *pki.Credentials }

func (certificates) Identity(cs tls.ConnectionState) (string, error) {
	name, _, err := pki.Identity(cs)
	return name, err
}

// peer is one node.
type peer struct {
	*Loop
	name unit.NodeID
	ns   *nodes
	log  *journal
	stop func() // ends Run and waits for it
	// completed counts notices.
	completed atomic.Int32
	manifests chan *artifact.Manifest
	failures  chan error
	asked     atomic.Int32 // notices
}

// start runs a node until it is stopped, or the test ends.
func (n *nodes) start(name string, at unit.Location) *peer {
	n.t.Helper()
	return n.startWith(name, at, nil, nil)
}

// startWith is start with other BitTorrent clients: who may connect, and whom the
// node connects to. What else differs change sets.
func (n *nodes) startWith(name string, at unit.Location, accept []netip.Prefix, clients []string, change ...func(*Config)) *peer {
	n.t.Helper()
	files, err := pki.Issue(n.pki, pki.Request{Name: name, Role: pki.RoleNode, Out: n.t.TempDir()})
	if err != nil {
		n.t.Fatal(err)
	}
	creds, err := pki.Load(files.CA, files.Cert, files.Key)
	if err != nil {
		n.t.Fatal(err)
	}
	p := &peer{name: unit.NodeID(name), ns: n, log: &journal{}, manifests: make(chan *artifact.Manifest, 10), failures: make(chan error, 10)}
	log := slog.New(slog.NewTextHandler(p.log, nil)).With("node", name)
	tr, err := transport.Listen(transport.Config{Self: p.name, Listen: "127.0.0.1:0", TLS: certificates{creds}, Logger: log, Foreign: accept, Datagrams: true})
	if err != nil {
		n.t.Fatal(err)
	}
	c := Config{
		Machine: node.Config{
			Self: p.name, Addr: tr.Addr().String(), Location: at, Seed: unit.Seed(name),
			Download: unit.Unlimited, Upload: unit.Unlimited,
		},
		Store: n.store, Transport: tr, Logger: log, Foreign: clients,
	}
	for _, f := range change {
		f(&c)
	}
	p.Loop = New(c)
	p.run(tr)
	return p
}

func (p *peer) run(tr *transport.Transport) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { p.Run(ctx) })
	wg.Go(func() { p.take(ctx) })
	p.stop = sync.OnceFunc(func() { cancel(); wg.Wait(); tr.Close() })
	p.ns.t.Cleanup(func() {
		st, _ := p.Stats(p.ns.manifest.Digest())
		p.stop()
		if p.ns.t.Failed() {
			p.ns.t.Logf("%s: %+v\n%s", p.name, st, p.log)
		}
	})
}

func (p *peer) take(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case n := <-p.Notices():
			switch n := n.(type) {
			case swarmapi.Completed:
				p.completed.Add(1)
			case swarmapi.ManifestFetched:
				p.manifests <- n.Manifest
			case swarmapi.Failed:
				p.failures <- n.Err
			case swarmapi.Asked:
				p.asked.Add(1)
			}
		}
	}
}

// join takes part with content.
func (p *peer) join(c swarmapi.Content, initial bool) {
	d := p.ns.manifest.Digest()
	p.Join(d, swarmapi.JoinOptions{Initial: initial})
	p.Provide(d, p.ns.manifest, c)
}

// touch has the loop's goroutine change something, and waits for it.
func (p *peer) touch(f func(t *transfer)) {
	done := make(chan struct{})
	p.post(func(unit.Time) {
		defer close(done)
		f(p.transfers[p.ns.manifest.Digest()])
	})
	<-done
}

// journal is a log that can be read while it is written.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(b)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

func (n *nodes) eventually(what string, holds func() bool) {
	n.t.Helper()
	for end := time.Now().Add(deadline); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			n.t.Fatalf("after %s it is not so that %s", deadline, what)
		}
	}
}

// memory is content in memory.
type memory struct {
	m *artifact.Manifest
	// These change what is read and written; set before use.
	read  func(span int, buf []byte) error
	write func(span int) error

	mu       sync.Mutex
	data     []byte
	have     artifact.Bitset
	verified int // calls of VerifySpan
}

func (n *nodes) full() *memory {
	return &memory{m: n.manifest, data: bytes.Clone(n.data), have: artifact.All(n.manifest.NumSpans())}
}

func (n *nodes) empty() *memory {
	return &memory{m: n.manifest, data: make([]byte, len(n.data)), have: artifact.NewBitset(n.manifest.NumSpans())}
}

func (c *memory) Have() artifact.Bitset {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.have.Clone()
}

func (c *memory) ReadAt(span, begin int, buf []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.have.Has(span) {
		return storage.ErrMissing
	}
	copy(buf, c.data[c.m.Span(span).Offset+int64(begin):])
	if c.read != nil {
		return c.read(span, buf)
	}
	return nil
}

func (c *memory) WriteSpan(span int, data []byte) error {
	if c.write != nil {
		if err := c.write(span); err != nil {
			return err
		}
	}
	if wrong := c.wrong(span, data); wrong != nil {
		return fmt.Errorf("write span %d: %w", span, &storage.BadPieceError{Pieces: wrong})
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	copy(c.data[c.m.Span(span).Offset:], data)
	c.have.Set(span)
	return nil
}

// wrong are the pieces of a span that data is not.
func (c *memory) wrong(span int, data []byte) (pieces []int) {
	s := c.m.Span(span)
	for i := int(s.FirstPiece); i < int(s.FirstPiece+s.Pieces); i++ {
		n := c.m.Piece(i).Length
		if !c.m.VerifyPiece(i, data[:n]) {
			pieces = append(pieces, i)
		}
		data = data[n:]
	}
	return pieces
}

func (c *memory) VerifySpan(span int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.verified++
	s := c.m.Span(span)
	wrong := c.wrong(span, c.data[s.Offset:][:s.Length])
	if c.have.Has(span) && wrong == nil {
		return nil
	}
	c.have.Clear(span)
	return &storage.BadPieceError{Pieces: wrong}
}

func (c *memory) lose(spans ...int) artifact.Bitset {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range spans {
		c.have.Clear(s)
		clear(c.data[c.m.Span(s).Offset:][:c.m.Span(s).Length])
	}
	return c.have.Clone()
}

func (c *memory) is(data []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.have.Full() && bytes.Equal(c.data, data)
}
