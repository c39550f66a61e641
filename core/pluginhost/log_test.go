package pluginhost

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestLinesAreCut(t *testing.T) {
	var got []string
	w := &lineWriter{line: func(line []byte) { got = append(got, string(line)) }}
	long := strings.Repeat("a", maxLine+100)
	for _, part := range []string{"one\ntw", "o\r\n", "\n\n", long[:3000], long[3000:], "\nlast"} {
		if n, err := w.Write([]byte(part)); n != len(part) || err != nil {
			t.Fatal(n, err)
		}
	}
	w.end()
	if want := []string{"one", "two", long[:maxLine], "last"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestALineIsARecordOrAMessage(t *testing.T) {
	for line, want := range map[string]string{
		`{"@level":"warn","@message":"slow","@module":"m","@timestamp":"x","b":2,"a":"1"}`: "WARN slow a=1 b=2",
		`{"@level":"WARN","@message":"slow"}`:                                              "WARN slow",
		`{"@level":"trace","@message":"slow"}`:                                             "DEBUG slow",
		`{"@level":"odd","@message":"slow"}`:                                               "DEBUG slow",
		`{"@message":"slow"}`:                                                              "INFO slow",
		`{"@message":1}`:                                                                   `INFO {"@message":1}`,
		`{"@level":1,"@message":"slow"}`:                                                   "INFO slow",
		`{"a":1}`:                                                                          `INFO {"a":1}`,
		"panic: \xff":                                                                      "INFO panic: \uFFFD",
	} {
		l := parseLine([]byte(line))
		if got := l.level.String() + " " + l.plain(); got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}

func FuzzLogLine(f *testing.F) {
	f.Add([]byte(`{"@level":"warn","@message":"m","k":{"v":[1,null]}}`))
	f.Add([]byte("plain"))
	f.Fuzz(func(t *testing.T, line []byte) {
		l := parseLine(line)
		if len(l.attrs) > maxAttrs || l.plain() == "" && len(line) > 0 && line[0] != '{' {
			t.Errorf("%q: %+v", line, l)
		}
		if slices.ContainsFunc(l.attrs, func(a slog.Attr) bool { return strings.HasPrefix(a.Key, "@") }) {
			t.Errorf("%q: %+v", line, l)
		}
	})
}

func TestTheLogIsShared(t *testing.T) {
	var b lineBudget
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	passed := 0
	for range burstLines + 30 {
		if ok, dropped := b.take(now); ok {
			passed++
		} else if dropped != 0 {
			t.Error("told too early")
		}
	}
	if passed != burstLines {
		t.Errorf("%d lines passed", passed)
	}
	if ok, dropped := b.take(now.Add(burstTime)); !ok || dropped != 30 {
		t.Errorf("in the next window: %v, %d dropped", ok, dropped)
	}
	if _, dropped := b.take(now.Add(2 * burstTime)); dropped != 0 {
		t.Error("told twice")
	}
}

func TestTheLastWordsAreKept(t *testing.T) {
	o := &output{log: slog.New(slog.DiscardHandler)}
	for i := range tailLines + 5 {
		o.line(fmt.Appendf(nil, "line %d", i))
	}
	said := strings.Split(o.said(), "\n")
	if len(said) != tailLines || said[0] != "line 5" || said[tailLines-1] != fmt.Sprintf("line %d", tailLines+4) {
		t.Errorf("said %q", said)
	}
}
