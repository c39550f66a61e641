package download

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
)

func TestFetch(t *testing.T) {
	for _, size := range []int{0, 1, 300_000, 5 << 20} {
		s := &site{data: content("a", size), etag: `"a"`, modified: longAgo}
		job := jobFor(t, serve(t, s))
		var last api.Progress
		job.Progress = func(p api.Progress) { last = p }
		v, err := New(quick()).Fetch(t.Context(), job)
		wantGot(t, job, err, s.data)
		if v.ETag != `"a"` || v.Size != int64(size) || s.count() != 1 || s.sent.Load() != int64(size) {
			t.Errorf("%d bytes: version %+v, %d requests, %d sent", size, v, s.count(), s.sent.Load())
		}
		if want := (api.Progress{Stage: "downloading", Done: int64(size), Total: int64(size)}); last != want {
			t.Errorf("last progress %+v", last)
		}
	}
}

// A server that breaks off again and again is asked for the rest only.
func TestFetchGoesOn(t *testing.T) {
	for name, s := range map[string]*site{
		"etag":          {etag: `"a"`},
		"last modified": {modified: longAgo},
	} {
		t.Run(name, func(t *testing.T) {
			s.data = content("a", 10<<20)
			s.wrap = func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
				serve(&cutting{w, 3 << 20}, r)
			}
			job := jobFor(t, serve(t, s))
			_, err := New(quick()).Fetch(t.Context(), job)
			wantGot(t, job, err, s.data)
			if s.count() != 4 || s.sent.Load() > 10<<20 {
				t.Errorf("%d requests, %d bytes sent", s.count(), s.sent.Load())
			}
		})
	}
}

// Another Fetch, as after a restart of the agent, goes on where the first was
// interrupted.
func TestFetchAfterInterruption(t *testing.T) {
	s := &site{data: content("a", 8<<20), etag: `"a"`}
	stalled := make(chan struct{})
	s.wrap = func(w http.ResponseWriter, r *http.Request, _ http.HandlerFunc) {
		w.Header().Set("ETag", s.etag)
		w.Header().Set("Content-Length", "8388608")
		_, _ = w.Write(s.data[:5<<20])
		_ = http.NewResponseController(w).Flush()
		close(stalled)
		<-r.Context().Done()
	}
	job := jobFor(t, serve(t, s))
	ctx, cancel := context.WithCancel(t.Context())
	job.Progress = func(p api.Progress) {
		if p.Done == 5<<20 {
			<-stalled
			cancel()
		}
	}
	_, err := New(quick()).Fetch(ctx, job)
	wantError(t, err, api.CodeCanceled, "goes on where it stopped")
	if !errors.Is(err, context.Canceled) || !Kept(job.Dir) {
		t.Fatalf("%v, kept %v", err, Kept(job.Dir))
	}
	s.mu.Lock()
	s.wrap = nil
	s.mu.Unlock()
	job.Progress = nil
	_, err = New(quick()).Fetch(t.Context(), job)
	wantGot(t, job, err, s.data)
	if s.sent.Load() != 3<<20 {
		t.Errorf("%d bytes were sent for the rest", s.sent.Load())
	}
	// What is whole is not fetched again, but asked after.
	_, err = New(quick()).Fetch(t.Context(), job)
	wantGot(t, job, err, s.data)
	if s.sent.Load() != 3<<20 || s.count() != 3 {
		t.Errorf("%d bytes, %d requests", s.sent.Load(), s.count())
	}
	must(t, Clear(job.Dir))
	if Kept(job.Dir) {
		t.Error("something is left")
	}
}

// What changed between two parts is never glued together.
func TestFetchOfWhatChanges(t *testing.T) {
	for name, change := range map[string]func(*site){
		"etag":                   func(s *site) { s.etag = `"b"` },
		"last modified":          func(s *site) { s.modified = longAgo.Add(time.Minute) },
		"shorter":                func(s *site) { s.data, s.etag = s.data[:1<<20], `"b"` },
		"no validators any more": func(s *site) { s.etag, s.modified = "", time.Time{} },
		"no validators":          func(*site) {},
	} {
		t.Run(name, func(t *testing.T) {
			s := &site{data: content("a", 4<<20)}
			if name != "no validators" {
				s.modified = longAgo
			}
			if name != "last modified" && name != "no validators" {
				s.etag = `"a"`
			}
			once := sync.OnceFunc(func() {
				s.mu.Lock()
				defer s.mu.Unlock()
				s.data = content("b", 4<<20)
				change(s)
			})
			s.wrap = func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
				if s.count() > 1 {
					serve(w, r)
					return
				}
				defer once()
				serve(&cutting{w, 2 << 20}, r)
			}
			job := jobFor(t, serve(t, s))
			_, err := New(quick()).Fetch(t.Context(), job)
			wantGot(t, job, err, s.data)
		})
	}
}

func TestVersion(t *testing.T) {
	const date, earlier = "Sun, 22 Nov 2026 06:00:10 GMT", "Sun, 22 Nov 2026 06:00:09 GMT"
	for _, c := range []struct{ etag, modified, date, validator, shown string }{
		{`"a"`, earlier, date, `"a"`, `etag:"a"`},
		{`W/"a"`, earlier, date, earlier, `etag:W/"a"`},
		{`W/"a"`, "", date, "", `etag:W/"a"`},
		{"", earlier, date, earlier, "modified:" + earlier + ", 9 bytes"},
		{"", date, date, "", "modified:" + date + ", 9 bytes"}, // it may change within the second
		{"", earlier, "", "", "modified:" + earlier + ", 9 bytes"},
		{"", "yesterday", date, "", ""},
		{"a", "", date, "", "etag:a"},
		{`"` + strings.Repeat("a", 2000) + `"`, "", date, "", ""},
		{"", "", date, "", ""},
	} {
		v := versionOf(http.Header{"Etag": {c.etag}, "Last-Modified": {c.modified}, "Date": {c.date}}, 9)
		if v.validator() != c.validator || v.String() != c.shown {
			t.Errorf("%+v: validator %q, shown %q", c, v.validator(), v)
		}
	}
}

func TestKnownVersionIsNotFetched(t *testing.T) {
	for _, s := range []*site{{etag: `"a"`}, {etag: `W/"a"`}, {modified: longAgo}} {
		s.data = content("a", 1<<20)
		f, job := New(quick()), jobFor(t, serve(t, s))
		v, err := f.Fetch(t.Context(), job)
		wantGot(t, job, err, s.data)
		again := jobFor(t, job.URL)
		again.Known = v
		if _, err := f.Fetch(t.Context(), again); !errors.Is(err, ErrUnchanged) || s.sent.Load() != 1<<20 {
			t.Errorf("%+v: %v, %d bytes sent", v, err, s.sent.Load())
		}
		looked, err := f.Look(t.Context(), job.URL, nil)
		if must(t, err); looked.String() != v.String() || looked.Size != v.Size || v.String() == "" {
			t.Errorf("looked %q, fetched %q", looked, v)
		}
		s.etag, s.modified = `"b"`, longAgo.Add(time.Minute)
		if looked, err = f.Look(t.Context(), job.URL, nil); err != nil || looked.String() == v.String() {
			t.Errorf("after a change %q, %v", looked, err)
		}
		_, err = f.Fetch(t.Context(), again)
		wantGot(t, again, err, s.data)
	}
}

// A further connection helps where one alone would wait forever.
func TestFetchOverSeveralConnections(t *testing.T) {
	s := &site{data: content("a", 3*part+12345), etag: `"a"`}
	second := make(chan struct{})
	arrive := sync.OnceFunc(func() { close(second) })
	s.wrap = func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
		if r.Header.Get("Range") != "" {
			arrive()
			serve(w, r)
			return
		}
		serve(&waiting{w, second, 1 << 20}, r)
	}
	job := jobFor(t, serve(t, s))
	_, err := New(quick()).Fetch(t.Context(), job)
	wantGot(t, job, err, s.data)
}

// waiting holds a body up after some bytes until something happens.
type waiting struct {
	http.ResponseWriter
	until chan struct{}
	left  int
}

func (w *waiting) Write(p []byte) (int, error) {
	if w.left -= len(p); w.left < 0 {
		_ = http.NewResponseController(w.ResponseWriter).Flush()
		<-w.until
	}
	return w.ResponseWriter.Write(p)
}

// A server that lets only one connection in is content with one.
func TestFetchWhereMoreAreRefused(t *testing.T) {
	s := &site{data: content("a", 3*part), etag: `"a"`}
	refused := make(chan struct{})
	refuse := sync.OnceFunc(func() { close(refused) })
	s.wrap = func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
		if r.Header.Get("Range") != "" {
			http.Error(w, "one at a time", http.StatusTooManyRequests)
			refuse()
			return
		}
		serve(&waiting{w, refused, 1 << 20}, r)
	}
	job := jobFor(t, serve(t, s))
	// The part that was given to the second is asked for by the first.
	go func() {
		<-refused
		s.mu.Lock()
		defer s.mu.Unlock()
		s.wrap = nil
	}()
	_, err := New(quick()).Fetch(t.Context(), job)
	wantGot(t, job, err, s.data)
}

func TestRedirects(t *testing.T) {
	s := &site{data: content("a", 1000), etag: `"a"`}
	there := serve(t, s)
	here := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, password, _ := r.BasicAuth(); password != "hunter2" || r.Header.Get("X-Key") != "hunter2" {
			http.Error(w, "who are you", http.StatusUnauthorized)
			return
		}
		if r.URL.Path == "/files/x.bin" {
			http.Redirect(w, r, "/second?token=hunter2", http.StatusFound)
			return
		}
		http.Redirect(w, r, there.String(), http.StatusTemporaryRedirect)
	}))
	job := jobFor(t, here)
	job.URL.User, job.URL.RawQuery = url.UserPassword("me", "hunter2"), "token=hunter2"
	job.Headers = map[string]string{"X-Key": "hunter2", "Cookie": "hunter2"}
	_, err := New(quick()).Fetch(t.Context(), job)
	wantGot(t, job, err, s.data)
	for _, h := range s.requests {
		for name, values := range h {
			if name == "Referer" || values[0] == "hunter2" || name == "Authorization" {
				t.Errorf("the other host was sent %s: %s", name, values)
			}
		}
	}
}

// secure is a server whose complaints about clients nobody reads.
func secure(t *testing.T, h http.Handler) *httptest.Server {
	t.Helper()
	srv := httptest.NewUnstartedServer(h)
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return srv
}

func TestTLS(t *testing.T) {
	s := &site{data: content("a", 1<<20), etag: `"a"`}
	srv := secure(t, s)
	u, err := url.Parse(srv.URL + "/x.bin")
	must(t, err)
	job := jobFor(t, u)
	_, err = New(quick()).Fetch(t.Context(), job)
	wantError(t, err, api.CodeSourceDown, "publish.ca_file", srv.URL)
	cfg := quick()
	cfg.CAs = srv.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	_, err = New(cfg).Fetch(t.Context(), job)
	wantGot(t, job, err, s.data)
	back := secure(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://127.0.0.1/x", http.StatusFound)
	}))
	if job.URL, err = url.Parse(back.URL); err != nil {
		t.Fatal(err)
	}
	job.Dir = t.TempDir()
	_, err = New(cfg).Fetch(t.Context(), job)
	wantError(t, err, api.CodeSourceDown, "https leads to http")
}

func TestProxy(t *testing.T) {
	s := &site{data: content("a", 1000), etag: `"a"`}
	proxy := serve(t, s)
	cfg := quick()
	cfg.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: proxy.Host})
	job := jobFor(t, &url.URL{Scheme: "http", Host: "files.invalid", Path: "/x"})
	_, err := New(cfg).Fetch(t.Context(), job)
	wantGot(t, job, err, s.data)
}
