// Package show prints what a demo does: headings, the commands that a user would
// type, and what they say.
package show

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

// Printer writes what the user sees.
type Printer struct {
	Out *os.File
	TTY bool // Out is a terminal

	dir  string // shown as $D
	step int
}

// New returns a printer that writes $D for the demo's directory.
func New(out *os.File, dir string) *Printer {
	return &Printer{Out: out, TTY: term.IsTerminal(int(out.Fd())), dir: dir}
}

// Width is how many columns a line may have.
func (p *Printer) Width() int {
	if w, _, err := term.GetSize(int(p.Out.Fd())); p.TTY && err == nil && w > 20 {
		return w
	}
	return 1000
}

// Heading begins the next step.
func (p *Printer) Heading(format string, args ...any) {
	p.step++
	text := fmt.Sprintf(format, args...)
	if p.TTY {
		text = "\x1b[1m" + text + "\x1b[0m"
	}
	fmt.Fprintf(p.Out, "\n%d. %s\n\n", p.step, text)
}

// Command shows what a user would type.
func (p *Printer) Command(name string, args ...string) {
	words := []string{name}
	for _, a := range args {
		words = append(words, p.Quote(a))
	}
	p.Shell(strings.Join(words, " "))
}

// Shell shows a line of shell as it stands.
func (p *Printer) Shell(line string) { fmt.Fprintln(p.Out, "   $", p.Short(line)) }

// Note says something indented.
func (p *Printer) Note(format string, args ...any) {
	text := strings.TrimRight(p.Short(fmt.Sprintf(format, args...)), "\n")
	for line := range strings.Lines(text + "\n") {
		fmt.Fprint(p.Out, "   "+line)
	}
}

// Short puts $D for the demo's directory.
func (p *Printer) Short(s string) string { return strings.ReplaceAll(s, p.dir, "$D") }

// Quote writes an argument as a shell reads it.
func (p *Printer) Quote(arg string) string {
	if strings.ContainsAny(arg, " '\"[]{}()*?&;|<>") {
		return "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
	}
	return arg
}

// StopWaiting makes Eventually give up at once, with Err.
type StopWaiting struct{ Err error }

// Error is that of Err.
func (s StopWaiting) Error() string { return s.Err.Error() }

// Eventually waits until check returns nil, for at most the timeout. what is said
// of the state that is waited for.
func Eventually(ctx context.Context, timeout time.Duration, what string, check func() error) error {
	deadline := time.Now().Add(timeout)
	for {
		err := check()
		var stop StopWaiting
		switch {
		case err == nil:
			return nil
		case errors.As(err, &stop):
			return stop.Err
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
