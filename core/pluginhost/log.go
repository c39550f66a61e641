package pluginhost

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rackswarm/rackswarm/core/pluginapi"
)

// Bounds of what a driver writes.
const (
	maxLine    = 4 << 10 // bytes of a line
	maxAttrs   = 24      // attributes of a record
	tailLines  = 20      // last lines that an error repeats
	burstLines = 200     // lines in burstTime that reach the log
	burstTime  = 10 * time.Second
)

// lineWriter cuts what is written into lines and gives them to line, without
// their ends, the longer ones without their rest.
type lineWriter struct {
	mu   sync.Mutex
	line func([]byte)
	rest []byte
	skip bool // until the end of a line that was too long
}

// Write never fails.
func (w *lineWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for rest := p; len(rest) > 0; {
		line, after, ended := bytes.Cut(rest, []byte("\n"))
		rest = after
		w.add(line)
		if ended {
			w.flush()
		}
	}
	return len(p), nil
}

func (w *lineWriter) add(part []byte) {
	if w.skip {
		return
	}
	if room := maxLine - len(w.rest); len(part) > room {
		part, w.skip = part[:room], true
	}
	w.rest = append(w.rest, part...)
}

func (w *lineWriter) flush() {
	if len(w.rest) > 0 {
		w.line(bytes.TrimSuffix(w.rest, []byte("\r")))
	}
	w.rest, w.skip = w.rest[:0], false
}

// end gives what has no line end yet.
func (w *lineWriter) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.flush()
}

// output takes the lines that a driver's process writes: to the log as far as
// that has room for them, and the last ones for errors.
type output struct {
	log    *slog.Logger
	mu     sync.Mutex
	budget lineBudget
	tail   []string
}

func (o *output) line(line []byte) {
	record := parseLine(line)
	o.mu.Lock()
	o.tail = append(o.tail, record.plain())
	if len(o.tail) > tailLines {
		o.tail = o.tail[1:]
	}
	ok, dropped := o.budget.take(time.Now())
	o.mu.Unlock()
	if dropped > 0 {
		o.log.Warn("the driver wrote more than its share of the log", "lines_dropped", dropped)
	}
	if ok {
		o.log.LogAttrs(context.Background(), record.level, record.message, record.attrs...)
	}
}

// said returns the last lines.
func (o *output) said() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.Join(o.tail, "\n")
}

// lineBudget counts the lines of a window of time.
type lineBudget struct {
	since          time.Time
	taken, dropped int
}

// take reports whether one more line may pass, and how many did not in the
// window before, once.
func (b *lineBudget) take(now time.Time) (ok bool, dropped int) {
	if now.Sub(b.since) >= burstTime {
		dropped = b.dropped
		*b = lineBudget{since: now}
	}
	if b.taken == burstLines {
		b.dropped++
		return false, dropped
	}
	b.taken++
	return true, dropped
}

// logLine is a line that a driver wrote.
type logLine struct {
	level   slog.Level
	message string
	attrs   []slog.Attr
}

// plain is the line as an error repeats it.
func (l logLine) plain() string {
	text := l.message
	for _, a := range l.attrs {
		text += fmt.Sprintf(" %s=%v", a.Key, a.Value)
	}
	return text
}

// parseLine reads a record that pluginapi or hclog wrote; all else is a message.
func parseLine(line []byte) logLine {
	var fields map[string]any
	if len(line) == 0 || line[0] != '{' || json.Unmarshal(line, &fields) != nil {
		return plainLine(line)
	}
	message, ok := fields[pluginapi.LogMessage].(string)
	if !ok {
		return plainLine(line)
	}
	l := logLine{message: message, level: slog.LevelInfo}
	if level, ok := fields[pluginapi.LogLevel].(string); ok {
		l.level = parseLevel(level)
	}
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		if strings.HasPrefix(key, "@") || len(l.attrs) == maxAttrs {
			continue
		}
		l.attrs = append(l.attrs, slog.Any(key, fields[key]))
	}
	return l
}

func plainLine(line []byte) logLine {
	return logLine{level: slog.LevelInfo, message: strings.ToValidUTF8(string(line), "\uFFFD")}
}

func parseLevel(s string) slog.Level {
	var level slog.Level
	if strings.EqualFold(s, "trace") || level.UnmarshalText([]byte(s)) != nil {
		return slog.LevelDebug
	}
	return level
}
