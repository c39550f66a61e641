package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/overlay"
	"github.com/rackswarm/rackswarm/core/store"
	"github.com/rackswarm/rackswarm/core/store/storetest"
)

func start(t *testing.T, cfg store.EmbeddedConfig) *store.Embedded {
	t.Helper()
	e, err := store.StartEmbedded(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

func open(t *testing.T, cfg store.Config) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestEmbedded(t *testing.T) {
	t.Parallel()
	p := storetest.NewPKI(t)
	cfg := store.EmbeddedConfig{
		Listen: "127.0.0.1:" + storetest.FreePort(t), TLS: p.Server, Password: "secret",
		StateFile: filepath.Join(t.TempDir(), "state", "store.json"),
	}
	e := start(t, cfg)
	storetest.Run(t, storetest.Backend{
		Config:  store.Config{URL: "rediss://" + cfg.Listen, TLS: p.Client, Password: "secret"},
		Kill:    func() { must(t, e.Close()) },
		Restart: func() { e = start(t, cfg) },
	})
}

// TestEmbeddedRestart: what is wanted and who is known stands after a restart,
// who was alive does not count.
func TestEmbeddedRestart(t *testing.T) {
	t.Parallel()
	cfg := store.EmbeddedConfig{Listen: "127.0.0.1:0", StateFile: filepath.Join(t.TempDir(), "store.json")}
	ctx := t.Context()
	e := start(t, cfg)
	s := open(t, store.Config{URL: "redis://" + e.Addr(), Prefix: "fleet"})
	a := api.Artifact{Digest: artifact.Digest{1}.String(), Name: "one", Seeds: []string{"b", "a"}}
	must(t, s.PutArtifact(ctx, a))
	must(t, s.PutArtifact(ctx, api.Artifact{Digest: artifact.Digest{2}.String(), Seeds: []string{"b"}}))
	must(t, s.DeleteArtifact(ctx, artifact.Digest{2}.String()))
	put(t, s, "one", "two")
	must(t, s.PutNode(ctx, api.Node{Name: "a", Location: "ams1"}, time.Hour))
	k := store.GroupKey{Digest: artifact.Digest{1}}
	must(t, s.JoinGroup(ctx, k, overlay.Member{Node: "a"}, time.Hour))
	identity, err := s.Identity(ctx)
	must(t, err)
	must(t, e.Close())

	s = open(t, store.Config{URL: "redis://" + start(t, cfg).Addr(), Prefix: "fleet"})
	if again, err := s.Identity(ctx); err != nil || again != identity {
		t.Errorf("identity: got %q and %v, want %q as before", again, err, identity)
	}
	artifacts, err := s.Artifacts(ctx)
	must(t, err)
	if len(artifacts) != 1 || fmt.Sprint(artifacts[0]) != fmt.Sprint(a) {
		t.Errorf("artifacts: got %+v, want only %+v", artifacts, a)
	}
	distributions, err := s.Distributions(ctx)
	must(t, err)
	if len(distributions) != 2 {
		t.Errorf("distributions: got %+v", distributions)
	}
	nodes, err := s.Nodes(ctx)
	must(t, err)
	if len(nodes) != 1 || nodes[0].Location != "ams1" || nodes[0].Alive {
		t.Errorf("nodes: got %+v, want a, not alive", nodes)
	}
	if g, err := s.Group(ctx, k); err != nil || len(g.Members) != 0 {
		t.Errorf("group: got %+v, %v; want it empty", g, err)
	}
}

func put(t *testing.T, s *store.Store, names ...string) {
	t.Helper()
	must(t, s.UpdateDistributions(t.Context(), func(map[string]api.Distribution) (out []api.Distribution, _ []string, _ error) {
		for _, name := range names {
			out = append(out, api.Distribution{Name: name})
		}
		return out, nil, nil
	}))
}

// TestEmbeddedWritesSoon: the file follows without Close, so that a crash loses
// little; that a node is still there is not worth a write.
func TestEmbeddedWritesSoon(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.json")
	s := open(t, store.Config{URL: "redis://" + start(t, store.EmbeddedConfig{Listen: "127.0.0.1:0", StateFile: path}).Addr()})
	must(t, s.PutNode(t.Context(), api.Node{Name: "node-a", LastSeen: time.Unix(1, 0)}, time.Hour))
	put(t, s, "first")
	first := awaitFile(t, path, "first")
	must(t, s.PutNode(t.Context(), api.Node{Name: "node-a", LastSeen: time.Unix(2, 0)}, time.Hour))
	time.Sleep(600 * time.Millisecond) // several times the delay
	if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, first) {
		t.Errorf("written again because a node was seen (%v): %s", err, now)
	}
	put(t, s, "second")
	awaitFile(t, path, "second")
	left, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*.tmp"))
	if must(t, err); len(left) > 0 {
		t.Errorf("temporary files left: %v", left)
	}
}

func awaitFile(t *testing.T, path, want string) []byte {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if text, err := os.ReadFile(path); err == nil && strings.Contains(string(text), want) {
			return text
		}
	}
	t.Fatalf("%s does not say %q in time", path, want)
	return nil
}

func TestEmbeddedRefusesWhatItCannotUse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	broken, newer := filepath.Join(dir, "broken"), filepath.Join(dir, "newer")
	must(t, os.WriteFile(broken, []byte("{"), 0o600))
	must(t, os.WriteFile(newer, []byte(`{"format":99}`), 0o600))
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer taken.Close()
	for _, test := range []struct {
		name, subject string
		cfg           store.EmbeddedConfig
	}{
		{"broken state", broken, store.EmbeddedConfig{Listen: "127.0.0.1:0", StateFile: broken}},
		{"newer state", newer, store.EmbeddedConfig{Listen: "127.0.0.1:0", StateFile: newer}},
		{"taken address", "store.listen", store.EmbeddedConfig{Listen: taken.Addr().String(), StateFile: filepath.Join(dir, "new")}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := store.StartEmbedded(test.cfg)
			var apiErr *api.Error
			if !errors.As(err, &apiErr) || apiErr.Subject != test.subject || apiErr.Fix == "" {
				t.Errorf("got %v", err)
			}
		})
	}
	if text, err := os.ReadFile(broken); err != nil || string(text) != "{" {
		t.Errorf("the broken file was touched: %q, %v", text, err)
	}
}

// TestEmbeddedStuckSubscriber: one that reads nothing does not hold up the
// others for good.
func TestEmbeddedStuckSubscriber(t *testing.T) {
	t.Parallel()
	e := start(t, store.EmbeddedConfig{Listen: "127.0.0.1:0"})
	stuck, err := net.Dial("tcp", e.Addr())
	must(t, err)
	defer stuck.Close()
	must(t, stuck.(*net.TCPConn).SetReadBuffer(4096))
	k := store.GroupKey{Digest: artifact.Digest{1}}
	channel := fmt.Sprintf("rackswarm:{%s}:delta", k)
	_, err = fmt.Fprintf(stuck, "*2\r\n$9\r\nSUBSCRIBE\r\n$%d\r\n%s\r\n", len(channel), channel)
	must(t, err)
	_, err = stuck.Read(make([]byte, 16)) // the confirmation
	must(t, err)
	s := open(t, store.Config{URL: "redis://" + e.Addr()})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	big := strings.Repeat("x", 1<<20)
	for i := range 32 { // more than the sockets hold
		for s.JoinGroup(ctx, k, overlay.Member{Node: "a", Addr: big, Permille: i}, time.Hour) != nil {
			must(t, ctx.Err())
		}
	}
}

// TestEmbeddedStateCannotBeWritten: who cannot write the state says so once, however
// often it tries, and writes it as soon as that works.
func TestEmbeddedStateCannotBeWritten(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "store.json")
	inTheWay := file + ".tmp"
	must(t, os.MkdirAll(filepath.Join(inTheWay, "full"), 0o700))
	lines := make(chan string, 100)
	e := start(t, store.EmbeddedConfig{Listen: "127.0.0.1:0", StateFile: file, Logger: slog.New(slog.NewTextHandler(sendLines(lines), nil))})
	s := open(t, store.Config{URL: "redis://" + e.Addr()})
	must(t, s.PutBackup(t.Context(), api.Backup{ID: "b"}))
	if line := <-lines; !strings.Contains(line, "cannot be written") || !strings.Contains(line, file) {
		t.Error(line)
	}
	time.Sleep(time.Second) // for it to try again, and to say more than it should
	must(t, os.RemoveAll(inTheWay))
	if line := <-lines; !strings.Contains(line, "written again") {
		t.Error(line)
	}
	if text, err := os.ReadFile(file); err != nil || !strings.Contains(string(text), `{backups}:records`) {
		t.Errorf("the file holds %s, %v", text, err)
	}
}

// sendLines sends what is logged.
type sendLines chan<- string

func (l sendLines) Write(line []byte) (int, error) {
	l <- string(line)
	return len(line), nil
}
