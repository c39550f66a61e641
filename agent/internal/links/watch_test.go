package links

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/rackswarm/rackswarm/agent/internal/once"
	"github.com/rackswarm/rackswarm/agent/internal/probe"
	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/store"
	"github.com/rackswarm/rackswarm/core/unit"
)

// TestAContradictionIsLoggedNowAndThen: not each time that a source tells another capacity,
// and no more of its name than somebody reads.
func TestAContradictionIsLoggedNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logged := &bytes.Buffer{}
		m := newManager(nil, "n", &mover{}, func(c *Config) {
			c.Links, c.Logger = map[unit.Location]Link{"ams/r1": {Up: 100 * mbit, Down: 100 * mbit}}, slog.New(slog.NewTextHandler(logged, nil))
		})
		name := "device " + strings.Repeat("ü", 5000)
		w := &watch{manager: m, source: Source{Name: name, Links: []unit.Location{"ams/r1"}}, links: map[unit.Location]*watched{"ams/r1": {ours: newOurs()}}}
		reports := func(n int, tells unit.Rate) {
			for i := range n {
				r := &store.LinkReading{Location: "ams/r1", Source: name, UpCapacity: tells + unit.Rate(i)*mbit, DownCapacity: tells}
				m.known.learn(false, map[unit.Location]store.LinkFacts{"ams/r1": {Reading: r}})
				w.report(probe.Report{Link: "ams/r1"})
			}
		}
		lines := func(want int) {
			t.Helper()
			text := logged.String()
			if got := strings.Count(text, "contradicts itself"); got != want {
				t.Errorf("%d lines, want %d: %.2000s", got, want, text)
			}
			for line := range strings.Lines(text) {
				if utf8.RuneCountInString(line) > 800 {
					t.Errorf("a line has %d runes", utf8.RuneCountInString(line))
				}
			}
		}
		reports(3, 100*mbit)
		lines(0)
		reports(5, 10*mbit)
		lines(1)
		if text := logged.String(); !strings.Contains(text, string(bandwidth.FaultCapacity)) || !strings.Contains(text, "up: ") || !strings.Contains(text, "down: ") {
			t.Errorf("logged: %.2000s", text)
		}
		reports(1, 100*mbit)
		reports(1, 10*mbit)
		lines(1)
		time.Sleep(once.Again)
		reports(5, 10*mbit)
		lines(2)
	})
}

func TestShortened(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                         "",
		"device x":                 "device x",
		strings.Repeat("ü", 64):    strings.Repeat("ü", 64),
		strings.Repeat("ü", 65):    strings.Repeat("ü", 63) + "…",
		strings.Repeat("\xff", 65): strings.Repeat("\uFFFD", 63) + "…",
	} {
		if got := shortened(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
