package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
)

// agent is an HTTP server on a unix socket that answers as the test says.
func agent(t *testing.T, h http.HandlerFunc) (endpoint string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(func() { srv.Close() })
	return "unix://" + path
}

func dial(t *testing.T, endpoints ...string) *Client {
	t.Helper()
	c, err := New(Config{Endpoints: endpoints})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func apiError(t *testing.T, err error, code string) *api.Error {
	t.Helper()
	var e *api.Error
	if !errors.As(err, &e) || e.Code != code {
		t.Fatalf("error %v; want code %s", err, code)
	}
	return e
}

func TestEndpoints(t *testing.T) {
	for _, bad := range []string{"", "/run/agent.sock", "unix://", "unix://host/path", "http://host:1", "https://host", "https://:1",
		"https://host:1/path", "https://user@host:1", "https://host:1?x=y", "ftp://x", "https://%zz", "https://host:1"} {
		_, err := New(Config{Endpoints: []string{bad}})
		e := apiError(t, err, api.CodeInvalid)
		if e.Subject != bad || e.Fix == "" {
			t.Errorf("%q: %+v", bad, e)
		}
	}
	c := dial(t)
	if len(c.endpoints) != 1 || c.endpoints[0].name != DefaultEndpoint {
		t.Errorf("without endpoints: %+v", c.endpoints)
	}
}

func TestNoAgentAnswers(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free := "https://" + l.Addr().String()
	l.Close()
	none := "unix://" + filepath.Join(t.TempDir(), "none")
	conf, err := TLSFromPEM(testCA, testCert, testKey)
	if err != nil {
		t.Fatal(err)
	}
	c, err := New(Config{Endpoints: []string{none, free}, TLS: conf})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Nodes(t.Context())
	e := apiError(t, err, api.CodeUnreachable)
	if !strings.Contains(e.Subject, none) || !strings.Contains(e.Subject, free) || !strings.Contains(e.Message, "connection refused") ||
		!strings.Contains(e.Message, "no such file") || !strings.Contains(e.Fix, "rackswarm agent") {
		t.Errorf("%+v", e)
	}
	if !errors.Is(err, os.ErrNotExist) {
		t.Error("the cause is lost")
	}
}

func TestNextEndpointAnswers(t *testing.T) {
	var calls atomic.Int32
	good := agent(t, func(w http.ResponseWriter, _ *http.Request) {
		calls.Add(1)
		_ = json.NewEncoder(w).Encode(api.NodeList{Nodes: []api.Node{{Name: "web1"}}})
	})
	c := dial(t, "unix://"+filepath.Join(t.TempDir(), "none"), good)
	for range 2 {
		nodes, err := c.Nodes(t.Context())
		if err != nil || len(nodes) != 1 {
			t.Fatalf("%v, %v", nodes, err)
		}
	}
	if calls.Load() != 2 || c.good.Load() != 1 {
		t.Errorf("%d calls, endpoint %d", calls.Load(), c.good.Load())
	}
}

// A stream that was begun is not sent to another agent: its start is gone.
func TestBegunStreamIsNotRepeated(t *testing.T) {
	breaking := agent(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadFull(r.Body, make([]byte, 5))
		panic(http.ErrAbortHandler)
	})
	c := dial(t, breaking, agent(t, func(http.ResponseWriter, *http.Request) { t.Error("the second agent was asked") }))
	_, err := c.PublishStream(t.Context(), "x", "file", 0, strings.NewReader(strings.Repeat("x", 1<<20)), nil)
	apiError(t, err, api.CodeUnreachable)
	c = dial(t, "unix://"+filepath.Join(t.TempDir(), "none"), agent(t, func(w http.ResponseWriter, r *http.Request) {
		got, _ := io.ReadAll(r.Body)
		_, _ = io.WriteString(w, "event: result\ndata: {\"digest\":\""+string(got)+"\"}\n\n")
	}))
	a, err := c.PublishStream(t.Context(), "x", "file", 0, strings.NewReader("whole"), nil)
	if err != nil || a.Digest != "whole" {
		t.Errorf("%+v, %v", a, err)
	}
}

func TestAnswersThatAreNotOurs(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		body   string
		code   string
	}{
		{"our error", 409, `{"error": {"code": "conflict", "message": "m"}}`, api.CodeConflict},
		{"a page", 502, `<html>bad gateway</html>`, api.CodeInternal},
		{"an empty error", 404, `{}`, api.CodeInternal},
		{"not JSON", 200, `<html>`, api.CodeInternal},
	} {
		t.Run(c.name, func(t *testing.T) {
			cl := dial(t, agent(t, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			}))
			_, err := cl.Nodes(t.Context())
			apiError(t, err, c.code)
		})
	}
}

func TestCanceled(t *testing.T) {
	c := dial(t, agent(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := c.Nodes(ctx)
	apiError(t, err, api.CodeCanceled)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

// A stream that ends early is an error, not a result.
func TestPublicationBreaksOff(t *testing.T) {
	for _, body := range []string{"", ": alive\n\n", "event: progress\ndata: {\"done\": 5}\n\n", "event: result\ndata: {\"dig", "event: result\ndata: [\n\n",
		"event: error\ndata: {}\n\n", "event: error\ndata: x\n\n"} {
		c := dial(t, agent(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }))
		_, err := c.Publish(t.Context(), api.PublishRequest{Source: "/x"}, nil)
		if e := apiError(t, err, api.CodeUnreachable); e.Fix == "" {
			t.Errorf("%q: %+v", body, e)
		}
	}
}

// A watch takes broken connections up again, until the caller has enough.
func TestWatchTakesUpAgain(t *testing.T) {
	var calls atomic.Int32
	c := dial(t, agent(t, func(w http.ResponseWriter, _ *http.Request) {
		n := calls.Add(1)
		if n == 2 {
			w.WriteHeader(http.StatusServiceUnavailable)
			_ = json.NewEncoder(w).Encode(api.ErrorBody{Error: &api.Error{Code: api.CodeStoreDown}})
			return
		}
		st := api.Status{Summary: api.Summary{Targets: int(n), Done: n == 3}}
		text, _ := json.Marshal(st)
		_, _ = io.WriteString(w, "event: news\ndata: x\n\nevent: status\ndata: "+string(text)+"\n\n")
	}))
	var seen []int
	err := c.Watch(t.Context(), "app", true, func(st api.Status) error {
		seen = append(seen, st.Summary.Targets)
		return nil
	})
	if err != nil || len(seen) != 2 || seen[0] != 1 || seen[1] != 3 {
		t.Errorf("saw %v, %v", seen, err)
	}
}

// What the store does not answer at first is waited for by who has had an answer
// before, and is an error to who has not: that one may ask the wrong agents.
func TestWatchOutlastsTheStore(t *testing.T) {
	for name, c := range map[string]struct {
		answered, asks bool // by the configuration; another call comes first
		outlasts       bool
	}{
		"nobody has answered":        {},
		"another call was answered":  {asks: true, outlasts: true},
		"somebody else was answered": {answered: true, outlasts: true},
		"both this one and another":  {answered: true, asks: true, outlasts: true},
	} {
		t.Run(name, func(t *testing.T) {
			var watches atomic.Int32
			at := agent(t, func(w http.ResponseWriter, r *http.Request) {
				switch {
				case !strings.HasSuffix(r.URL.Path, "/events"):
					_, _ = io.WriteString(w, "{}")
				case watches.Add(1) == 1:
					w.WriteHeader(http.StatusServiceUnavailable)
					_ = json.NewEncoder(w).Encode(api.ErrorBody{Error: &api.Error{Code: api.CodeStoreDown}})
				default:
					_, _ = io.WriteString(w, "event: status\ndata: {\"summary\":{\"done\":true}}\n\n")
				}
			})
			cl, err := New(Config{Endpoints: []string{at}, Answered: c.answered})
			if err != nil {
				t.Fatal(err)
			}
			defer cl.Close()
			if c.asks {
				if _, err := cl.Limits(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			err = cl.Watch(t.Context(), "app", true, func(api.Status) error { return nil })
			if outlasted := err == nil; outlasted != c.outlasts {
				t.Errorf("the watch ended with %v", err)
			}
		})
	}
}

// A request for a run that an agent took and did not answer is asked of the next
// one under the same ID, so that there is one run.
func TestRunAskedOfTwoAgentsIsOne(t *testing.T) {
	asked := make(chan string, 9)
	read := func(r *http.Request) string {
		var req api.RunRequest
		if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
			t.Error(err)
		}
		asked <- req.ID
		return req.ID
	}
	breaking := agent(t, func(_ http.ResponseWriter, r *http.Request) {
		read(r)
		panic(http.ErrAbortHandler)
	})
	c := dial(t, breaking, agent(t, func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(api.Run{ID: read(r), Phase: api.RunPlanned})
	}))
	run, err := c.CreateRun(t.Context(), api.RunRequest{Database: strings.Repeat("long-name-", 9), Source: "db1"})
	if err != nil {
		t.Fatal(err)
	}
	if first, second := <-asked, <-asked; first != second || run.ID != first {
		t.Errorf("asked for %q, then %q; got %q", first, second, run.ID)
	}
	if len(run.ID) > 60 || !strings.HasPrefix(run.ID, "long-name-long") {
		t.Errorf("the ID is %q", run.ID)
	}
}

func TestStatusesEndWithTheCallersContext(t *testing.T) {
	c := dial(t, agent(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "event: status\ndata: {\"summary\":{\"targets\":7}}\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	statuses, ended := c.Statuses(ctx, "app")
	select {
	case st := <-statuses:
		if st.Summary.Targets != 7 {
			t.Errorf("got %+v", st.Summary)
		}
	case err := <-ended:
		t.Fatalf("ended before a status came: %v", err)
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
}

func TestNames(t *testing.T) {
	var path string
	c := dial(t, agent(t, func(w http.ResponseWriter, r *http.Request) {
		path = r.URL.EscapedPath()
		_, _ = io.WriteString(w, "{}")
	}))
	for _, bad := range []string{"", ".", ".."} {
		_, err := c.Distribution(t.Context(), bad)
		apiError(t, err, api.CodeInvalid)
	}
	if _, err := c.Distribution(t.Context(), "a/../b?c"); err != nil || path != "/v1/distributions/a%2F..%2Fb%3Fc" {
		t.Errorf("asked for %s, %v", path, err)
	}
}

func TestLoadTLS(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	ca, cert, key, junk := write("ca", testCA), write("cert", testCert), write("key", testKey), write("junk", "junk")
	if _, err := LoadTLS(ca, cert, key); err != nil {
		t.Fatal(err)
	}
	for _, files := range [][3]string{{filepath.Join(dir, "none"), cert, key}, {junk, cert, key}, {ca, junk, key}, {ca, cert, junk}, {ca, key, cert}} {
		_, err := LoadTLS(files[0], files[1], files[2])
		if e := apiError(t, err, api.CodeInvalid); e.Subject == "" || e.Fix == "" {
			t.Errorf("%v: %+v", files, e)
		}
	}
}

func TestReadEvents(t *testing.T) {
	long := strings.Repeat("x", 200_000)
	text := ": alive\n\nevent: a\ndata: 1\n\nevent:b\r\ndata:2\r\ndata: 3\r\n\r\nid: 7\nevent: c\ndata: " + long + "\n\nevent: torn\n"
	r := bufio.NewReaderSize(strings.NewReader(text), 16)
	lines := 0
	for _, want := range []event{{"a", []byte("1")}, {"b", []byte("23")}, {"c", []byte(long)}} {
		e, err := readEvent(r, func() { lines++ })
		if err != nil || e.name != want.name || string(e.data) != string(want.data) {
			t.Fatalf("event %q of %d bytes, %v; want %q", e.name, len(e.data), err, want.name)
		}
	}
	if _, err := readEvent(r, func() { lines++ }); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("torn event: %v", err)
	}
	if lines != 14 {
		t.Errorf("%d lines", lines)
	}
}

// No input makes the reader panic, or give an event without a name.
func FuzzReadEvent(f *testing.F) {
	for _, seed := range []string{"event: a\ndata: 1\n\n", "\n\n:\n", "data: x\n\nevent:\n\n", "event: a\r\n\r\n", "event"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r := bufio.NewReaderSize(strings.NewReader(text), 16)
		for left := len(text); ; left-- {
			e, err := readEvent(r, func() {})
			if err != nil {
				return
			}
			if e.name == "" || left < 0 {
				t.Fatalf("event %+v", e)
			}
		}
	})
}
