package traffic

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/lab/network"
	"github.com/rackswarm/rackswarm/core/scenario"
	"github.com/rackswarm/rackswarm/core/unit"
)

const twoRacks = `
name: traffic
artifact: {size: 1MB, seed: 1}
locations:
  r1: {uplink: 10Mbit, hosts: 2}
  r2: {uplink: 10Mbit, hosts: 2}
host: {up: 100Mbit, down: 100Mbit}
initial: r1/1
`

const mbit = 1e6

func newTraffic(t *testing.T, text string) (*Traffic, *network.Network) {
	t.Helper()
	if err := network.Unsupported(); err != nil {
		t.Skip(err)
	}
	s, err := scenario.Parse("traffic.yaml", []byte(twoRacks+text))
	if err != nil {
		t.Fatal(err)
	}
	n, err := network.New(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	tr := New(n, s)
	t.Cleanup(tr.Close)
	return tr, n
}

// run has the traffic run for a time and returns what the report says of it.
func run(tr *Traffic, d time.Duration) scenario.Observed {
	var o scenario.Observed
	tr.Begin()
	time.Sleep(d)
	tr.Finish(&o)
	return o
}

// What is offered within the links' capacities arrives: what was sent is counted,
// and not how long it took.
func TestFlowsArrive(t *testing.T) {
	for _, proto := range []string{"udp", "tcp"} {
		t.Run(proto, func(t *testing.T) {
			t.Parallel()
			tr, n := newTraffic(t, "background: [{from: r1/1, to: r2/1, rate: 2Mbit, start: 1s, stop: 4s, proto: "+proto+"}]")
			_, before, err := n.Wire("r2")
			if err != nil {
				t.Fatal(err)
			}
			o := run(tr, 6*time.Second)
			_, after, err := n.Wire("r2")
			if err != nil {
				t.Fatal(err)
			}
			got, f := o.Background[0], tr.Flows()[0]
			want := 2 * mbit / 8 * f.Lasted().Seconds()
			if got.Asked != 2*mbit || got.From != "r1/1" || got.To != "r2/1" || len(o.Notes) > 0 {
				t.Errorf("%+v, %v", got, o.Notes)
			}
			if ratio := float64(f.Got()) / want; ratio < 0.9 || ratio > 1.01 {
				t.Errorf("%d bytes arrived of %.0f", f.Got(), want)
			}
			// What the links carried besides are the few packets of ARP and of TCP.
			if ratio := float64(after-before) / float64(f.Got()); ratio < 0.99 || ratio > 1.05 {
				t.Errorf("%d bytes on the link for %d that arrived", after-before, f.Got())
			}
		})
	}
}

// More than the link holds does not arrive.
func TestAFlowIsCutToTheLink(t *testing.T) {
	for _, proto := range []string{"udp", "tcp"} {
		t.Run(proto, func(t *testing.T) {
			t.Parallel()
			tr, _ := newTraffic(t, "background: [{from: r1/1, to: r2/1, rate: 20Mbit, proto: "+proto+"}]")
			o := run(tr, 3*time.Second)
			if got := o.Background[0].Got; got < 3*mbit || got > 10.5*mbit {
				t.Errorf("%.1f Mbit/s arrived over a link of 10", got/mbit)
			}
			if len(tr.Flows()[0].Seconds()) == 0 {
				t.Error("no second was noted")
			}
		})
	}
}

func TestProbesMeasureAndCountLosses(t *testing.T) {
	for _, proto := range []string{"udp", "http"} {
		t.Run(proto, func(t *testing.T) {
			t.Parallel()
			tr, n := newTraffic(t, "probes: [{from: r1/2, to: r2/2, proto: "+proto+"}]")
			if err := tr.Idle(t.Context(), 2*time.Second); err != nil {
				t.Fatal(err)
			}
			tr.Begin()
			time.Sleep(2 * time.Second)
			if err := n.Partition("r2"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(pagePatience + time.Second)
			if err := n.Heal("r2"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Second)
			var o scenario.Observed
			tr.Finish(&o)
			got, p := o.Probes[0], tr.Probes()[0]
			if got.IdleP50 <= 0 || got.IdleP99 < got.IdleP50 || got.RunP50 <= 0 || got.RunP99 < got.RunP50 {
				t.Errorf("round trips of %+v", got)
			}
			if got.Lost == 0 || got.Lost >= len(p.Samples()) {
				t.Errorf("%d of %d lost", got.Lost, len(p.Samples()))
			}
			if idle := Summarize(p.Idle(), 0, math.MaxInt64); idle.Lost > 0 || idle.Count == 0 {
				t.Errorf("idle: %+v", idle)
			}
			first, last := p.Samples()[0], p.Samples()[len(p.Samples())-1]
			if first.Lost || last.Lost {
				t.Error("lost before the partition or after it")
			}
		})
	}
}

// Every page crosses the links as a whole.
func TestPagesAreLoaded(t *testing.T) {
	tr, n := newTraffic(t, "probes: [{from: r1/2, to: r2/2, proto: http}]")
	before, _, err := n.Wire("r2")
	if err != nil {
		t.Fatal(err)
	}
	run(tr, 2*time.Second)
	after, _, err := n.Wire("r2")
	if err != nil {
		t.Fatal(err)
	}
	if pages := len(tr.Probes()[0].Samples()); pages == 0 || int(after-before) < pages*pageSize {
		t.Errorf("%d bytes for %d pages", after-before, pages)
	}
}

func TestSummaries(t *testing.T) {
	const s, ms = time.Second, time.Millisecond
	var all []Sample
	for i := range 100 {
		all = append(all, Sample{At: time.Duration(i) * 10 * ms, Took: time.Duration(i+1) * ms})
	}
	all = append(all, Sample{At: 2*s + 1, Lost: true}, Sample{At: 2*s + 2, Took: 7 * ms}, Sample{At: 3 * s, Lost: true})
	p := &Probe{run: all}
	want := []Summary{
		{At: 0, Count: 100, P50: 50 * ms, P99: 99 * ms, Max: 100 * ms},
		{At: s},
		{At: 2 * s, Count: 2, Lost: 1, P50: 7 * ms, P99: 7 * ms, Max: 7 * ms},
		{At: 3 * s, Count: 1, Lost: 1},
	}
	if got := p.Seconds(); !slices.Equal(got, want) {
		t.Errorf("seconds %+v", got)
	}
	if got := Summarize(all, 500*ms, 2*s); got.Count != 50 || got.P50 != 75*ms || got.Max != 100*ms {
		t.Errorf("a part: %+v", got)
	}
	p.idle = []Sample{{Took: 3 * ms}, {Lost: true}}
	if got := p.Report(); got != (scenario.ProbeReport{IdleP50: 3, IdleP99: 3, RunP50: 50, RunP99: 99, Lost: 2}) {
		t.Errorf("the report is %+v", got)
	}
}

func TestRatesCountHeaders(t *testing.T) {
	for proto, payload := range map[scenario.Proto]int64{scenario.UDP: 1472, scenario.TCP: 1448} {
		f := &Flow{Flow: scenario.Flow{From: "a/1", To: "b/1", Proto: proto, Rate: unit.Rate(1514)}, lasted: 2 * time.Second}
		f.got.Store(payload)
		if got := f.Report(); got.Asked != 1514*8 || got.Got != 1514*4 || f.Got() != 1514 {
			t.Errorf("%s: %+v", proto, got)
		}
	}
}
