package publisher_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rackswarm/rackswarm/agent/internal/publisher"
	"github.com/rackswarm/rackswarm/core/api"
)

// site serves one file and counts the bytes that it sends.
type site struct {
	mu   sync.Mutex
	data []byte
	etag string
	sent atomic.Int64
	busy sync.WaitGroup
	// stall, if it is not nil, is waited for after half of the content.
	stall chan struct{}
	url   string
}

func newSite(t *testing.T, data []byte) *site {
	t.Helper()
	s := &site{data: data, etag: `"1"`}
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	s.url = srv.URL + "/files/app.bin"
	return s
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.busy.Add(1)
	defer s.busy.Done()
	s.mu.Lock()
	data, etag, stall := s.data, s.etag, s.stall
	s.mu.Unlock()
	w.Header().Set("ETag", etag)
	http.ServeContent(&meter{ResponseWriter: w, s: s, half: len(data) / 2, stall: stall}, r, "", time.Time{}, bytes.NewReader(data))
}

func (s *site) set(data []byte, etag string, stall chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.data, s.etag, s.stall = data, etag, stall
}

type meter struct {
	http.ResponseWriter
	s     *site
	half  int
	stall chan struct{}
}

func (m *meter) Write(p []byte) (int, error) {
	n, err := m.ResponseWriter.Write(p)
	m.s.sent.Add(int64(n))
	if m.half -= n; m.half <= 0 && m.stall != nil {
		_ = http.NewResponseController(m.ResponseWriter).Flush()
		<-m.stall
	}
	return n, err
}

func sumOf(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// wantCopy checks that an artifact is served from a copy of the content.
func (b *bench) wantCopy(a api.Artifact, data []byte) {
	b.Helper()
	got, err := os.ReadFile(b.pathOf(a))
	must(b.T, err)
	if !bytes.Equal(got, data) || a.Checksum != sumOf(data) || a.SizeBytes != int64(len(data)) {
		b.Fatalf("%d bytes are served as %+v; want %d", len(got), a, len(data))
	}
}

func TestPublishURL(t *testing.T) {
	defer unix.Umask(unix.Umask(0o077)) // which must not show in the artifact
	b := newBench(t)
	s := newSite(t, bytes.Repeat([]byte("content "), 200_000))
	req := api.PublishRequest{Source: strings.Replace(s.url, "http://", "http://me:hunter2@", 1) + "?sig=hunter2#hunter2", Checksum: sumOf(s.data),
		Headers: map[string]string{"X-Key": "hunter2"}}
	var stages []string
	a, err := b.Publish(t.Context(), req, func(p api.Progress) { stages = append(stages, p.Stage) })
	must(t, err)
	b.wantCopy(a, s.data)
	if a.Name != "app.bin" || a.Kind != "file" || a.Source != s.url || a.SourceVersion != `etag:"1"` || stages[0] != "downloading" {
		t.Errorf("%+v after %v", a, stages)
	}
	if info, err := os.Stat(b.pathOf(a)); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	b.wantNoSecret("hunter2")
	if kept := b.kept(); len(kept) != 1 {
		t.Errorf("kept %v", kept)
	}
	state, err := b.Inspect(t.Context(), req)
	if err != nil || state != (api.SourceState{Source: a.Source, Version: a.SourceVersion, SizeBytes: a.SizeBytes}) {
		t.Errorf("inspected %+v, %v", state, err)
	}
	must(t, b.Unpublish(t.Context(), a.Digest))
	if kept := b.kept(); len(kept) != 0 {
		t.Errorf("after Unpublish: %v", kept)
	}
}

// wantNoSecret looks for it in everything that is on the disk and in the store.
func (b *bench) wantNoSecret(secret string) {
	b.Helper()
	must(b.T, filepath.WalkDir(b.state, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		if text, err := os.ReadFile(path); err != nil || bytes.Contains(text, []byte(secret)) {
			b.Errorf("%s holds the secret (%v)", path, err)
		}
		return nil
	}))
	all, err := b.store.Artifacts(b.Context())
	must(b.T, err)
	for _, a := range all {
		if strings.Contains(a.Source+a.SourceVersion+a.Name, secret) {
			b.Errorf("the record holds the secret: %+v", a)
		}
	}
}

func TestPublishURLAgainMovesNothing(t *testing.T) {
	data := bytes.Repeat([]byte("content "), 100_000)
	other := bytes.Repeat([]byte("CONTENT "), 100_000)
	for _, c := range []struct {
		name     string
		checksum bool
		change   func(b *bench, s *site, req *api.PublishRequest, a api.Artifact)
		moves    bool
	}{
		{"the same version", false, func(*bench, *site, *api.PublishRequest, api.Artifact) {}, false},
		{"the same checksum", true, func(_ *bench, s *site, _ *api.PublishRequest, _ api.Artifact) { s.set(other, `"2"`, nil) }, false},
		{"the same checksum from elsewhere", true, func(b *bench, _ *site, req *api.PublishRequest, _ api.Artifact) {
			req.Source, req.Name = "http://127.0.0.1:1/moved?sig=2", "app.bin"
		}, false},
		{"the same checksum, another signature", true, func(_ *bench, _ *site, req *api.PublishRequest, _ api.Artifact) { req.Source += "?sig=2" }, false},
		{"after a restart", false, func(b *bench, _ *site, _ *api.PublishRequest, _ api.Artifact) { b.restart() }, false},
		{"the artifact was deleted elsewhere", false, func(b *bench, _ *site, _ *api.PublishRequest, a api.Artifact) {
			must(b.T, b.store.DeleteArtifact(b.Context(), a.Digest))
		}, false},
		{"another version", false, func(_ *bench, s *site, _ *api.PublishRequest, _ api.Artifact) { s.set(other, `"2"`, nil) }, true},
		{"another name", false, func(_ *bench, _ *site, req *api.PublishRequest, _ api.Artifact) { req.Name = "b" }, true},
		{"another query", false, func(_ *bench, _ *site, req *api.PublishRequest, _ api.Artifact) { req.Source += "?v=2" }, true},
		{"the copy is damaged", true, func(b *bench, _ *site, _ *api.PublishRequest, a api.Artifact) {
			must(b.T, os.WriteFile(b.pathOf(a), []byte("damage"), 0o600))
		}, true},
		{"the copy was deleted", false, func(b *bench, _ *site, _ *api.PublishRequest, a api.Artifact) {
			must(b.T, b.Unpublish(b.Context(), a.Digest))
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, s := newBench(t), newSite(t, data)
			req := api.PublishRequest{Source: s.url}
			if c.checksum {
				req.Checksum = sumOf(data)
			}
			a, err := b.Publish(t.Context(), req, nil)
			must(t, err)
			c.change(b, s, &req, a)
			before := s.sent.Load()
			again, err := b.Publish(t.Context(), req, nil)
			must(t, err)
			want := data
			if c.moves && c.name == "another version" {
				want = other
			}
			b.wantCopy(again, want)
			if moved := s.sent.Load() - before; (moved != 0) != c.moves {
				t.Errorf("%d bytes moved", moved)
			}
		})
	}
}

// restart makes a new publisher on the state directory, as a new process would.
func (b *bench) restart() {
	b.Helper()
	var err error
	b.Publisher, err = publisher.New(b.config(b.key))
	must(b.T, err)
}

func TestPublishURLChecksum(t *testing.T) {
	b, s := newBench(t), newSite(t, []byte("content"))
	want := sumOf([]byte("other"))
	_, err := b.Publish(t.Context(), api.PublishRequest{Source: s.url + "?sig=hunter2", Checksum: want}, nil)
	wantCode(t, err, api.CodeChecksum)
	if text := err.Error(); !strings.Contains(text, want) || !strings.Contains(text, sumOf(s.data)) || !strings.Contains(text, s.url) || strings.Contains(text, "hunter2") {
		t.Error(text)
	}
	if len(b.kept()) != 0 || len(b.served.paths) != 0 {
		t.Errorf("kept %v, served %v", b.kept(), b.served.paths)
	}
}

func TestChecksumOfPaths(t *testing.T) {
	b := newBench(t)
	path := program(t)
	content, err := os.ReadFile(path)
	must(t, err)
	_, err = b.Publish(t.Context(), api.PublishRequest{Source: path, Checksum: sumOf(nil)}, nil)
	wantCode(t, err, api.CodeChecksum)
	_, err = b.Publish(t.Context(), api.PublishRequest{Source: tree(t), Checksum: sumOf(nil)}, nil)
	wantCode(t, err, api.CodeInvalid)
	_, err = b.Receive(t.Context(), api.StreamRequest{Name: "x", Kind: "file", Checksum: sumOf(nil)}, strings.NewReader("x"), nil)
	wantCode(t, err, api.CodeChecksum)
	_, err = b.Receive(t.Context(), api.StreamRequest{Name: "x", Kind: "tree", Checksum: sumOf(nil)}, strings.NewReader(""), nil)
	wantCode(t, err, api.CodeInvalid)
	if len(b.served.paths) != 0 || len(b.kept()) != 0 {
		t.Errorf("served %v, kept %v", b.served.paths, b.kept())
	}
	_, err = b.Publish(t.Context(), api.PublishRequest{Source: path, Checksum: sumOf(content)}, nil)
	must(t, err)
	// The client's fallback carries the checksum along.
	c := b.serve(elsewhere{b.Publisher})
	_, err = c.PublishSource(t.Context(), api.PublishRequest{Source: path, Checksum: sumOf(nil)}, nil)
	wantCode(t, err, api.CodeChecksum)
}

// Whether the client goes away or the agent ends: what has arrived stays.
func TestPublishURLGoesOn(t *testing.T) {
	b := newBench(t)
	data := bytes.Repeat([]byte("content "), 1<<19) // 4 MiB
	s := newSite(t, data)
	stall := make(chan struct{})
	s.set(data, `"1"`, stall)
	ctx, cancel := context.WithCancel(t.Context())
	_, err := b.Publish(ctx, api.PublishRequest{Source: s.url}, func(p api.Progress) {
		if p.Done >= 2<<20 {
			cancel()
		}
	})
	close(stall)
	wantCode(t, err, api.CodeCanceled)
	if !errors.Is(err, context.Canceled) || len(b.kept()) != 1 {
		t.Fatalf("%v, kept %v", err, b.kept())
	}
	s.busy.Wait()
	s.set(data, `"1"`, nil)
	b.restart()
	before := s.sent.Load()
	a, err := b.Publish(t.Context(), api.PublishRequest{Source: s.url}, nil)
	must(t, err)
	b.wantCopy(a, data)
	if rest := s.sent.Load() - before; rest > 2<<20 || len(b.kept()) != 1 {
		t.Errorf("%d bytes were sent for the rest, kept %v", rest, b.kept())
	}
}

// What has been downloaded is not lost when it cannot be recorded.
func TestPublishURLAfterTrouble(t *testing.T) {
	b, s := newBench(t), newSite(t, []byte("content"))
	b.served.fail = errors.New("torn")
	if _, err := b.Publish(t.Context(), api.PublishRequest{Source: s.url}, nil); err == nil {
		t.Fatal("no error")
	}
	b.served.fail = nil
	sent := s.sent.Load()
	a, err := b.Publish(t.Context(), api.PublishRequest{Source: s.url}, nil)
	must(t, err)
	b.wantCopy(a, s.data)
	if s.sent.Load() != sent || len(b.kept()) != 1 {
		t.Errorf("%d bytes moved, kept %v", s.sent.Load()-sent, b.kept())
	}
}

func TestPublishURLTwiceAtOnce(t *testing.T) {
	b, s := newBench(t), newSite(t, bytes.Repeat([]byte("content "), 100_000))
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			if _, err := b.Publish(t.Context(), api.PublishRequest{Source: s.url}, nil); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if s.sent.Load() != int64(len(s.data)) || len(b.kept()) != 1 {
		t.Errorf("%d bytes were sent, kept %v", s.sent.Load(), b.kept())
	}
}

func TestPublishURLRefuses(t *testing.T) {
	b, s := newBench(t), newSite(t, []byte("content"))
	for _, c := range []struct {
		req  api.PublishRequest
		code string
	}{
		{api.PublishRequest{Source: strings.TrimSuffix(s.url, "/files/app.bin")}, api.CodeInvalid}, // no name
		{api.PublishRequest{Source: s.url, Name: "a/b"}, api.CodeInvalid},
		{api.PublishRequest{Source: s.url, PieceSize: 1000}, api.CodeInvalid},
		{api.PublishRequest{Source: "http://127.0.0.1:1/x"}, api.CodeSourceDown},
		{api.PublishRequest{Source: "ftp://127.0.0.1/x"}, api.CodeInvalid},
	} {
		_, err := b.Publish(t.Context(), c.req, nil)
		wantCode(t, err, c.code)
	}
	if s.sent.Load() != 0 || len(b.kept()) != 0 {
		t.Errorf("%d bytes moved, kept %v", s.sent.Load(), b.kept())
	}
}

// What nobody went on with for a week is deleted.
func TestTidyDownloads(t *testing.T) {
	b := newBench(t)
	old, young := filepath.Join(b.state, "artifacts", "download-1"), filepath.Join(b.state, "artifacts", "download-2")
	for _, dir := range []string{old, young} {
		must(t, os.MkdirAll(dir, 0o700))
	}
	then := time.Now().Add(-8 * 24 * time.Hour)
	must(t, os.Chtimes(old, then, then))
	must(t, b.Tidy(t.Context()))
	if kept := b.kept(); len(kept) != 1 || kept[0] != "download-2" {
		t.Errorf("kept %v", kept)
	}
}
