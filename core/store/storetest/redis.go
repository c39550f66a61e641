package storetest

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// Binary is Debian's Redis server.
const Binary = "/usr/bin/redis-server"

const startTimeout = 20 * time.Second

// Redis is a Redis server process of its own, on a loopback address, that ends
// with the test.
type Redis struct {
	URL  string // redis:// or rediss://, without credentials
	Addr string // host:port
	// TLS is what a client needs, nil for plain TCP.
	TLS *tls.Config

	t    testing.TB
	dir  string
	args []string

	process *os.Process
	exited  chan struct{}
}

// StartRedis starts a server on a free loopback port; args are settings as on
// redis-server's command line, such as "--requirepass", "x". It keeps nothing on
// disk unless args say so. The test fails if Redis is not installed.
func StartRedis(t testing.TB, args ...string) *Redis {
	t.Helper()
	port := FreePort(t)
	return start(t, "redis", port, nil, append([]string{"--port", port}, args...))
}

// StartRedisTLS is StartRedis with mutual TLS only; the client's side is in TLS.
func StartRedisTLS(t testing.TB, args ...string) *Redis {
	t.Helper()
	port := FreePort(t)
	p := NewPKI(t)
	args = append([]string{
		"--port", "0", "--tls-port", port, "--tls-auth-clients", "yes",
		"--tls-ca-cert-file", p.CAFile, "--tls-cert-file", p.CertFile, "--tls-key-file", p.KeyFile,
	}, args...)
	return start(t, "rediss", port, p.Client, args)
}

func start(t testing.TB, scheme, port string, client *tls.Config, args []string) *Redis {
	t.Helper()
	if _, err := os.Stat(Binary); err != nil {
		t.Fatalf("%s is missing: install the Debian package redis-server (apt-get install redis-server)", Binary)
	}
	r := &Redis{Addr: net.JoinHostPort("127.0.0.1", port), TLS: client, t: t, dir: t.TempDir(), args: args}
	r.URL = scheme + "://" + r.Addr
	r.Restart()
	t.Cleanup(r.Kill)
	return r
}

// Restart starts the server, on the same address, after Stop or Kill.
func (r *Redis) Restart() {
	r.t.Helper()
	args := append([]string{
		"--bind", "127.0.0.1", "--dir", r.dir, "--logfile", filepath.Join(r.dir, "redis.log"),
		"--save", "", "--appendonly", "no", "--daemonize", "no",
	}, r.args...)
	started := make(chan error)
	r.exited = make(chan struct{})
	go r.run(exec.Command(Binary, args...), started)
	if err := <-started; err != nil {
		r.t.Fatalf("start %s: %v", Binary, err)
	}
	r.await()
}

// run keeps its thread for as long as the process lives, because the kernel ends
// the process with the thread that started it: so none outlives the tests.
func (r *Redis) run(cmd *exec.Cmd, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(r.exited)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	err := cmd.Start()
	r.process = cmd.Process
	started <- err
	if err == nil {
		_ = cmd.Wait() // killed, as a rule
	}
}

// await returns when the server accepts connections.
func (r *Redis) await() {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	for {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", r.Addr)
		if err == nil {
			c.Close()
			return
		}
		select {
		case <-r.exited:
			r.t.Fatalf("redis-server ended at once: %s", r.log())
		case <-ctx.Done():
			r.t.Fatalf("redis-server does not accept connections on %s: %s", r.Addr, r.log())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (r *Redis) log() string {
	text, err := os.ReadFile(filepath.Join(r.dir, "redis.log"))
	if err != nil {
		return fmt.Sprintf("no log: %v", err)
	}
	return string(text)
}

// Kill ends the server at once (SIGKILL), if it runs.
func (r *Redis) Kill() { r.end(syscall.SIGKILL) }

// Stop ends the server in good order (SIGTERM), if it runs.
func (r *Redis) Stop() { r.end(syscall.SIGTERM) }

// Freeze stops the process without closing its connections; Thaw continues it.
func (r *Redis) Freeze() { _ = r.process.Signal(syscall.SIGSTOP) }

// Thaw undoes Freeze.
func (r *Redis) Thaw() { _ = r.process.Signal(syscall.SIGCONT) }

func (r *Redis) end(sig syscall.Signal) {
	_ = r.process.Signal(sig) // an error says that it has ended
	<-r.exited
}

// FreePort returns a loopback port that nobody listens on now.
func FreePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("find a free port: %v", err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatalf("find a free port: %v", err)
	}
	return port
}
