package publisher_test

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/rackswarm/rackswarm/agent/internal/control"
	"github.com/rackswarm/rackswarm/agent/internal/publisher"
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/client"
	"github.com/rackswarm/rackswarm/core/store"
)

// served is what a reconciler would serve: paths by digest.
type served struct {
	mu    sync.Mutex
	paths map[artifact.Digest]string
	fail  error // of AddSource
}

func (s *served) AddSource(_ context.Context, path string, m *artifact.Manifest) error {
	s.mu.Lock()
	defer s.mu.Unlock()
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
}

func newBench(t *testing.T) *bench {
	t.Helper()
	public, key, err := ed25519.GenerateKey(nil)
	must(t, err)
	b := &bench{T: t, state: t.TempDir(), public: public, served: &served{paths: map[artifact.Digest]string{}}}
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
	return publisher.Config{Self: "web1", Key: key, StateDir: b.state, Store: b.store, Sources: b.served}
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

func TestPublishInPlace(t *testing.T) {
	b := newBench(t)
	path := program(t)
	a, err := b.Publish(t.Context(), api.PublishRequest{Source: path}, nil)
	must(t, err)
	content, err := os.ReadFile(path)
	must(t, err)
	sum := sha256.Sum256(content)
	if a.Name != "program" || a.Kind != "file" || a.SizeBytes != 300_000 || a.Files != 1 || a.Source != path ||
		a.Checksum != "sha256:"+hex.EncodeToString(sum[:]) || !reflect.DeepEqual(a.Seeds, []string{"web1"}) ||
		a.ManifestSize == 0 || a.PieceLength == 0 || a.CreatedAt.IsZero() {
		t.Errorf("%+v", a)
	}
	d, err := artifact.ParseDigest(a.Digest)
	must(t, err)
	signature, err := base64.StdEncoding.DecodeString(a.Signature)
	must(t, err)
	if a.Publisher != base64.StdEncoding.EncodeToString(b.public) || !artifact.VerifyDigest(d, b.public, signature) {
		t.Error("the signature does not verify")
	}
	if b.pathOf(a) != path || len(b.kept()) != 0 {
		t.Errorf("served from %s, kept %v", b.pathOf(a), b.kept())
	}
	again, err := b.Publish(t.Context(), api.PublishRequest{Source: path}, nil)
	must(t, err)
	if !reflect.DeepEqual(again, a) {
		t.Errorf("published again\n%+v\n%+v", again, a)
	}
	must(t, b.Unpublish(t.Context(), a.Digest))
	if _, err := os.Stat(path); err != nil || b.pathOf(a) != "" {
		t.Errorf("after Unpublish: %v, served from %q", err, b.pathOf(a))
	}
}

// What is served does not move on with a symbolic link.
func TestPublishThroughLink(t *testing.T) {
	b := newBench(t)
	dir := tree(t)
	link := filepath.Join(t.TempDir(), "current")
	must(t, os.Symlink(dir, link))
	a, err := b.Publish(t.Context(), api.PublishRequest{Source: link}, nil)
	must(t, err)
	if a.Name != "current" || b.pathOf(a) != dir {
		t.Errorf("%s served from %s", a.Name, b.pathOf(a))
	}
}

func TestPublishRefuses(t *testing.T) {
	b := newBench(t)
	path := program(t)
	here, err := client.Identify(path)
	must(t, err)
	other := func(change func(*api.SourceIdentity)) *api.SourceIdentity {
		id := here
		change(&id)
		return &id
	}
	socket := filepath.Join(t.TempDir(), "fifo")
	must(t, os.Symlink("/dev/null", socket))
	for _, c := range []struct {
		name string
		req  api.PublishRequest
		code string
	}{
		{"another boot", api.PublishRequest{Source: path, Expect: other(func(i *api.SourceIdentity) { i.BootID = "x" })}, api.CodeSourceNotLocal},
		{"another device", api.PublishRequest{Source: path, Expect: other(func(i *api.SourceIdentity) { i.Device++ })}, api.CodeSourceNotLocal},
		{"another inode", api.PublishRequest{Source: path, Expect: other(func(i *api.SourceIdentity) { i.Inode++ })}, api.CodeSourceNotLocal},
		{"not here", api.PublishRequest{Source: path + "x", Expect: &here}, api.CodeSourceNotLocal},
		{"not there", api.PublishRequest{Source: path + "x"}, api.CodeNotFound},
		{"a device", api.PublishRequest{Source: socket}, api.CodeSourceUnsuited},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := b.Publish(t.Context(), c.req, nil)
			wantCode(t, err, c.code)
		})
	}
	_, err = b.Publish(t.Context(), api.PublishRequest{Source: path, Expect: &here}, nil)
	must(t, err)
}

func TestWithoutKey(t *testing.T) {
	b := newBench(t)
	p, err := publisher.New(b.config(nil))
	must(t, err)
	_, err = p.Publish(t.Context(), api.PublishRequest{Source: "/"}, nil)
	wantCode(t, err, api.CodeCannotPublish)
	_, err = p.Receive(t.Context(), api.StreamRequest{Name: "x", Kind: "file"}, strings.NewReader("x"), nil)
	wantCode(t, err, api.CodeCannotPublish)
}

func TestReceiveKeepsOneCopy(t *testing.T) {
	b := newBench(t)
	req := api.StreamRequest{Name: "motd", Kind: "file", Mode: 0o600}
	send := func() api.Artifact {
		t.Helper()
		a, err := b.Receive(t.Context(), req, strings.NewReader("hello\n"), nil)
		must(t, err)
		return a
	}
	a := send()
	if again := send(); !reflect.DeepEqual(a, again) {
		t.Errorf("sent again\n%+v\n%+v", again, a)
	}
	path := b.pathOf(a)
	text, err := os.ReadFile(path)
	must(t, err)
	info, err := os.Stat(path)
	must(t, err)
	if string(text) != "hello\n" || info.Mode().Perm() != 0o600 || a.Source != "" || len(b.kept()) != 1 {
		t.Errorf("%q with mode %v, source %q, kept %v", text, info.Mode(), a.Source, b.kept())
	}
	must(t, b.Unpublish(t.Context(), a.Digest))
	must(t, b.Unpublish(t.Context(), a.Digest))
	if len(b.kept()) != 0 {
		t.Errorf("after Unpublish: %v", b.kept())
	}
}

// A damaged copy is replaced by what is sent again.
func TestReceiveRepairs(t *testing.T) {
	b := newBench(t)
	req := api.StreamRequest{Name: "motd", Kind: "file", Mode: 0o644}
	a, err := b.Receive(t.Context(), req, strings.NewReader("hello\n"), nil)
	must(t, err)
	must(t, os.WriteFile(b.pathOf(a), []byte("damage"), 0o644))
	_, err = b.Receive(t.Context(), req, strings.NewReader("hello\n"), nil)
	must(t, err)
	if text, _ := os.ReadFile(b.pathOf(a)); string(text) != "hello\n" || len(b.kept()) != 1 {
		t.Errorf("%q, kept %v", text, b.kept())
	}
}

// A copy is not needed when the same content is published in place.
func TestInPlaceReplacesCopy(t *testing.T) {
	b := newBench(t)
	path := filepath.Join(t.TempDir(), "motd")
	must(t, os.WriteFile(path, []byte("hello\n"), 0o644))
	a, err := b.Receive(t.Context(), api.StreamRequest{Name: "motd", Kind: "file", Mode: 0o644}, strings.NewReader("hello\n"), nil)
	must(t, err)
	copied := b.pathOf(a)
	if _, err := b.Publish(t.Context(), api.PublishRequest{Source: copied, Name: "motd"}, nil); err != nil || len(b.kept()) != 1 {
		t.Fatalf("publishing the copy itself: %v, kept %v", err, b.kept())
	}
	same, err := b.Publish(t.Context(), api.PublishRequest{Source: path}, nil)
	must(t, err)
	if same.Digest != a.Digest || b.pathOf(a) != path || len(b.kept()) != 0 {
		t.Errorf("%s, then %s served from %s, kept %v", a.Digest, same.Digest, b.pathOf(a), b.kept())
	}
}

func TestReceiveLeavesNothingBehind(t *testing.T) {
	torn := errors.New("torn")
	for _, c := range []struct {
		name string
		body func() io.Reader
		with func(b *bench)
	}{
		{"the stream breaks", func() io.Reader { return io.MultiReader(strings.NewReader("hel"), failing{torn}) }, func(*bench) {}},
		{"the source is refused", func() io.Reader { return strings.NewReader("hello") }, func(b *bench) { b.served.fail = torn }},
		{"the store goes", func() io.Reader { return strings.NewReader("hello") }, func(b *bench) { _ = b.redis.Close() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			c.with(b)
			if _, err := b.Receive(t.Context(), api.StreamRequest{Name: "x", Kind: "file"}, c.body(), nil); err == nil {
				t.Fatal("no error")
			}
			if len(b.kept()) != 0 || len(b.served.paths) != 0 {
				t.Errorf("kept %v, served %v", b.kept(), b.served.paths)
			}
		})
	}
}

func TestReceiveIsCanceled(t *testing.T) {
	b := newBench(t)
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	go func() {
		_, _ = w.Write([]byte("begin"))
		cancel()
		_, _ = w.Write([]byte("more"))
		w.Close()
	}()
	_, err := b.Receive(ctx, api.StreamRequest{Name: "x", Kind: "file"}, r, nil)
	r.Close()
	if !errors.Is(err, context.Canceled) || len(b.kept()) != 0 {
		t.Errorf("%v, kept %v", err, b.kept())
	}
}

func TestHostileTar(t *testing.T) {
	b := newBench(t)
	var stream bytes.Buffer
	tw := tar.NewWriter(&stream)
	must(t, tw.WriteHeader(&tar.Header{Name: "../../evil", Size: 1, Mode: 0o644, Typeflag: tar.TypeReg}))
	_, err := tw.Write([]byte("x"))
	must(t, err)
	must(t, tw.Close())
	_, err = b.Receive(t.Context(), api.StreamRequest{Name: "x", Kind: "tree"}, &stream, nil)
	wantCode(t, err, api.CodeInvalid)
	if _, err := os.Stat(filepath.Join(b.state, "evil")); err == nil || len(b.kept()) != 0 {
		t.Errorf("%v, kept %v", err, b.kept())
	}
}

func TestRestartClearsLeftovers(t *testing.T) {
	b := newBench(t)
	must(t, os.MkdirAll(filepath.Join(b.state, "artifacts", "incoming-1", "content"), 0o700))
	must(t, os.MkdirAll(filepath.Join(b.state, "artifacts", "abcd", "content"), 0o700))
	_, err := publisher.New(b.config(nil))
	must(t, err)
	if kept := b.kept(); !reflect.DeepEqual(kept, []string{"abcd"}) {
		t.Errorf("kept %v", kept)
	}
}

// elsewhere is the agent of a machine that has none of the client's files.
type elsewhere struct{ *publisher.Publisher }

func (e elsewhere) Publish(context.Context, api.PublishRequest, func(api.Progress)) (api.Artifact, error) {
	return api.Artifact{}, &api.Error{Code: api.CodeSourceNotLocal, Subject: "x", Message: "not here", Fix: "stream it"}
}

func (b *bench) serve(p control.Publisher) *client.Client {
	b.Helper()
	socket := filepath.Join(b.TempDir(), "agent.sock")
	s, err := control.New(control.Config{Store: b.store, Socket: socket, Publisher: p,
		Self: func() api.Info { return api.Info{CanPublish: true} }})
	must(b.T, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	b.Cleanup(func() {
		cancel()
		must(b.T, <-ended)
	})
	c, err := client.New(client.Config{Endpoints: []string{"unix://" + socket}})
	must(b.T, err)
	b.Cleanup(c.Close)
	return c
}

// Whether the agent reads a path itself or has it streamed, the artifact is the
// same, modes and all.
func TestPublishPathHereAndElsewhere(t *testing.T) {
	for name, make := range map[string]func(*testing.T) string{"tree": tree, "file": program} {
		t.Run(name, func(t *testing.T) {
			path := make(t)
			near, far := newBench(t), newBench(t)
			var stages []string
			note := func(p api.Progress) { stages = append(stages, p.Stage) }
			here, err := near.serve(near.Publisher).PublishPath(t.Context(), path, "", 0, nil)
			must(t, err)
			there, err := far.serve(elsewhere{far.Publisher}).PublishPath(t.Context(), path, "", 0, note)
			must(t, err)
			if here.Digest != there.Digest || here.Checksum != there.Checksum || here.Kind != name {
				t.Errorf("here %+v\nthere %+v", here, there)
			}
			if near.pathOf(here) != path || !strings.HasPrefix(far.pathOf(there), far.state) {
				t.Errorf("served from %s and %s", near.pathOf(here), far.pathOf(there))
			}
			if len(stages) == 0 || stages[0] != "sending" {
				t.Errorf("stages %v", stages)
			}
		})
	}
}

// The client's own trouble with its files is what the client hears.
func TestPublishPathUnsuited(t *testing.T) {
	b := newBench(t)
	c := b.serve(elsewhere{b.Publisher})
	_, err := c.PublishPath(t.Context(), filepath.Join(t.TempDir(), "none"), "", 0, nil)
	wantCode(t, err, api.CodeNotFound)
	dir := tree(t)
	must(t, os.Symlink("/x", filepath.Join(dir, "fine")))
	fifo := filepath.Join(dir, "fifo")
	must(t, unix.Mkfifo(fifo, 0o600))
	_, err = c.PublishPath(t.Context(), dir, "", 0, nil)
	wantCode(t, err, api.CodeSourceUnsuited)
	if !strings.Contains(err.Error(), fifo) || len(b.kept()) != 0 {
		t.Errorf("%v, kept %v", err, b.kept())
	}
}

func TestManyAtOnce(t *testing.T) {
	b := newBench(t)
	c := b.serve(elsewhere{b.Publisher})
	digests := make([]string, 12)
	var wg sync.WaitGroup
	for i := range digests {
		wg.Go(func() {
			a, err := c.PublishStream(t.Context(), "same", "file", 0, strings.NewReader(strings.Repeat("x", 1+i%3)), nil)
			if err != nil {
				t.Error(err)
			}
			digests[i] = a.Digest
		})
	}
	wg.Wait()
	all, err := c.Artifacts(t.Context())
	must(t, err)
	if len(all) != 3 || len(b.kept()) != 3 || digests[0] != digests[3] || digests[0] == digests[1] {
		t.Errorf("%d artifacts, kept %v", len(all), b.kept())
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
