package publisher_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/agent/internal/download"
	"github.com/rackswarm/rackswarm/agent/internal/publisher"
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/store"
)

// served is what a reconciler would serve: paths by digest.
type served struct {
	mu    sync.Mutex
	paths map[artifact.Digest]string
	fail  error // of AddSource
	dies  bool  // the process dies in AddSource
}

func (s *served) AddSource(_ context.Context, path string, m *artifact.Manifest) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dies {
		runtime.Goexit()
	}
	if _, err := os.Stat(path); err != nil || s.fail != nil {
		return errors.Join(err, s.fail)
	}
	s.paths[m.Digest()] = path
	return nil
}

func (s *served) RemoveSource(d artifact.Digest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.paths, d)
}

// bench is a publisher on a store of its own.
type bench struct {
	*testing.T
	*publisher.Publisher
	store  *store.Store
	redis  *store.Embedded
	served *served
	state  string
	public ed25519.PublicKey
	key    ed25519.PrivateKey
	roots  []string // that are open to other nodes
}

func newBench(t *testing.T) *bench {
	t.Helper()
	public, key, err := ed25519.GenerateKey(nil)
	must(t, err)
	b := &bench{T: t, state: t.TempDir(), public: public, key: key, served: &served{paths: map[artifact.Digest]string{}}}
	b.redis, err = store.StartEmbedded(store.EmbeddedConfig{Listen: "127.0.0.1:0"})
	must(t, err)
	t.Cleanup(func() { _ = b.redis.Close() })
	b.store, err = store.Open(t.Context(), store.Config{URL: "redis://" + b.redis.Addr()})
	must(t, err)
	t.Cleanup(b.store.Close)
	b.Publisher, err = publisher.New(b.config(key))
	must(t, err)
	return b
}

func (b *bench) config(key ed25519.PrivateKey) publisher.Config {
	return publisher.Config{Self: "web1", Key: key, StateDir: b.state, Store: b.store, Sources: b.served, Roots: b.roots,
		Fetcher: download.Config{Pause: func(int) time.Duration { return time.Millisecond }}}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantCode(t *testing.T, err error, code string) {
	t.Helper()
	var e *api.Error
	if !errors.As(err, &e) || e.Code != code || e.Fix == "" {
		t.Fatalf("error %v; want code %s with a fix", err, code)
	}
}

// tree makes a directory with a file in each of several places.
func tree(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "app")
	must(t, os.MkdirAll(filepath.Join(dir, "bin", "empty"), 0o755))
	must(t, os.WriteFile(filepath.Join(dir, "bin", "run"), bytes.Repeat([]byte("run"), 100_000), 0o755))
	must(t, os.WriteFile(filepath.Join(dir, "conf"), []byte("a = 1\n"), 0o640))
	must(t, os.Symlink("bin/run", filepath.Join(dir, "start")))
	return dir
}

func program(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	must(t, os.WriteFile(path, bytes.Repeat([]byte("x"), 300_000), 0o755))
	return path
}

// kept lists what lies in the publisher's directory.
func (b *bench) kept() []string {
	b.Helper()
	entries, err := os.ReadDir(filepath.Join(b.state, "artifacts"))
	must(b.T, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func (b *bench) pathOf(a api.Artifact) string {
	b.Helper()
	d, err := artifact.ParseDigest(a.Digest)
	must(b.T, err)
	b.served.mu.Lock()
	defer b.served.mu.Unlock()
	return b.served.paths[d]
}
