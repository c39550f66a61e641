package rackswarm

import (
	"reflect"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/scenario"
	"github.com/rackswarm/rackswarm/core/topo"
	"github.com/rackswarm/rackswarm/core/unit"
)

// Every host has its part of each link that it uses, whoever else is busy.
func TestShares(t *testing.T) {
	s, err := scenario.Parse("t.yaml", []byte(`
artifact: {size: 1MB}
locations:
  a:   {uplink: {up: 1514KB, down: 3028KB}}
  a/1: {uplink: 1514KB, hosts: 2}
  a/2: {hosts: 2}
  b:   {hosts: [{up: 1514KB}]}
initial: a/1/1
receivers: [a/1/2, a/2/1, b/1]
bandwidth: {reserve: 0.5}
`))
	if err != nil {
		t.Fatal(err)
	}
	got := shares(s)
	// 1514 on the link are 1448 of payload, half of which is spare. The fourth host
	// of a takes no part.
	want := map[unit.NodeID]topo.Link{
		"a/1/1": {Up: 1448000 / 2 / 3, Down: 1448e3 / 2 / 2},
		"a/1/2": {Up: 1448000 / 2 / 3, Down: 1448e3 / 2 / 2},
		"a/2/1": {Up: 1448000 / 2 / 3, Down: 2896000 / 2 / 3},
		"a/2/2": {Up: 1448000 / 2 / 3, Down: 2896000 / 2 / 3},
		"b/1":   {Up: 1448e3 / 2, Down: unit.Unlimited},
	}
	for node, w := range want {
		g := got[node]
		if d := g.Up - w.Up; d < -1 || d > 1 {
			t.Errorf("%s may send %d, want %d", node, g.Up, w.Up)
		}
		if d := g.Down - w.Down; d < -1 || d > 1 {
			t.Errorf("%s may receive %d, want %d", node, g.Down, w.Down)
		}
	}
}

func TestNamesAreAgents(t *testing.T) {
	all := names{}
	for _, c := range []struct {
		node unit.NodeID
		want string
	}{{"ams/b-5/1", "ams.b-5.1"}, {"ams.b-5/1", "ams.b-5.1_"}, {"ams/b-5.1/2", "ams.b-5.1.2"}} {
		got := all.of(c.node)
		if _, err := unit.ParseNodeID(got); got != c.want || err != nil {
			t.Errorf("%s is called %q, want %q; %v", c.node, got, c.want, err)
		}
	}
}

// The configuration has what differs from an agent's default only.
func TestStrategySettings(t *testing.T) {
	all := scenario.Strategy{Overlay: true, Division: true, Stealing: true, LowLatency: true, Picker: scenario.Stealing}
	if got := strategySettings(all); got != nil {
		t.Errorf("the default is written as %v", got)
	}
	plain := scenario.Strategy{LowLatency: true, Picker: scenario.Market}
	want := section{"overlay": false, "division": false, "stealing": false, "picker": "market"}
	if got := strategySettings(plain); !reflect.DeepEqual(got, want) {
		t.Errorf("the strategy is written as %v, want %v", got, want)
	}
}

// What an agent moved before it was started again, or left the transfer and came
// back, counts as well.
func TestCounts(t *testing.T) {
	var c counts
	for _, n := range []tally{{10, 1, 0}, {30, 2, 5}} {
		c.note(n)
	}
	c.restart()
	c.note(tally{7, 0, 1})
	c.note(tally{2, 1, 1}) // it left and came back
	if received, duplicate, sent := c.sum(); received != 39 || duplicate != 3 || sent != 7 {
		t.Errorf("it received %d, %d twice, and sent %d", received, duplicate, sent)
	}
}

func TestTallyAddsPeers(t *testing.T) {
	got := tallyOf(api.Transfer{Peers: []api.Peer{{Down: 5, Up: 7, Duplicate: 1}, {Down: 10, Up: 20}}})
	if want := (tally{received: 15, duplicate: 1, sent: 27}); got != want {
		t.Errorf("the tally is %+v, want %+v", got, want)
	}
}

func TestCommandCalls(t *testing.T) {
	text := "# Commandstats\r\ncmdstat_get:calls=3,usec=5,usec_per_call=1.67\r\ncmdstat_info:calls=9,usec=1\r\ncmdstat_config|get:calls=2,usec=9\r\n"
	if got := commandCalls(text); got != 5 {
		t.Errorf("there were %d calls, want 5", got)
	}
}

// A window closes on the minute, and never sooner than the scenario says.
func TestWindowsAreOnTheMinute(t *testing.T) {
	at := func(text string) time.Time {
		now, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return now
	}
	for _, c := range []struct {
		now  string
		away time.Duration
		want string
	}{
		{"2026-01-01T12:00:00Z", 10 * time.Second, "2026-01-01T12:01:00Z"},
		{"2026-01-01T12:00:50Z", 10 * time.Second, "2026-01-01T12:01:00Z"},
		{"2026-01-01T12:00:51Z", 10 * time.Second, "2026-01-01T12:02:00Z"},
		{"2026-01-01T23:59:00Z", 0, "2026-01-01T23:59:00Z"},
	} {
		if got := nextMinute(at(c.now), c.away); !got.Equal(at(c.want)) {
			t.Errorf("%s away from %s: %s, want %s", c.away, c.now, got, c.want)
		}
	}
	for _, c := range []struct{ from, to, want string }{
		{"2026-01-01T12:01:00Z", "2026-01-01T12:03:00Z", "daily 12:01-12:03 0"},
		{"2026-01-01T23:59:00Z", "2026-01-02T00:00:00Z", "daily 23:59-24:00 0"},
		{"2026-01-01T23:59:00Z", "2026-01-02T00:01:00Z", "daily 23:59-00:01 0"},
	} {
		got := closedFrom(at(c.from), at(c.to))
		if _, err := bandwidth.ParseWindows("UTC", []string{got}); got != c.want || err != nil {
			t.Errorf("closed is written as %q, want %q: %v", got, c.want, err)
		}
	}
}
