package storetest

import (
	"context"
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
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

var inMemory = []string{"--save", "", "--appendonly", "no"}

// StartRedis starts a server on a free loopback port; args are settings as on
// redis-server's command line, such as "--requirepass", "x". It keeps nothing on
// disk unless args say so, and then in a directory of the test. The test fails if Redis is not installed.
func StartRedis(t testing.TB, args ...string) *Redis {
	t.Helper()
	port := FreePort(t)
	return start(t, "redis", port, nil, slices.Concat([]string{"--port", port}, inMemory, args))
}

// StartRedisTLS is StartRedis with mutual TLS only; the client's side is in TLS.
func StartRedisTLS(t testing.TB, args ...string) *Redis {
	t.Helper()
	port := FreePort(t)
	p := NewPKI(t)
	security := []string{
		"--port", "0", "--tls-port", port, "--tls-auth-clients", "yes",
		"--tls-ca-cert-file", p.CAFile, "--tls-cert-file", p.CertFile, "--tls-key-file", p.KeyFile,
	}
	return start(t, "rediss", port, p.Client, slices.Concat(security, inMemory, args))
}

// startSentinel starts Redis as a Sentinel, which needs a file to write its
// configuration to.
func startSentinel(t testing.TB) *Redis {
	t.Helper()
	port := FreePort(t)
	file := filepath.Join(t.TempDir(), "sentinel.conf")
	must(t, os.WriteFile(file, nil, 0o600))
	return start(t, "redis", port, nil, []string{file, "--port", port, "--sentinel"})
}

func start(t testing.TB, scheme, port string, client *tls.Config, args []string) *Redis {
	t.Helper()
	if _, err := os.Stat(Binary); err != nil {
		t.Fatalf("%s is missing: install the Debian package redis-server (apt-get install redis-server)", Binary)
	}
	r := &Redis{Addr: net.JoinHostPort("127.0.0.1", port), TLS: client, t: t, dir: t.TempDir()}
	r.URL = scheme + "://" + r.Addr
	r.args = append(slices.Clone(args), "--bind", "127.0.0.1", "--dir", r.dir, "--logfile", filepath.Join(r.dir, "redis.log"))
	r.Restart()
	t.Cleanup(r.Kill)
	return r
}

// Restart starts the server, on the same address, after Stop or Kill.
func (r *Redis) Restart() {
	r.t.Helper()
	started := make(chan error)
	r.exited = make(chan struct{})
	go r.run(exec.Command(Binary, r.args...), started)
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
func (r *Redis) Kill() {
	_ = r.process.Kill() // an error says that it has ended
	<-r.exited
}

// Freeze stops the process without closing its connections; Thaw continues it.
func (r *Redis) Freeze() { _ = r.process.Signal(syscall.SIGSTOP) }

// Thaw undoes Freeze.
func (r *Redis) Thaw() { _ = r.process.Signal(syscall.SIGCONT) }

// FreePort returns a loopback port that nobody listens on now, and that no other
// test is given before this one ends. It lies below the range that Linux takes
// for outgoing connections, so that a server can come back to it.
func FreePort(t testing.TB) string {
	t.Helper()
	for range 100 {
		port := strconv.Itoa(20000 + rand.IntN(12000))
		addr := net.JoinHostPort("127.0.0.1", port)
		// The UDP port of the same number tells other tests that it is taken.
		taken, err := net.ListenPacket("udp", addr)
		if err != nil {
			continue
		}
		l, err := net.Listen("tcp", addr)
		if err != nil {
			taken.Close()
			continue
		}
		l.Close()
		t.Cleanup(func() { taken.Close() })
		return port
	}
	t.Fatal("no free port between 20000 and 32000 on 127.0.0.1")
	return ""
}
