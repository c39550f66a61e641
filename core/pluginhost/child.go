package pluginhost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/go-plugin/runner"
	"golang.org/x/sys/unix"
)

// drainTime is how long output is read on after the process ended: a program that
// it left behind in a session of its own may hold the pipe open for ever.
const drainTime = 250 * time.Millisecond

// maxHandshake bounds the first line on standard output, in bytes.
const maxHandshake = 16 << 10

// child is a driver's process and its process group. It is the runner with which
// go-plugin starts it.
type child struct {
	path     string // of the program
	cmd      *exec.Cmd
	lifeline *os.File // the process ends itself when this is closed
	theirs   []*os.File
	stdout   *os.File
	stderr   *os.File
	toPlugin *io.PipeReader // the handshake
	output   *output
	tmpDir   string // for the socket

	readers sync.WaitGroup
	ended   chan struct{} // closed when the process is gone, its group killed and its output read
	exit    error         // of the process, after ended

	mu        sync.Mutex
	reaped    bool // the process's number may be another's
	killed    string
	handshake string
}

var _ runner.Runner = (*child)(nil)

// newChild prepares the process of the open program; the caller keeps program.
func newChild(path string, program *os.File, env []string, tmpDir string, log *slog.Logger) (*child, error) {
	c := &child{path: path, output: &output{log: log}, tmpDir: tmpDir, ended: make(chan struct{})}
	var files [3]*os.File // of the process
	for i := range files {
		r, w, err := os.Pipe()
		if err != nil {
			c.close()
			return nil, err
		}
		if i == 0 {
			files[i], c.lifeline = r, w
		} else {
			files[i] = w
		}
		switch i {
		case 1:
			c.stdout = r
		case 2:
			c.stderr = r
		}
		c.theirs = append(c.theirs, files[i])
	}
	c.cmd = &exec.Cmd{
		Path: "/proc/self/fd/3", Args: []string{path}, Env: env, Dir: "/",
		Stdin: files[0], Stdout: files[1], Stderr: files[2],
		ExtraFiles:  []*os.File{program}, // becomes descriptor 3
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true},
	}
	return c, nil
}

// close closes what a process that was never started would have used.
func (c *child) close() {
	for _, f := range append(c.theirs, c.lifeline, c.stdout, c.stderr) {
		if f != nil {
			f.Close()
		}
	}
}

// Start implements runner.Runner, as do the exported methods below.
func (c *child) Start(context.Context) error {
	if err := c.cmd.Start(); err != nil {
		c.close()
		close(c.ended)
		return err
	}
	for _, f := range c.theirs {
		f.Close()
	}
	r, w := io.Pipe()
	c.toPlugin = r
	c.readers.Add(2)
	go c.readStdout(w)
	go c.readStderr()
	go c.reap()
	return nil
}

// readStdout hands the first line to go-plugin and throws away the rest, which
// nobody speaks by.
func (c *child) readStdout(w *io.PipeWriter) {
	defer c.readers.Done()
	defer w.Close()
	buffer := make([]byte, maxHandshake)
	n := 0
	for n < len(buffer) && !strings.Contains(string(buffer[:n]), "\n") {
		more, err := c.stdout.Read(buffer[n:])
		n += more
		if err != nil {
			break
		}
	}
	line, _, _ := strings.Cut(string(buffer[:n]), "\n")
	c.mu.Lock()
	c.handshake = line
	c.mu.Unlock()
	if n > 0 {
		_, _ = io.WriteString(w, line+"\n")
	}
	_, _ = io.Copy(io.Discard, c.stdout)
}

func (c *child) readStderr() {
	defer c.readers.Done()
	lines := &lineWriter{line: c.output.line}
	_, _ = io.Copy(lines, c.stderr)
	lines.end()
}

// reap waits for the process's end and kills what is left of its group. The
// group is killed before the process's number is given up.
func (c *child) reap() {
	pid := c.cmd.Process.Pid
	for {
		if err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil); !errors.Is(err, unix.EINTR) {
			break
		}
	}
	c.mu.Lock()
	_ = unix.Kill(-pid, unix.SIGKILL)
	err := c.cmd.Wait()
	c.reaped = true
	c.mu.Unlock()

	deadline := time.Now().Add(drainTime)
	_ = c.stdout.SetReadDeadline(deadline)
	_ = c.stderr.SetReadDeadline(deadline)
	c.readers.Wait()
	c.stdout.Close()
	c.stderr.Close()
	c.lifeline.Close()
	if c.tmpDir != "" {
		_ = os.RemoveAll(c.tmpDir)
	}
	c.exit = err
	close(c.ended)
}

// kill kills the process group; why is for people. Only the first why counts.
func (c *child) kill(why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reaped || c.cmd.Process == nil {
		return
	}
	if c.killed == "" {
		c.killed = why
	}
	_ = unix.Kill(-c.cmd.Process.Pid, unix.SIGKILL)
}

// said returns the first line on standard output.
func (c *child) said() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.handshake
}

// how tells how the process ended, and its last words. It is called after ended.
func (c *child) how() string {
	text := "it ended with exit status 0"
	if c.exit != nil {
		text = "it ended: " + c.exit.Error()
	}
	c.mu.Lock()
	if c.killed != "" && wasKilled(c.exit) { // it may have ended before the signal came
		text = "it was killed, as " + c.killed
	}
	c.mu.Unlock()
	if last := c.output.said(); last != "" {
		text += "; its last words: " + last
	}
	return text
}

func wasKilled(exit error) bool {
	failed := (*exec.ExitError)(nil)
	if !errors.As(exit, &failed) {
		return false
	}
	status, ok := failed.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// Wait returns when the process ended.
func (c *child) Wait(context.Context) error {
	<-c.ended
	return c.exit
}

// Kill is go-plugin's: a start that took too long, or an end that did.
func (c *child) Kill(context.Context) error {
	c.kill("it did not answer")
	return nil
}

// Diagnose has nothing to add.
func (c *child) Diagnose(context.Context) string { return "" }

// Stdout gives the handshake.
func (c *child) Stdout() io.ReadCloser { return c.toPlugin }

// Stderr gives nothing: it is read here, as go-plugin trusts what it parses.
func (c *child) Stderr() io.ReadCloser { return io.NopCloser(strings.NewReader("")) }

// Name is the program's path.
func (c *child) Name() string { return c.path }

// ID is the number of the process.
func (c *child) ID() string {
	if c.cmd.Process == nil {
		return ""
	}
	return strconv.Itoa(c.cmd.Process.Pid)
}

// PluginToHost accepts a socket in the process's own directory only.
func (c *child) PluginToHost(network, address string) (string, string, error) {
	if network != "unix" || filepath.Dir(address) != c.tmpDir {
		return "", "", fmt.Errorf("the driver listens on %s %q instead of a socket in %s", network, address, c.tmpDir)
	}
	return network, address, nil
}

// HostToPlugin changes nothing.
func (c *child) HostToPlugin(network, address string) (string, string, error) {
	return network, address, nil
}
