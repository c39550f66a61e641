package control_test

import (
	"context"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"io"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/agent/internal/control"
	"github.com/rackswarm/rackswarm/agent/internal/pki"
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/client"
	"github.com/rackswarm/rackswarm/core/store"
)

// fleet is an agent's server over a store with some nodes, and a client of it.
type fleet struct {
	testing.TB
	ctx    context.Context
	store  *store.Store
	client *client.Client
	socket string
	addr   string // of the server on mutual TLS, if it was given certificates
	stop   func() // ends the server and waits
}

// openStore starts a Redis of the test's own.
func openStore(t testing.TB) (*store.Store, *store.Embedded) {
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
	return s, e
}

// serve starts a server; change may alter its configuration.
func serve(t testing.TB, change func(*control.Config)) *fleet {
	t.Helper()
	st, _ := openStore(t)
	return serveOn(t, st, change)
}

func serveOn(t testing.TB, st *store.Store, change func(*control.Config)) *fleet {
	t.Helper()
	cfg := control.Config{Store: st, Socket: filepath.Join(t.TempDir(), "agent.sock"),
		Self: func() api.Info { return api.Info{Node: "web1", Location: "ams1/r1", Version: "test", CanPublish: true} }}
	if change != nil {
		change(&cfg)
	}
	s, err := control.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	f := &fleet{TB: t, ctx: t.Context(), store: st, socket: cfg.Socket}
	f.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(f.stop)
	if a := s.Addr(); a != nil {
		f.addr = a.String()
	}
	f.client = f.dial(client.Config{Endpoints: []string{"unix://" + cfg.Socket}})
	return f
}

func (f *fleet) dial(cfg client.Config) *client.Client {
	f.Helper()
	c, err := client.New(cfg)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(c.Close)
	return c
}

// must fails the test on an error.
func (f *fleet) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

// node records a node that is alive.
func (f *fleet) node(name, location string, labels map[string]string) {
	f.Helper()
	n := api.Node{Name: name, Location: location, Labels: labels, DataAddr: "127.0.0.1:1", LastSeen: time.Now()}
	f.must(f.store.PutNode(f.ctx, n, time.Hour))
}

// artifact records an artifact of 1000 bytes whose digest repeats the byte.
func (f *fleet) artifact(b byte) string {
	f.Helper()
	d := digestOf(b)
	f.must(f.store.PutArtifact(f.ctx, api.Artifact{Digest: d, Name: "app", Kind: "tree", SizeBytes: 1000, Seeds: []string{"web1"}}))
	return d
}

func digestOf(b byte) string {
	var sum [32]byte
	for i := range sum {
		sum[i] = b
	}
	return "sha256:" + hex.EncodeToString(sum[:])
}

// report records a node's status.
func (f *fleet) report(dist string, st api.NodeStatus) {
	f.Helper()
	f.must(f.store.PutStatus(f.ctx, dist, st))
}

// code is the code of an API error, "" if err is none.
func code(err error) string {
	var e *api.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// wantError checks code and subject, and that there is something to do.
func wantError(t testing.TB, err error, code, subject string) *api.Error {
	t.Helper()
	var e *api.Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v is no *api.Error; want %s about %q", err, code, subject)
	}
	if e.Code != code || e.Subject != subject || e.Message == "" || e.Fix == "" {
		t.Fatalf("error %+v; want code %s about %q with message and fix", *e, code, subject)
	}
	return e
}

// certificates is a fleet's authority with files for some holders.
type certificates struct {
	t   *testing.T
	dir string
}

func newCertificates(t *testing.T) certificates {
	t.Helper()
	dir := t.TempDir()
	if _, err := pki.InitCA(dir, pki.InitOptions{}); err != nil {
		t.Fatal(err)
	}
	return certificates{t, dir}
}

func (c certificates) issue(name string, role pki.Role) pki.IssuedFiles {
	c.t.Helper()
	f, err := pki.Issue(c.dir, pki.Request{Name: name, Role: role, Out: c.t.TempDir()})
	if err != nil {
		c.t.Fatal(err)
	}
	return f
}

// listen adds mutual TLS to a server's configuration.
func (c certificates) listen(cfg *control.Config) {
	c.t.Helper()
	f := c.issue("web1", pki.RoleNode)
	creds, err := pki.Load(f.CA, f.Cert, f.Key)
	if err != nil {
		c.t.Fatal(err)
	}
	cfg.Listen, cfg.TLS = "127.0.0.1:0", creds.ServerTLS()
	cfg.Identify = func(cs tls.ConnectionState) (string, string, error) {
		name, role, err := pki.Identity(cs)
		return name, string(role), err
	}
}

// as returns a client on mutual TLS with a certificate of that role.
func (c certificates) as(f *fleet, role pki.Role) *client.Client {
	c.t.Helper()
	files := c.issue("someone-"+string(role), role)
	conf, err := client.LoadTLS(files.CA, files.Cert, files.Key)
	if err != nil {
		c.t.Fatal(err)
	}
	return f.dial(client.Config{Endpoints: []string{"https://" + f.addr}, TLS: conf})
}

// scripted is a Publisher that does what the test says.
type scripted struct {
	run func(ctx context.Context, body io.Reader, progress func(api.Progress)) (api.Artifact, error)
	// unpublished receives the digests of calls, if it is not nil.
	unpublished chan string
}

func (s scripted) Publish(ctx context.Context, req api.PublishRequest, progress func(api.Progress)) (api.Artifact, error) {
	a, err := s.run(ctx, nil, progress)
	a.Source = req.Source
	return a, err
}

func (s scripted) PublishForNode(ctx context.Context, req api.PublishRequest, progress func(api.Progress)) (api.Artifact, error) {
	return s.Publish(ctx, req, progress)
}

func (s scripted) Inspect(_ context.Context, req api.PublishRequest) (api.SourceState, error) {
	return api.SourceState{Source: api.ShowSource(req.Source), Version: "v1"}, nil
}

func (s scripted) InspectForNode(ctx context.Context, req api.PublishRequest) (api.SourceState, error) {
	return s.Inspect(ctx, req)
}

func (s scripted) Receive(ctx context.Context, req api.StreamRequest, body io.Reader, progress func(api.Progress)) (api.Artifact, error) {
	a, err := s.run(ctx, body, progress)
	a.Name, a.Kind, a.PieceLength = req.Name, req.Kind, req.PieceSize
	return a, err
}

func (s scripted) Unpublish(_ context.Context, digest string) error {
	if s.unpublished != nil {
		s.unpublished <- digest
	}
	return nil
}
