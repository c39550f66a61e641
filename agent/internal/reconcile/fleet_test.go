package reconcile

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/agent/internal/hook"
	"github.com/rackswarm/rackswarm/agent/internal/quota"
	"github.com/rackswarm/rackswarm/agent/internal/storage"
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/store"
)

// patience is how long a condition may take before the test fails. Nothing is
// expected to come near.
const patience = 30 * time.Second

// fleet is a store, a network and nodes, in one process.
type fleet struct {
	t        *testing.T
	net      *network
	embedded *store.Embedded
	config   store.EmbeddedConfig
	store    *store.Store // the operator's
	nodes    []*node
}

// fleets counts them, to give each a loopback address of its own: a store that is
// stopped and started finds its port free.
var fleets atomic.Uint32

// newFleet lets the test run beside others, as it mostly waits.
func newFleet(t *testing.T) *fleet {
	t.Parallel()
	f := &fleet{t: t, net: newNetwork(), config: store.EmbeddedConfig{
		Listen: fmt.Sprintf("127.1.0.%d:0", fleets.Add(1)%250+1), StateFile: filepath.Join(t.TempDir(), "store"), Logger: slog.New(slog.DiscardHandler)}}
	f.startStore()
	f.config.Listen = f.embedded.Addr()
	t.Cleanup(func() {
		for _, n := range f.nodes {
			n.stop()
		}
		f.store.Close()
		f.embedded.Close()
	})
	f.store = f.connect()
	return f
}

func (f *fleet) startStore() {
	f.t.Helper()
	var err error
	if f.embedded, err = store.StartEmbedded(f.config); err != nil {
		f.t.Fatalf("start the store: %v", err)
	}
}

func (f *fleet) stopStore() {
	f.t.Helper()
	if err := f.embedded.Close(); err != nil {
		f.t.Fatalf("stop the store: %v", err)
	}
}

func (f *fleet) connect() *store.Store {
	f.t.Helper()
	s, err := store.Open(context.Background(), store.Config{URL: "redis://" + f.config.Listen})
	if err != nil {
		f.t.Fatalf("connect to the store: %v", err)
	}
	return s
}

// node is an agent's reconciler with real storage.
type node struct {
	f           *fleet
	api         api.Node
	root, state string
	trust       []ed25519.PublicKey
	hooks       hook.Set
	budget      *quota.Budget

	r       *Reconciler
	swarm   *memSwarm
	storage *storage.Manager
	store   *store.Store
	cancel  context.CancelFunc
	ended   chan error
	now     func() time.Time // nil is time.Now
}

// add starts a node in a location, with labels "key=value".
func (f *fleet) add(name string, labels ...string) *node {
	n := &node{f: f, api: api.Node{Name: name, Location: "ams1/rsn-1", Labels: map[string]string{}},
		root: f.t.TempDir(), state: f.t.TempDir(),
		trust: []ed25519.PublicKey{publisher.Public().(ed25519.PublicKey)}}
	for _, l := range labels {
		k, v, _ := strings.Cut(l, "=")
		n.api.Labels[k] = v
	}
	f.nodes = append(f.nodes, n)
	n.start()
	return n
}

func (n *node) start() {
	n.f.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	n.cancel, n.ended = cancel, make(chan error, 1)
	n.store, n.swarm = n.f.connect(), n.f.net.join(ctx)
	log := slog.New(slog.DiscardHandler)
	if testing.Verbose() {
		log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug})).With("node", n.api.Name)
	}
	var err error
	if n.storage, err = storage.New(storage.Options{Roots: []string{n.root}, StateDir: n.state, Logger: log}); err != nil {
		n.f.t.Fatalf("storage of %s: %v", n.api.Name, err)
	}
	n.r, err = New(Config{Self: n.api, Store: n.store, Swarm: n.swarm, Storage: n.storage, StateDir: n.state,
		Trust: n.trust, Hooks: n.hooks, Budget: n.budget, CheckInterval: 100 * time.Millisecond, Logger: log, Now: n.now})
	if err != nil {
		n.f.t.Fatalf("reconciler of %s: %v", n.api.Name, err)
	}
	go func() { n.ended <- n.r.Run(ctx) }()
}

func (n *node) stop() {
	if n.cancel == nil {
		return
	}
	n.cancel()
	if err := <-n.ended; err != nil {
		n.f.t.Errorf("reconciler of %s: %v", n.api.Name, err)
	}
	n.store.Close()
	n.cancel = nil
}

func (n *node) restart() {
	n.stop()
	n.start()
}

// path is where distributions stand: the same path on all nodes is a root of
// each node's own here.
func (n *node) path(name string) string { return filepath.Join(n.root, name) }

// files are the content of a tree, by path.
type files map[string]string

func bigFiles(n int, salt string) files {
	tree := files{"empty": "", "README": "about " + salt}
	for i := range n {
		tree[fmt.Sprintf("dir%d/file%d", i%3, i)] = strings.Repeat(fmt.Sprintf("%s %d\n", salt, i), 3000)
	}
	return tree
}

func (tree files) write(t *testing.T, dir string) {
	t.Helper()
	for name, data := range tree {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// manifest describes the tree as a publisher would, signed by the key.
func (tree files) manifest(t *testing.T, name string, key ed25519.PrivateKey) *artifact.Manifest {
	t.Helper()
	const pieceLength = artifact.MinPieceLength
	b := artifact.NewBuilder(name, artifact.KindTree, pieceLength)
	b.AddDir("", 0o755)
	dirs := map[string]bool{}
	for name, data := range tree {
		if dir := filepath.Dir(name); dir != "." && !dirs[dir] {
			dirs[dir] = true
			b.AddDir(dir, 0o755)
		}
		var layer [][32]byte
		for off := 0; off < len(data); off += pieceLength {
			piece := data[off:min(off+pieceLength, len(data))]
			layer = append(layer, artifact.PieceHash([]byte(piece), pieceLength, len(data) <= pieceLength))
		}
		b.AddFile(name, 0o644, int64(len(data)), layer)
	}
	m, err := b.Build()
	if err != nil {
		t.Fatalf("build manifest: %v", err)
	}
	return artifact.Sign(m, key)
}

// publish makes the node serve the tree in place.
func (n *node) publish(tree files, name string, key ed25519.PrivateKey) *artifact.Manifest {
	t := n.f.t
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	tree.write(t, dir)
	m := tree.manifest(t, name, key)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := n.r.AddSource(ctx, dir, m); err != nil {
		t.Fatalf("publish %s: %v", name, err)
	}
	a := recordOf(m)
	a.Seeds = []string{n.api.Name}
	if err := n.f.store.PutArtifact(ctx, a); err != nil {
		t.Fatalf("record %s: %v", name, err)
	}
	return m
}

// want puts a distribution, with the generation that the server would give it.
func (f *fleet) want(d api.Distribution) api.Distribution {
	f.t.Helper()
	err := f.store.UpdateDistributions(context.Background(), func(all map[string]api.Distribution) ([]api.Distribution, []string, error) {
		if d.State == "" {
			d.State = api.StatePresent
		}
		d.Generation = all[d.Name].Generation + 1
		if d.CreatedAt.IsZero() {
			d.CreatedAt = time.Now()
		}
		d.UpdatedAt = time.Now()
		return []api.Distribution{d}, nil, nil
	})
	if err != nil {
		f.t.Fatalf("want %s: %v", d.Name, err)
	}
	return d
}

func (f *fleet) deleteRecord(name string) {
	f.t.Helper()
	err := f.store.UpdateDistributions(context.Background(), func(map[string]api.Distribution) ([]api.Distribution, []string, error) {
		return nil, []string{name}, nil
	})
	if err != nil {
		f.t.Fatalf("delete %s: %v", name, err)
	}
}

// status is the node's last report; the zero status if there is none.
func (n *node) status(dist string) api.NodeStatus {
	all, err := n.f.store.Statuses(context.Background(), dist)
	if err != nil {
		return api.NodeStatus{}
	}
	for _, s := range all {
		if s.Node == n.api.Name {
			return s
		}
	}
	return api.NodeStatus{}
}

// until waits for a report that ok accepts, and returns it.
func (n *node) until(dist, what string, ok func(api.NodeStatus) bool) api.NodeStatus {
	n.f.t.Helper()
	var s api.NodeStatus
	n.f.eventually(fmt.Sprintf("%s on %s: %s", dist, n.api.Name, what), func() bool {
		s = n.status(dist)
		return ok(s)
	}, func() string { return fmt.Sprintf("last report %+v, error %v", s, s.Error) })
	return s
}

// untilInstalled waits until the distribution stands as it is wanted.
func (n *node) untilInstalled(d api.Distribution) api.NodeStatus {
	n.f.t.Helper()
	return n.until(d.Name, "installed", func(s api.NodeStatus) bool {
		return s.Phase == api.PhaseInstalled && s.Installed == d.Digest && s.Generation == d.Generation && !s.Drifted
	})
}

func (n *node) untilFailed(dist, code string) *api.Error {
	n.f.t.Helper()
	return n.until(dist, "failed with "+code, func(s api.NodeStatus) bool {
		return s.Phase == api.PhaseFailed && s.Error != nil && s.Error.Code == code
	}).Error
}

func (f *fleet) eventually(what string, ok func() bool, detail ...func() string) {
	f.t.Helper()
	deadline := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(deadline) {
			for _, d := range detail {
				what += "; " + d()
			}
			f.t.Fatalf("not in time: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// at is what stands at a path, nil if nothing does.
func at(t *testing.T, dir string) files {
	t.Helper()
	var tree files
	err := filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(p)
		name, _ := filepath.Rel(dir, p)
		if tree == nil {
			tree = files{}
		}
		tree[name] = string(data)
		return err
	})
	if err != nil && !os.IsNotExist(err) {
		t.Fatalf("read what stands: %v", err)
	}
	return tree
}
