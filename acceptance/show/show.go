// Package show prints what a demo does: headings, the commands that a user would
// type, and what they say.
package show

import (
	"fmt"
	"os"
	"strings"

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
