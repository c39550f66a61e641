package main

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/rackswarm/rackswarm/acceptance/show"
)

// sql is a function of the shell on ops that the commands use.
const sql = `sql() { ssh "$1" 'cd / && runuser -u postgres -- psql -Xq -P footer=off' <<<"$2"; }`

// shell types a line on ops: it shows the line, and what comes of it as it comes,
// each line as view has it. It returns all that was said.
func (d *demo) shell(ctx context.Context, line string, view func(string) string) (string, error) {
	d.out.Shell(line)
	cmd := d.set.Host(ops).Command(ctx, "bash", "-euo", "pipefail", "-c", "cd "+d.out.Quote(d.top)+"\n"+sql+"\n"+line)
	w := &lines{out: d.out, view: view}
	cmd.Stdout, cmd.Stderr = w, w
	err := cmd.Run()
	w.flush()
	if err != nil {
		return w.all.String(), fmt.Errorf("%s: %w\n%s", line, err, w.hidden.String())
	}
	return w.all.String(), nil
}

// lines shows what is written to it line by line.
type lines struct {
	out  *show.Printer
	view func(string) string // "" for lines that are left out
	part []byte              // of a line

	all    bytes.Buffer
	hidden bytes.Buffer // lines that were left out
}

// Write takes the next output of a program.
func (l *lines) Write(text []byte) (int, error) {
	l.all.Write(text)
	l.part = append(l.part, text...)
	for {
		line, rest, whole := bytes.Cut(l.part, []byte("\n"))
		if !whole {
			return len(text), nil
		}
		l.part = rest
		l.show(string(line))
	}
}

func (l *lines) flush() {
	l.show(string(l.part))
	l.part = nil
}

func (l *lines) show(line string) {
	line = strings.TrimRight(line, " ")
	if shown := l.view(line); shown != "" {
		l.out.Note("%s", shown)
	} else if line != "" {
		l.hidden.WriteString(line + "\n")
	}
}

// short leaves out what fills no line of its own.
func short(line string) string {
	if strings.Trim(line, "-+ ") == "" {
		return ""
	}
	return line
}

// played is a line of ansible-playbook without the stars that fill it.
func played(line string) string { return strings.TrimRight(line, "* ") }
