package download

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
)

// raw is a TCP server that answers the n-th request (from 0) with what the
// function writes, then ends the connection.
func raw(t *testing.T, answer func(n int, r *http.Request, w net.Conn)) *url.URL {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for n := 0; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			r, err := http.ReadRequest(bufio.NewReader(c))
			if err == nil {
				answer(n, r, c)
			}
			c.Close()
		}
	}()
	return &url.URL{Scheme: "http", Host: l.Addr().String(), Path: "/x", RawQuery: "token=hunter2"}
}

func crlf(lines ...string) string { return strings.Join(lines, "\r\n") }

// Servers that misbehave: the content comes out right, or an error says why not.
func TestRogueServers(t *testing.T) {
	data := content("a", 300_000)
	half := len(data) / 2
	ok := fmt.Sprintf("HTTP/1.1 200 OK\r\nETag: \"a\"\r\nAccept-Ranges: bytes\r\nContent-Length: %d\r\n\r\n", len(data))
	closing := "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
	send := func(w net.Conn, head string, body []byte) { _, _ = w.Write(append([]byte(head), body...)) }
	partial := func(from, to, total int, etag string) string {
		return fmt.Sprintf("HTTP/1.1 206 Partial Content\r\nETag: %s\r\nContent-Range: bytes %d-%d/%d\r\nContent-Length: %d\r\n\r\n", etag, from, to-1, total, to-from)
	}
	chunked := func(body []byte, end string) string {
		return fmt.Sprintf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n%s", len(body), body, end)
	}
	status := func(line string, more ...string) func(int, *http.Request, net.Conn) {
		return func(_ int, _ *http.Request, w net.Conn) {
			send(w, crlf(append([]string{"HTTP/1.1 " + line, "Content-Length: 0"}, append(more, "", "")...)...), nil)
		}
	}
	for _, c := range []struct {
		name    string
		answer  func(n int, r *http.Request, w net.Conn)
		checked bool
		want    []byte // nil for an error
		code    string
		says    string
	}{
		{name: "breaks off, then sends the rest", want: data, answer: func(n int, r *http.Request, w net.Conn) {
			if n == 0 {
				send(w, ok, data[:half])
				return
			}
			send(w, partial(half, len(data), len(data), `"a"`), data[half:])
		}},
		{name: "ignores the range", want: data, answer: func(n int, r *http.Request, w net.Conn) {
			if n == 0 {
				send(w, ok, data[:half])
				return
			}
			send(w, ok, data)
		}},
		{name: "sends another range", want: data, answer: func(n int, r *http.Request, w net.Conn) {
			switch {
			case n == 0:
				send(w, ok, data[:half])
			case r.Header.Get("Range") != "":
				send(w, partial(0, len(data), len(data), `"a"`), data)
			default:
				send(w, ok, data)
			}
		}},
		{name: "sends a range of another content", want: data, answer: func(n int, r *http.Request, w net.Conn) {
			switch {
			case n == 0:
				send(w, ok, data[:half])
			case r.Header.Get("Range") != "":
				send(w, partial(half, len(data), len(data), `"b"`), bytes.Repeat([]byte("b"), len(data)-half))
			default:
				send(w, ok, data)
			}
		}},
		{name: "sends less than the range, bit by bit", want: data, answer: func(n int, r *http.Request, w net.Conn) {
			if n == 0 {
				send(w, ok, data[:half])
				return
			}
			var from, to int
			_, _ = fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &from, &to)
			to = min(to+1, from+50_000)
			send(w, partial(from, to, len(data), `"a"`), data[from:to])
		}},
		{name: "has no range there", want: data, answer: func(n int, r *http.Request, w net.Conn) {
			switch {
			case n == 0:
				send(w, ok, data[:half])
			case r.Header.Get("Range") != "":
				send(w, "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\n\r\n", nil)
			default:
				send(w, ok, data)
			}
		}},
		{name: "always breaks off, no validators", code: api.CodeSourceDown, says: "breaks off", answer: func(n int, r *http.Request, w net.Conn) {
			send(w, fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", len(data)), data[:half])
		}},
		{name: "always another content", code: api.CodeSourceDown, says: "changed", answer: func(n int, r *http.Request, w net.Conn) {
			send(w, strings.Replace(ok, `"a"`, fmt.Sprintf(`"%d"`, n), 1), data[:half])
		}},
		{name: "sends too much", want: data, answer: func(n int, r *http.Request, w net.Conn) { send(w, ok, append(bytes.Clone(data), "more"...)) }},
		{name: "chunked", want: data, answer: func(n int, r *http.Request, w net.Conn) { send(w, chunked(data, "0\r\n\r\n"), nil) }},
		{name: "chunked and cut off", code: api.CodeSourceDown, says: "breaks off", answer: func(n int, r *http.Request, w net.Conn) { send(w, chunked(data, ""), nil) }},
		{name: "no length", code: api.CodeSourceDown, says: "checksum", answer: func(n int, r *http.Request, w net.Conn) { send(w, closing, data) }},
		{name: "no length, but a checksum", want: data, checked: true, answer: func(n int, r *http.Request, w net.Conn) { send(w, closing, data) }},
		{name: "gzip stays gzip", want: data, answer: func(n int, r *http.Request, w net.Conn) {
			if r.Header.Get("Accept-Encoding") == "identity" {
				send(w, strings.Replace(ok, "ETag", "Content-Encoding: gzip\r\nETag", 1), data)
			}
		}},
		{name: "busy, then not", want: data, answer: func(n int, r *http.Request, w net.Conn) {
			if n < 2 {
				status("503 Service Unavailable")(n, r, w)
				return
			}
			send(w, ok, data)
		}},
		{name: "always busy", code: api.CodeSourceDown, says: "503 Service Unavailable", answer: status("503 Service Unavailable")},
		{name: "not HTTP", code: api.CodeSourceDown, says: "malformed", answer: func(_ int, _ *http.Request, w net.Conn) { send(w, "SSH-2.0-OpenSSH_9.2\r\n", nil) }},
		{name: "nothing", code: api.CodeSourceDown, says: "EOF", answer: func(int, *http.Request, net.Conn) {}},
		{name: "endless header", code: api.CodeSourceDown, says: "header", answer: func(_ int, _ *http.Request, w net.Conn) {
			send(w, "HTTP/1.1 200 OK\r\nX: "+strings.Repeat("x", 1<<20), nil)
		}},
		{name: "not there", code: api.CodeSourceDown, says: "404 Not Found (check the URL)", answer: status("404 Not Found")},
		{name: "secret", code: api.CodeSourceDown, says: "401 Unauthorized (send credentials", answer: status("401 Unauthorized")},
		{name: "no content", code: api.CodeSourceDown, says: "204", answer: status("204 No Content")},
		{name: "not modified, though nobody asked", code: api.CodeSourceDown, says: "304", answer: status("304 Not Modified")},
		{name: "a part, though nobody asked", code: api.CodeSourceDown, says: "206", answer: func(n int, r *http.Request, w net.Conn) {
			send(w, partial(0, 10, len(data), `"a"`), data[:10])
		}},
		{name: "redirects to itself", code: api.CodeSourceDown, says: "more than 10 redirects", answer: status("302 Found", "Location: /x?token=hunter2")},
		{name: "redirects nowhere", code: api.CodeSourceDown, says: "302", answer: status("302 Found")},
		{name: "redirects to a file", code: api.CodeSourceDown, says: "unsupported protocol scheme", answer: status("302 Found", "Location: file:///etc/passwd")},
		{name: "redirects to nonsense", code: api.CodeSourceDown, says: "not a URL", answer: status("302 Found", "Location: http://%zz/?hunter2")},
	} {
		t.Run(c.name, func(t *testing.T) {
			job := jobFor(t, raw(t, c.answer))
			job.Checked = c.checked
			_, err := New(quick()).Fetch(t.Context(), job)
			if c.want != nil {
				wantGot(t, job, err, c.want)
				return
			}
			wantError(t, err, c.code, job.URL.Host+"/x: ", c.says)
		})
	}
}

func TestSilentServer(t *testing.T) {
	cfg := quick()
	cfg.Silence = 50 * time.Millisecond
	ended := make(chan struct{})
	t.Cleanup(func() { close(ended) })
	for _, head := range []string{"", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nbegin"} {
		job := jobFor(t, raw(t, func(_ int, _ *http.Request, w net.Conn) {
			_, _ = w.Write([]byte(head))
			_, _ = w.Read(make([]byte, 1)) // until the client has gone
		}))
		_, err := New(cfg).Fetch(t.Context(), job)
		wantError(t, err, api.CodeSourceDown, "sends nothing")
	}
}

// A byte now and then does not count.
func TestCrawlingServer(t *testing.T) {
	cfg := quick()
	cfg.Silence = 50 * time.Millisecond
	job := jobFor(t, raw(t, func(_ int, _ *http.Request, w net.Conn) {
		_, err := w.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"))
		for ; err == nil; time.Sleep(5 * time.Millisecond) { // not to synchronise: it is what is tested
			_, err = w.Write([]byte("x"))
		}
	}))
	_, err := New(cfg).Fetch(t.Context(), job)
	wantError(t, err, api.CodeSourceDown, "next to nothing")
}

func TestNobodyListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	u := &url.URL{Scheme: "http", Host: l.Addr().String(), Path: "/x"}
	l.Close()
	_, err = New(quick()).Fetch(t.Context(), jobFor(t, u))
	wantError(t, err, api.CodeSourceDown, "connection refused", u.Host)
	_, err = New(quick()).Look(t.Context(), u, nil)
	wantError(t, err, api.CodeSourceDown, "connection refused")
}

func TestNoSpaceForIt(t *testing.T) {
	job := jobFor(t, raw(t, func(_ int, _ *http.Request, w net.Conn) {
		_, _ = w.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 4000000000000000000\r\n\r\nbegin"))
	}))
	_, err := New(quick()).Fetch(t.Context(), job)
	wantError(t, err, api.CodeNoSpace, "available")
	if len(job.read(t)) != 0 {
		t.Error("something was written")
	}
}

// What is kept of a download is not believed blindly.
func TestDamagedProgress(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, j Job){
		"no JSON": func(t *testing.T, j Job) {
			must(t, os.WriteFile(filepath.Join(j.Dir, progressName), []byte("{"), 0o600))
		},
		"the file is shorter": func(t *testing.T, j Job) {
			must(t, os.Truncate(filepath.Join(j.Dir, j.Name), 10))
		},
		"of another version": func(t *testing.T, j Job) {
			must(t, os.WriteFile(filepath.Join(j.Dir, progressName), []byte(`{"version":{"etag":"\"z\"","size":1048576},"done":[{"from":0,"to":1048575}]}`), 0o600))
			must(t, os.WriteFile(filepath.Join(j.Dir, j.Name), make([]byte, 1<<20), 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := &site{data: content("a", 1<<20), etag: `"a"`}
			job := jobFor(t, serve(t, s))
			_, err := New(quick()).Fetch(t.Context(), job)
			wantGot(t, job, err, s.data)
			damage(t, job)
			_, err = New(quick()).Fetch(t.Context(), job)
			wantGot(t, job, err, s.data)
		})
	}
}
