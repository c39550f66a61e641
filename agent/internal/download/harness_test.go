package download

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
)

// long ago, so that a Last-Modified tells versions apart.
var longAgo = time.Now().Add(-time.Hour)

// content returns bytes that follow from a seed.
func content(seed string, size int) []byte {
	data := make([]byte, size)
	rand.NewChaCha8(sha256.Sum256([]byte(seed))).Read(data)
	return data
}

// site serves content as net/http does, and counts what it sends.
type site struct {
	mu       sync.Mutex
	data     []byte
	etag     string
	modified time.Time
	requests []http.Header
	sent     atomic.Int64
	// wrap may replace how a request is answered.
	wrap func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc)
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests = append(s.requests, r.Header.Clone())
	data, etag, modified, wrap := s.data, s.etag, s.modified, s.wrap
	s.mu.Unlock()
	serve := func(w http.ResponseWriter, r *http.Request) {
		if etag != "" {
			w.Header().Set("ETag", etag)
		}
		http.ServeContent(&counting{w, &s.sent}, r, "x.bin", modified, bytes.NewReader(data))
	}
	if wrap != nil {
		wrap(w, r, serve)
		return
	}
	serve(w, r)
}

// counting counts the bytes of bodies.
type counting struct {
	http.ResponseWriter
	n *atomic.Int64
}

func (c *counting) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p)
	c.n.Add(int64(n))
	return n, err
}

func (c *counting) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// cutting ends the connection after some bytes of a body.
type cutting struct {
	http.ResponseWriter
	left int
}

func (c *cutting) Write(p []byte) (int, error) {
	n := min(len(p), c.left)
	c.left -= n
	_, _ = c.ResponseWriter.Write(p[:n])
	if c.left == 0 {
		_ = http.NewResponseController(c.ResponseWriter).Flush()
		panic(http.ErrAbortHandler)
	}
	return n, nil
}

func (s *site) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.requests)
}

func serve(t *testing.T, h http.Handler) *url.URL {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	u, err := url.Parse(srv.URL + "/files/x.bin")
	must(t, err)
	return u
}

// quick is a configuration that does not make tests wait.
func quick() Config {
	return Config{Pause: func(int) time.Duration { return time.Millisecond }, Period: 20 * time.Millisecond}
}

func jobFor(t *testing.T, u *url.URL) Job {
	t.Helper()
	return Job{URL: u, Dir: t.TempDir(), Name: "content"}
}

func (j Job) read(t *testing.T) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(j.Dir, j.Name))
	must(t, err)
	return data
}

// wantGot checks that a job brought the content.
func wantGot(t *testing.T, j Job, err error, want []byte) {
	t.Helper()
	must(t, err)
	if got := j.read(t); !bytes.Equal(got, want) {
		t.Fatalf("got %d bytes %.20x…, want %d bytes %.20x…", len(got), got, len(want), want)
	}
}

func wantError(t *testing.T, err error, code string, words ...string) {
	t.Helper()
	var e *api.Error
	if !errors.As(err, &e) || e.Code != code || e.Fix == "" {
		t.Fatalf("error %v; want code %s with a fix", err, code)
	}
	text := fmt.Sprintf("%s: %s (%s)", e.Subject, e.Message, e.Fix)
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("%q is not in %s", w, text)
		}
	}
	if strings.Contains(text, "hunter2") {
		t.Errorf("a secret is told: %s", text)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
