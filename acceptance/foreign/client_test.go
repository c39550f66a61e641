package foreign

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/fleet"
)

// patience is how long anything may take on a busy machine.
const patience = time.Minute

// clients are the programs that take part.
var clients = []program{
	{"anacrolix", startAnacrolix, true},
	{"libtorrent", startLibtorrent, false},
}

type program struct {
	name  string
	start func(t *testing.T, torrent, dir string, seed bool) *client
	// ownDir: a single file is in a directory of its name, as files of a tree are.
	ownDir bool
}

// place is where the program has the content called name.
func (p program) place(dir, shape, name string) string {
	if p.ownDir && shape == "file" {
		return filepath.Join(dir, name, name)
	}
	return filepath.Join(dir, name)
}

// client is a program that moves one torrent and is spoken with in lines.
type client struct {
	t     *testing.T
	addr  string // where it listens
	in    io.WriteCloser
	lines chan string
	log   *lockedBuffer
}

// lockedBuffer is what a program writes to its standard error.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// start runs a program until the test ends, and waits until it listens.
func start(t *testing.T, cmd *exec.Cmd) *client {
	t.Helper()
	c := &client{t: t, lines: make(chan string, 100), log: &lockedBuffer{}}
	cmd.Stderr = c.log
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if c.in, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		defer close(c.lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			c.lines <- s.Text()
		}
	}()
	t.Cleanup(func() {
		c.in.Close()
		end := time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Kill() })
		<-read
		_ = cmd.Wait()
		end.Stop()
		if t.Failed() {
			t.Logf("%s wrote:\n%s", filepath.Base(cmd.Path), c.log)
		}
	})
	c.addr = strings.TrimPrefix(c.await("ready "), "ready ")
	return c
}

// await returns the next line that begins so.
func (c *client) await(prefix string) string {
	c.t.Helper()
	for timeout := time.After(patience); ; {
		select {
		case line, ok := <-c.lines:
			if !ok {
				c.t.Fatalf("the client ended before it said %q", prefix)
			}
			if strings.HasPrefix(line, prefix) {
				return line
			}
		case <-timeout:
			c.t.Fatalf("the client did not say %q within %s", prefix, patience)
		}
	}
}

// meet has the client connect to an agent.
func (c *client) meet(a *fleet.Agent) {
	c.t.Helper()
	if _, err := fmt.Fprintf(c.in, "fetch %s\n", a.DataAddr); err != nil {
		c.t.Fatal(err)
	}
}

func startAnacrolix(t *testing.T, torrent, dir string, seed bool) *client {
	t.Helper()
	program := fleet.BinaryOf(t, "acceptance/interop", "cmd/anacrolix-peer") // its module has other versions
	return start(t, exec.Command(program, "-torrent", torrent, "-dir", dir, "-listen", "127.0.0.1:0", fmt.Sprintf("-seed=%v", seed)))
}

func startLibtorrent(t *testing.T, torrent, dir string, seed bool) *client {
	t.Helper()
	role := "fetch"
	if seed {
		role = "seed"
	}
	// Debian's module is for Debian's Python.
	return start(t, exec.Command("/usr/bin/python3", filepath.Join("testdata", "libtorrent_peer.py"), torrent, dir, "127.0.0.1:0", role))
}
