package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/child"
)

// process is a program of a round. It ends with the round.
type process struct {
	*child.Process
	name  string
	log   string         // file of what it prints, but for spoken lines
	in    io.WriteCloser // nil unless it is spoken with
	lines chan string    // what it says; closed at its end
}

func start(name string, cmd *exec.Cmd) (*process, error) {
	p, err := child.Start(cmd)
	if err != nil {
		return nil, err
	}
	return &process{Process: p, name: name}, nil
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
	case <-p.Exited():
		if err := p.Wait(); err != nil {
			return p.failed(err)
		}
		return nil
	case <-ctx.Done():
		return p.failed(context.Cause(ctx))
	}
}

// alive returns an error if the program has ended.
func (p *process) alive() error {
	if p.Running() {
		return nil
	}
	return p.failed(errors.New("it ended"))
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
	p.End(syscall.SIGTERM, patience)
	p.KillGroup()
}
