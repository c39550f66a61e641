package cli

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/agent/internal/control"
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/store"
)

var update = flag.Bool("update", false, "write the golden files")

// noon is the time at which everything in these tests happens.
var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// fleet is a control server on a unix socket over a store with some nodes.
type fleet struct {
	*testing.T
	store  *store.Store
	socket string
}

func newFleet(t *testing.T, change ...func(*control.Config)) *fleet {
	t.Helper()
	e, err := store.StartEmbedded(store.EmbeddedConfig{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	s, err := store.Open(t.Context(), store.Config{URL: "redis://" + e.Addr()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	f := &fleet{t, s, filepath.Join(t.TempDir(), "agent.sock")}
	cfg := control.Config{Store: s, Socket: f.socket, Publisher: hasher{s}, Self: func() api.Info { return api.Info{Node: "web1", CanPublish: true} }}
	for _, c := range change {
		c(&cfg)
	}
	f.serve(cfg)
	return f
}

// serve runs a control server until the test ends.
func (f *fleet) serve(cfg control.Config) {
	f.Helper()
	server, err := control.New(cfg)
	f.must(err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	f.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			f.Errorf("control server: %v", err)
		}
	})
}

func (f *fleet) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

// nodes records three nodes in two racks.
func (f *fleet) nodes() {
	f.Helper()
	for _, n := range []api.Node{
		{Name: "web1", Location: "ams1/r1", Labels: map[string]string{"role": "web", "tier": "a"}, APIAddr: "10.0.0.1:7422", UsedBytes: 7 << 30, QuotaBytes: 10 << 30},
		{Name: "web2", Location: "ams1/r1", Labels: map[string]string{"role": "web"}},
		{Name: "db1", Location: "ams1/r2"},
	} {
		n.DataAddr, n.Version, n.LastSeen = "10.0.0.1:7420", "1.2.3", noon.Add(-3*time.Second)
		f.must(f.store.PutNode(f.Context(), n, time.Hour))
	}
}

// artifact records an artifact and returns its digest.
func (f *fleet) artifact(name string) string {
	f.Helper()
	a := api.Artifact{Digest: digestOf([]byte(name)), Name: name, Kind: "tree", SizeBytes: 3 << 20, Files: 12, Seeds: []string{"web1"}, CreatedAt: noon.Add(-time.Hour)}
	f.must(f.store.PutArtifact(f.Context(), a))
	return a.Digest
}

func digestOf(content []byte) string {
	sum := sha256.Sum256(content)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// distribution returns the record of that name, waiting until there is one.
func (f *fleet) distribution(name string) api.Distribution {
	f.Helper()
	var found api.Distribution
	f.eventually("distribution "+name, func() bool {
		all, err := f.store.Distributions(f.Context())
		f.must(err)
		for _, d := range all {
			if d.Name == name {
				found = d
			}
		}
		return found.Name != ""
	})
	return found
}

// report plays a node that says where it is with a distribution.
func (f *fleet) report(name, node string, phase api.Phase, change ...func(*api.NodeStatus)) {
	f.Helper()
	d := f.distribution(name)
	st := api.NodeStatus{Node: node, Phase: phase, Digest: d.Digest, Generation: d.Generation, BytesTotal: 3 << 20, UpdatedAt: noon}
	if phase == api.PhaseInstalled {
		st.Installed, st.BytesDone, st.Verified = d.Digest, 3<<20, d.VerifyGeneration
	}
	for _, c := range change {
		c(&st)
	}
	f.must(f.store.PutStatus(f.Context(), name, st))
}

func (f *fleet) eventually(what string, done func() bool) {
	f.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if done() {
			return
		}
	}
	f.Fatalf("%s did not come about", what)
}

// result is what a command left behind.
type result struct {
	code        int
	out, errOut string
}

// buffer may be written and read at the same time.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// call is a command under way.
type call struct {
	out, errOut buffer
	ended       chan int
	interrupt   context.CancelFunc
}

// start starts a command of rackswarm against the fleet.
func (f *fleet) start(args ...string) *call { return f.launch(App.Main, args) }

// launch starts a command of a program.
func (f *fleet) launch(program func(App, context.Context, []string) int, args []string) *call {
	ctx, cancel := context.WithCancel(context.Background())
	c := &call{ended: make(chan int, 1), interrupt: cancel}
	app := App{
		Stdout: &c.out, Stderr: &c.errOut, Environ: []string{"RACKSWARM_ENDPOINTS=unix://" + f.socket},
		now: func() time.Time { return noon }, zone: time.FixedZone("CET", 3600), settle: 300 * time.Millisecond,
	}
	go func() {
		defer cancel()
		c.ended <- program(app, ctx, args)
	}()
	return c
}

// wait waits for the command's end.
func (f *fleet) wait(c *call) result {
	f.Helper()
	select {
	case code := <-c.ended:
		return result{code, c.out.String(), c.errOut.String()}
	case <-time.After(time.Minute):
		f.Fatalf("the command does not end; it said:\n%s\n%s", c.out.String(), c.errOut.String())
		return result{}
	}
}

func (f *fleet) run(args ...string) result {
	f.Helper()
	return f.wait(f.start(args...))
}

// ok runs a command that must succeed and returns what it printed.
func (f *fleet) ok(args ...string) string {
	f.Helper()
	r := f.run(args...)
	if r.code != 0 {
		f.Fatalf("%q ended with %d: %s", args, r.code, r.errOut)
	}
	return r.out
}

// fails runs a command that must end with the code and say all the words.
func (f *fleet) fails(code int, words []string, args ...string) {
	f.Helper()
	f.failed(f.run(args...), code, words...)
}

func (f *fleet) failed(r result, code int, words ...string) {
	f.Helper()
	if r.code != code {
		f.Errorf("exit code %d, want %d; stderr:\n%s", r.code, code, r.errOut)
	}
	for _, w := range append(words, "Error: ", "Fix: ") {
		if !strings.Contains(r.errOut, w) {
			f.Errorf("stderr does not say %q:\n%s", w, r.errOut)
		}
	}
}

func decode[T any](f *fleet, text string) T {
	f.Helper()
	var v T
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		f.Fatalf("%v in:\n%s", err, text)
	}
	return v
}

// golden compares with testdata/<name>.golden.
func (f *fleet) golden(name, got string) {
	f.Helper()
	file := filepath.Join("testdata", name+".golden")
	if *update {
		f.must(os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	f.must(err)
	if got != string(want) {
		f.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
	}
}

// hasher publishes what it is sent, as the digest of its bytes. Of paths it sees
// only those below /local.
type hasher struct{ store *store.Store }

func (h hasher) Publish(ctx context.Context, req api.PublishRequest, progress func(api.Progress)) (api.Artifact, error) {
	if !strings.Contains(req.Source, "/local/") {
		return api.Artifact{}, &api.Error{Code: api.CodeSourceNotLocal, Subject: req.Source, Message: "not seen here", Fix: "stream it"}
	}
	data, err := os.ReadFile(req.Source)
	if err != nil {
		return api.Artifact{}, err
	}
	progress(api.Progress{Stage: "hashing", Done: int64(len(data)), Total: int64(len(data)), Files: 1})
	return h.put(ctx, api.Artifact{Name: req.Name, Kind: "file", Source: req.Source, PieceLength: req.PieceSize}, data)
}

func (h hasher) PublishForNode(ctx context.Context, req api.PublishRequest, progress func(api.Progress)) (api.Artifact, error) {
	return h.Publish(ctx, req, progress)
}

func (h hasher) Inspect(_ context.Context, req api.PublishRequest) (api.SourceState, error) {
	return api.SourceState{Source: req.Source}, nil
}

func (h hasher) InspectForNode(ctx context.Context, req api.PublishRequest) (api.SourceState, error) {
	return h.Inspect(ctx, req)
}

func (h hasher) Receive(ctx context.Context, req api.StreamRequest, body io.Reader, progress func(api.Progress)) (api.Artifact, error) {
	data, err := io.ReadAll(body)
	if err != nil {
		return api.Artifact{}, err
	}
	if strings.Contains(req.Name, "refused") {
		return api.Artifact{}, errors.New("refused")
	}
	progress(api.Progress{Stage: "receiving", Done: int64(len(data))})
	return h.put(ctx, api.Artifact{Name: req.Name, Kind: req.Kind, PieceLength: req.PieceSize}, data)
}

func (h hasher) put(ctx context.Context, a api.Artifact, data []byte) (api.Artifact, error) {
	a.Digest, a.SizeBytes, a.Files, a.CreatedAt = digestOf(data), int64(len(data)), 1, noon
	return a, h.store.PutArtifact(ctx, a)
}

func (h hasher) Unpublish(context.Context, string) error { return nil }
