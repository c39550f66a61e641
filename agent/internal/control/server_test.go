package control_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/rackswarm/rackswarm/agent/internal/control"
	"github.com/rackswarm/rackswarm/agent/internal/pki"
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/client"
)

func TestRolesOnMutualTLS(t *testing.T) {
	certs := newCertificates(t)
	f := serve(t, certs.listen)
	f.node("web1", "ams1/r1", nil)
	digest := f.artifact(1)
	d := api.Distribution{Name: "app", Digest: digest, Path: "/srv/app"}

	for _, role := range []pki.Role{pki.RoleReader, pki.RoleNode} {
		c := certs.as(f, role)
		if _, err := c.Nodes(f.ctx); err != nil {
			t.Errorf("%s cannot read: %v", role, err)
		}
		_, err := c.PutDistribution(f.ctx, d)
		wantError(t, err, api.CodeForbidden, "someone-"+string(role))
		wantError(t, c.DeleteArtifact(f.ctx, digest), api.CodeForbidden, "someone-"+string(role))
	}
	_, err := certs.as(f, pki.RoleOperator).PutDistribution(f.ctx, d)
	f.must(err)
}

func TestForeignCertificates(t *testing.T) {
	certs, foreign := newCertificates(t), newCertificates(t)
	f := serve(t, certs.listen)

	stranger := foreign.issue("someone", pki.RoleOperator)
	mine := certs.issue("me", pki.RoleOperator)
	for name, files := range map[string][3]string{
		"the server is not ours":  {stranger.CA, stranger.Cert, stranger.Key},
		"we are not the server's": {mine.CA, stranger.Cert, stranger.Key},
	} {
		conf, err := client.LoadTLS(files[0], files[1], files[2])
		f.must(err)
		_, err = f.dial(client.Config{Endpoints: []string{"https://" + f.addr}, TLS: conf}).Nodes(f.ctx)
		t.Run(name, func(t *testing.T) {
			e := wantError(t, err, api.CodeUnreachable, "https://"+f.addr)
			if !strings.Contains(e.Fix, "certificate") {
				t.Errorf("fix %q", e.Fix)
			}
		})
	}
}

func TestSocketBelongsToOneAgent(t *testing.T) {
	f := serve(t, nil)
	_, err := control.New(control.Config{Store: f.store, Socket: f.socket})
	wantError(t, err, api.CodeConflict, f.socket)
	info, err := os.Stat(f.socket)
	f.must(err)
	if info.Mode().Perm() != 0o660 {
		t.Errorf("mode %v", info.Mode())
	}
	f.stop()
	if _, err := os.Stat(f.socket); !os.IsNotExist(err) {
		t.Errorf("the socket stays: %v", err)
	}
}

func TestStaleSocketIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sub", "agent.sock")
	if err := os.Mkdir(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	dead.Close()
	f := serve(t, func(c *control.Config) { c.Socket = path })
	_, err = f.client.Info(f.ctx)
	f.must(err)
}

func TestSocketOverSomethingElse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.sock")
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	st, _ := openStore(t)
	_, err := control.New(control.Config{Store: st, Socket: path})
	wantError(t, err, api.CodeInvalid, path)
	if text, _ := os.ReadFile(path); string(text) != "mine" {
		t.Error("the file is gone")
	}
}

func TestListenNeedsCertificates(t *testing.T) {
	st, _ := openStore(t)
	_, err := control.New(control.Config{Store: st, Listen: "127.0.0.1:0"})
	wantError(t, err, api.CodeInvalid, "api.listen")
}

// Requests that the client would not send.
func TestMalformedRequests(t *testing.T) {
	f := serve(t, nil)
	f.node("web1", "ams1/r1", nil)
	http := socketHTTP(f.socket)
	for _, c := range []struct {
		name, method, path, body string
		status                   int
		want                     string // in the answer
	}{
		{"unknown field", "PUT", "/v1/distributions/app", `{"pth": "/srv"}`, 400, `"subject":"pth"`},
		{"wrong type", "PUT", "/v1/distributions/app", `{"selector": {"locations": "ams1"}}`, 400, `"subject":"selector.locations"`},
		{"no JSON", "PUT", "/v1/distributions/app", `{`, 400, "invalid"},
		{"empty", "PUT", "/v1/distributions/app", ``, 400, "is empty"},
		{"two values", "PUT", "/v1/distributions/app", `{} {}`, 400, "more than one"},
		{"too large", "PUT", "/v1/distributions/app", `{"path": "` + strings.Repeat("x", 1<<20) + `"}`, 400, "larger than"},
		{"two names", "PUT", "/v1/distributions/app", `{"name": "web"}`, 400, `"subject":"name"`},
		{"content", "DELETE", "/v1/distributions/app?content=burn", ``, 400, `"subject":"content"`},
		{"until", "GET", "/v1/distributions/app/events?until=never", ``, 400, `"subject":"until"`},
		{"method", "PATCH", "/v1/distributions/app", ``, 404, "not_found"},
		{"path", "GET", "/v2/agent", ``, 404, "not_found"},
		{"relative source", "POST", "/v1/artifacts", `{"source": "x"}`, 400, `"subject":"source"`},
		{"no publisher", "POST", "/v1/artifacts", `{"source": "/x"}`, 422, "publish.key"},
		{"stream kind", "POST", "/v1/artifacts/stream?name=x&kind=zip", ``, 400, `"subject":"kind"`},
		{"stream name", "POST", "/v1/artifacts/stream?kind=file", ``, 400, `"subject":"name"`},
		{"piece size", "POST", "/v1/artifacts/stream?name=x&kind=file&piece_size=1000", ``, 400, `"subject":"piece_size"`},
		{"mode of a tree", "POST", "/v1/artifacts/stream?name=x&kind=tree&mode=0755", ``, 400, `"subject":"mode"`},
		{"mode is too large", "POST", "/v1/artifacts/stream?name=x&kind=file&mode=10000", ``, 400, `"subject":"mode"`},
		{"piece size is text", "POST", "/v1/artifacts/stream?name=x&kind=file&piece_size=big", ``, 400, `"subject":"piece_size"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, body := exchange(t, http, c.method, c.path, c.body)
			if status != c.status || !strings.Contains(body, c.want) || !strings.Contains(body, `"fix":"`) {
				t.Fatalf("%d %s; want %d and %q", status, body, c.status, c.want)
			}
		})
	}
}

func socketHTTP(socket string) *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		}}}
}

func exchange(t *testing.T, c *http.Client, method, path, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://agent"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// A user who is none of root, the agent's own and the socket's group is refused
// even where the file's mode lets him connect.
func TestStrangerOnTheSocket(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to become somebody else")
	}
	f := serve(t, nil)
	for dir := filepath.Dir(f.socket); dir != "/tmp" && dir != "/"; dir = filepath.Dir(dir) {
		f.must(os.Chmod(dir, 0o755))
	}
	f.must(os.Chmod(f.socket, 0o666))
	const nobody = 65534
	http := &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		var c net.Conn
		err := asUser(nobody, nobody, func() (err error) {
			c, err = net.Dial("unix", f.socket)
			return err
		})
		return c, err
	}}}
	status, body := exchange(t, http, "GET", "/v1/agent", "")
	if status != 403 || !strings.Contains(body, "forbidden") {
		t.Fatalf("%d %s", status, body)
	}
}

// asUser runs fn with the effective user and group of the calling thread only,
// which is what the kernel notes of a connection.
func asUser(uid, gid uintptr, fn func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with its goroutine
		const keep = ^uintptr(0)
		if _, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, 0, 0, 0); errno != 0 {
			done <- errno
			return
		}
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESGID, keep, gid, keep); errno != 0 {
			done <- errno
			return
		}
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, keep, uid, keep); errno != 0 {
			done <- errno
			return
		}
		done <- fn()
	}()
	return <-done
}

// Strangers who connect and say nothing push out each other, the oldest first,
// and keep nobody away who has a certificate.
func TestSilentStrangersMakeRoom(t *testing.T) {
	certs := newCertificates(t)
	f := serve(t, certs.listen)
	conf, err := client.LoadTLS(tlsFiles(certs.issue("me", pki.RoleReader)))
	f.must(err)
	conf.ServerName = "127.0.0.1"
	var strangers []net.Conn
	for range control.MaxHalfOpen {
		c, err := net.Dial("tcp", f.addr)
		f.must(err)
		defer c.Close()
		strangers = append(strangers, c)
	}
	_, err = certs.as(f, pki.RoleReader).Nodes(f.ctx)
	f.must(err)
	if err := tls.Client(strangers[0], conf).HandshakeContext(f.ctx); err == nil {
		t.Error("the oldest is still connected")
	}
	f.must(tls.Client(strangers[1], conf).HandshakeContext(f.ctx))
}

func tlsFiles(f pki.IssuedFiles) (ca, cert, key string) { return f.CA, f.Cert, f.Key }
