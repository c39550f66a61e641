package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// process is a program of a round. It ends with the round, or with the bench,
// however that ends.
type process struct {
	name   string
	cmd    *exec.Cmd
	log    string         // file of what it prints, but for spoken lines
	in     io.WriteCloser // nil unless it is spoken with
	lines  chan string    // what it says; closed at its end
	exited chan struct{}  // closed when it has ended
	err    error          // how it ended, valid then
}

// start starts cmd in a process group of its own, so that Ctrl-C reaches only
// the bench and what the program starts can be ended with it.
func start(name string, cmd *exec.Cmd) (*process, error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	p := &process{name: name, cmd: cmd, exited: make(chan struct{})}
	started := make(chan error)
	go p.run(started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return p, nil
}

// run keeps its thread for as long as the program runs: the kernel sends
// Pdeathsig when the thread that started it ends.
func (p *process) run(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(p.exited)
	err := p.cmd.Start()
	started <- err
	if err == nil {
		p.err = p.cmd.Wait()
	}
}

// startSpoken starts a program that is spoken with in lines over its standard
// input and output.
func startSpoken(name string, cmd *exec.Cmd) (*process, error) {
	inRead, inWrite, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	defer inRead.Close()
	outRead, outWrite, err := os.Pipe()
	if err != nil {
		inWrite.Close()
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	defer outWrite.Close()
	cmd.Stdin, cmd.Stdout = inRead, outWrite
	p, err := start(name, cmd)
	if err != nil {
		inWrite.Close()
		outRead.Close()
		return nil, err
	}
	p.in, p.lines = inWrite, make(chan string, 16)
	go func() {
		defer outRead.Close()
		defer close(p.lines)
		for s := bufio.NewScanner(outRead); s.Scan(); {
			p.lines <- s.Text()
		}
	}()
	return p, nil
}

// say sends a line.
func (p *process) say(format string, args ...any) error {
	if _, err := fmt.Fprintf(p.in, format+"\n", args...); err != nil {
		return p.failed(fmt.Errorf("speak to %s: %w", p.name, err))
	}
	return nil
}

// hear waits for a line that begins with word and returns the rest of it.
func (p *process) hear(ctx context.Context, word string) (string, error) {
	select {
	case line, ok := <-p.lines:
		rest, found := strings.CutPrefix(line, word)
		if !ok {
			return "", p.failed(errors.New("it ended"))
		}
		if !found {
			return "", p.failed(fmt.Errorf("it said %q, not %s", line, word))
		}
		return strings.TrimSpace(rest), nil
	case <-ctx.Done():
		return "", p.failed(context.Cause(ctx))
	}
}

// wait waits for the program's end, which must be a success.
func (p *process) wait(ctx context.Context) error {
	select {
	case <-p.exited:
		if p.err != nil {
			return p.failed(p.err)
		}
		return nil
	case <-ctx.Done():
		return p.failed(context.Cause(ctx))
	}
}

// alive returns an error if the program has ended.
func (p *process) alive() error {
	if p.running() {
		return nil
	}
	return p.failed(errors.New("it ended"))
}

func (p *process) running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// failed adds the end of what the program printed to an error.
func (p *process) failed(err error) error {
	text, _ := os.ReadFile(p.log) // without it there is less to say
	return fmt.Errorf("%s: %w%s", p.name, err, lastLines(string(text), 5))
}

// lastLines is the end of a text, after a line break, "" if it is empty.
func lastLines(text string, n int) string {
	text = strings.TrimSpace(text)
	if text == "" {
		return ""
	}
	all := strings.Split(text, "\n")
	return "\n" + strings.Join(all[max(0, len(all)-n):], "\n")
}

// patience is how long a program may take to end when it is asked to.
const patience = 5 * time.Second

// end ends the program and everything in its process group.
func (p *process) end() {
	if p.in != nil {
		p.in.Close()
	}
	if p.running() {
		_ = p.cmd.Process.Signal(syscall.SIGTERM) // an error says that it has ended
		select {
		case <-p.exited:
		case <-time.After(patience):
		}
	}
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // what is left of the group, mostly nothing
	<-p.exited
}
