package scenario

import (
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rackswarm/rackswarm/core/unit"
)

// twoRacks is 10 MB from a/1 to the hosts of a and b behind 10 Mbit/s each.
const twoRacks = `
artifact: {size: 10MB}
locations:
  a: {uplink: 10Mbit, hosts: 2}
  b: {uplink: 10Mbit, hosts: 2}
host: 100Mbit
`

func TestBoundOfFigure8(t *testing.T) {
	text, _, _ := strings.Cut(readFile(t, "testdata/every-key.yaml"), "bandwidth:")
	b, err := mustParse(t, text).Bound()
	if err != nil {
		t.Fatal(err)
	}
	// One copy over a 10 Mbit/s rack uplink: 138.4 s of bits, 144.7 s in frames.
	if s := b.Time.Seconds(); math.Abs(s-144.7) > 0.05 {
		t.Errorf("bound is %.2f s, want 144.7 s", s)
	}
}

func TestBound(t *testing.T) {
	const rack, host = 8.364641, 0.8364641 // seconds for 10 MB at 10 and 100 Mbit/s
	for _, c := range []struct {
		name, more string
		want       float64
	}{
		{"nothing more", "", rack},
		{"a reserve", "bandwidth: {reserve: 0.2}", rack / 0.8},
		{"the whole time half of it taken", "background: [{from: b/1, to: a/1, rate: 5Mbit}]", rack}, // the other way
		{"the whole time half of it taken", "background: [{from: a/2, to: b/2, rate: 5Mbit}]", 2 * rack},
		{"two seconds of half of it taken", "background: [{from: a/2, to: b/2, rate: 5Mbit, start: 1s, stop: 3s}]", rack + 1},
		{"reserve and background", "bandwidth: {reserve: 0.2}\nbackground: [{from: a/2, to: b/2, rate: 4Mbit}]", rack / 0.4},
		{"more than there is, for a second", "background: [{from: a/2, to: b/2, rate: 1Gbit, stop: 1s, proto: udp}]", rack + 1},
		{"a link that gets slower", "faults: [{at: 2s, link: b, rate: 5Mbit}]", 2 + 2*(rack-2)},
		{"a link that gets slower the other way", "faults: [{at: 2s, link: b, up: 5Mbit}]", rack},
		{"a link that gets slower and recovers", "faults: [{at: 2s, link: b, down: 5Mbit}, {at: 4s, link: b, down: 10Mbit}]", rack + 1},
		{"a partition", "faults: [{at: 2s, partition: a, for: 3s}]", rack + 3},
		{"a partition for good", "faults: [{at: 2s, partition: a}]", math.Inf(1)},
		{"a partition after all is done", "faults: [{at: 9s, partition: a}]", rack},
		{"a slow seeder", "faults: [{at: 0s, slow: a/1, rate: 125KB}]", 10 * rack},
		{"a slow receiver", "faults: [{at: 0s, slow: b/1, rate: 125KB}]", rack},
		{"a seeder that comes back", "faults: [{at: 0.2s, kill: a/1}, {at: 20.2s, start: a/1}]", 20 + host},
		{"a seeder that does not", "faults: [{at: 0.2s, kill: a/1}]", math.Inf(1)},
		{"a receiver that comes back late", "faults: [{at: 0s, kill: b/2}, {at: 20s, start: b/2}]", 20 + host},
		{"a receiver that does not", "faults: [{at: 0s, kill: b/2}]", rack},
		{"no receiver that lives in b", "faults: [{at: 0s, kill: b/1}, {at: 1s, kill: b/2}]", host},
		{"a receiver that moves to the seeder's rack", "receivers: [b/1]\nfaults: [{at: 3s, move: b/1, to: a}]", 3},
		{"a receiver that moves too late", "receivers: [b/1]\nfaults: [{at: 30s, move: b/1, to: a}]", rack},
		{"a seeder that moves to the receiver's rack", "receivers: [b/1]\nfaults: [{at: 3s, move: a/1, to: b}]", 3},
		{"a move that carries nothing in", "receivers: [b]\nfaults: [{at: 3s, move: b/1, to: b/x}, {at: 4s, move: b/1, to: b}]\nlocations: {a: {hosts: 1}, b: {uplink: 10Mbit, hosts: 2}, b/x: {}}", rack},
		{"staggered", "stagger: 20s", 20 + host},
		{"all of b later", "receivers: b\nstagger: 1s", rack},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := twoRacks + c.more
			if strings.Contains(c.more, "locations:") {
				text = "artifact: {size: 10MB}\nhost: 100Mbit\n" + c.more
			}
			b, err := mustParse(t, text).Bound()
			if err != nil {
				t.Fatal(err)
			}
			got := b.Time.Seconds()
			if b.Time == math.MaxInt64 {
				got = math.Inf(1)
			}
			if math.Abs(got-c.want) > 1e-4 && got != c.want {
				t.Errorf("bound is %.4f s by %v, want %.4f s", got, b.Terms[0], c.want)
			}
		})
	}
}

// What only takes capacity away never lowers the bound.
func TestBoundGrowsWithTrouble(t *testing.T) {
	plain, err := mustParse(t, twoRacks).Bound()
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		s, err := Parse("", []byte(twoRacks))
		if err != nil {
			t.Fatal(err)
		}
		hosts := rapid.Permutation([]int{0, 1, 2, 3})
		at := rapid.Custom(func(t *rapid.T) time.Duration {
			return time.Duration(rapid.IntRange(0, 10_000).Draw(t, "ms")) * time.Millisecond
		})
		for range rapid.IntRange(0, 4).Draw(t, "flows") {
			ends := hosts.Draw(t, "ends")
			start := at.Draw(t, "start")
			s.Background = append(s.Background, Flow{From: s.Hosts[ends[0]].Node, To: s.Hosts[ends[1]].Node,
				Rate: unit.Rate(rapid.Int64Range(1, int64(20*mbit)).Draw(t, "rate")), Start: start, Stop: start + 1 + at.Draw(t, "length"), Proto: TCP})
		}
		if rapid.Bool().Draw(t, "reserved") {
			s.Bandwidth = &Bandwidth{Reserve: rapid.Float64Range(0, 0.9).Draw(t, "reserve")}
		}
		b, err := s.Bound()
		if err != nil || b.Time < plain.Time {
			t.Fatalf("bound %v, %v, less than %v", b.Time, err, plain.Time)
		}
	})
}

// Nothing moves while a window is closed.
func TestBoundWithAWindow(t *testing.T) {
	const text = "artifact: {size: 1448KB}\nlocations: {a: {hosts: [1514KB, 1514KB]}}\n"
	for window, want := range map[string]time.Duration{
		"": time.Second, "window: {closes: 500ms, opens: 60500ms}": 61 * time.Second, "window: {closes: 2s, opens: 62s}": time.Second,
	} {
		b, err := mustParse(t, text+window).Bound()
		if d := b.Time - want; err != nil || d.Abs() > time.Millisecond {
			t.Errorf("%q: the bound is %v, want %v; %v", window, b.Time, want, err)
		}
	}
}
