package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"golang.org/x/term"

	"github.com/rackswarm/rackswarm/core/unit"
)

// print writes a result: v as JSON if asked for, else what human writes.
func (r *run) print(v any, human func(w io.Writer)) error {
	if !r.flags.json {
		human(r.Stdout)
		return nil
	}
	e := json.NewEncoder(r.Stdout)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return nil
}

// note tells something on the side.
func (r *run) note(format string, args ...any) {
	if !r.flags.json {
		fmt.Fprintf(r.Stderr, format+"\n", args...)
	}
}

// table writes rows in columns. Trailing empty cells leave no spaces.
func table(w io.Writer, rows [][]string) {
	var b strings.Builder
	tw := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
	for _, row := range rows {
		for i, cell := range row {
			row[i] = clean(cell)
		}
		fmt.Fprintln(tw, strings.Join(row, "\t"))
	}
	_ = tw.Flush() // a strings.Builder never fails
	for line := range strings.Lines(b.String()) {
		fmt.Fprintln(w, strings.TrimRight(line, " \n"))
	}
}

// clean keeps what came over the network from steering the terminal.
func clean(s string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsPrint(c) {
			return c
		}
		return ' '
	}, s)
}

// size writes an amount that may be unknown (0).
func size(n int64) string {
	if n <= 0 {
		return "-"
	}
	return unit.Bytes(n).String()
}

// percent writes done of total.
func percent(done, total int64) string {
	if total <= 0 {
		return "-"
	}
	return fmt.Sprintf("%d%%", min(done, total)*100/total)
}

// ago writes how long ago t was, roughly.
func ago(now, t time.Time) string {
	d := now.Sub(t)
	switch {
	case t.IsZero():
		return "never"
	case d < time.Second:
		return "now"
	}
	return since(d)
}

// since writes that something was d ago, roughly.
func since(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s ago", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%d min ago", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h ago", d/time.Hour)
	}
	return fmt.Sprintf("%d days ago", d/(24*time.Hour))
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func place(location string) string { return unit.Location(location).String() }

// terminal returns the number of rows if w is a terminal.
func terminal(w io.Writer) (rows int, ok bool) {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 0, false
	}
	_, rows, err := term.GetSize(int(f.Fd()))
	if err != nil || rows < 4 {
		rows = 24
	}
	return rows, true
}
