package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/rackswarm/rackswarm/core/unit"
)

// printer writes what the user sees.
type printer struct {
	w    *os.File
	dir  string // shown as $D
	step int
	tty  bool
}

func newPrinter(w *os.File, dir string) *printer {
	return &printer{w: w, dir: dir, tty: term.IsTerminal(int(w.Fd()))}
}

// width is how many columns a line may have.
func (p *printer) width() int {
	if w, _, err := term.GetSize(int(p.w.Fd())); p.tty && err == nil && w > 20 {
		return w
	}
	return 1000
}

func (p *printer) heading(format string, args ...any) {
	p.step++
	text := fmt.Sprintf(format, args...)
	if p.tty {
		text = "\x1b[1m" + text + "\x1b[0m"
	}
	fmt.Fprintf(p.w, "\n%d. %s\n\n", p.step, text)
}

// introduce says what the commands rely on, in the checkout at top.
func (p *printer) introduce(top string) {
	if wd, err := os.Getwd(); err == nil && wd == top {
		top = "$PWD"
	}
	fmt.Fprintf(p.w, "   $ D=%s PATH=%s/bin:$PATH\n", p.dir, top)
}

// command shows what a user would type.
func (p *printer) command(name string, args ...string) {
	words := []string{name}
	for _, a := range args {
		words = append(words, p.quote(a))
	}
	p.shell(strings.Join(words, " "))
}

// shell shows a line of shell as it stands.
func (p *printer) shell(line string) { fmt.Fprintln(p.w, "   $", p.short(line)) }

// note says something indented.
func (p *printer) note(format string, args ...any) {
	text := strings.TrimRight(p.short(fmt.Sprintf(format, args...)), "\n")
	for line := range strings.Lines(text + "\n") {
		fmt.Fprint(p.w, "   "+line)
	}
}

// short puts $D for the demo's directory.
func (p *printer) short(s string) string { return strings.ReplaceAll(s, p.dir, "$D") }

func (p *printer) quote(arg string) string {
	if strings.ContainsAny(arg, " '\"[]{}()*?&;|<>") {
		return "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
	}
	return arg
}

func size(n int64) string { return unit.Bytes(n).String() }

// stopWaiting makes eventually give up at once.
type stopWaiting struct{ error }

func (s stopWaiting) Unwrap() error { return s.error }

// eventually waits until check returns nil, for at most the timeout.
func eventually(ctx context.Context, timeout time.Duration, what string, check func() error) error {
	deadline := time.Now().Add(timeout)
	for {
		err := check()
		var stop stopWaiting
		switch {
		case err == nil:
			return nil
		case errors.As(err, &stop):
			return stop.error
		case time.Now().After(deadline):
			return fmt.Errorf("after %s it is not so that %s: %w", timeout, what, err)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(100 * time.Millisecond):
		}
	}
}
