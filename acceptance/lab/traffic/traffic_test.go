package traffic

import (
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/lab/network"
	"github.com/rackswarm/rackswarm/acceptance/lab/network/networktest"
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
	s := networktest.Scenario(t, twoRacks+text)
	n := networktest.New(t, s)
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

// What is offered within the links' capacities arrives. A busy machine may send less
// than was asked for, and never more.
func TestFlowsArrive(t *testing.T) {
	for _, proto := range []string{"udp", "tcp"} {
		t.Run(proto, func(t *testing.T) {
			t.Parallel()
			tr, n := newTraffic(t, "background: [{from: r1/1, to: r2/1, rate: 2Mbit, start: 500ms, stop: 2s, proto: "+proto+"}]")
			_, before, err := n.Wire("r2")
			if err != nil {
				t.Fatal(err)
			}
			o := run(tr, 3*time.Second)
			_, after, err := n.Wire("r2")
			if err != nil {
				t.Fatal(err)
			}
			report, f := o.Background[0], tr.flows[0]
			if report.Asked != 2*mbit || report.From != "r1/1" || report.To != "r2/1" || len(o.Notes) > 0 {
				t.Errorf("%+v, %v", report, o.Notes)
			}
			sent, got := f.onLink(f.sent), f.arrived()
			if sent == 0 || sent > f.Rate.In(f.lasted+burst) {
				t.Errorf("%d bytes were sent within %s", sent, f.lasted)
			}
			if got > sent || got < sent/2 {
				t.Errorf("%d bytes arrived of %d", got, sent)
			}
			// What the links carried besides are the few packets of ARP and of TCP.
			if carried := after - before; carried < got*99/100 || carried > sent*105/100 {
				t.Errorf("%d bytes on the link, for %d that were sent and %d that arrived", carried, sent, got)
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
			if got := o.Background[0].Got; got == 0 || got > 10.5*mbit {
				t.Errorf("%.1f Mbit/s arrived over a link of 10", got/mbit)
			}
		})
	}
}

func TestProbesMeasureAndCountLosses(t *testing.T) {
	for proto, patience := range map[string]time.Duration{"udp": 0, "http": pagePatience} {
		t.Run(proto, func(t *testing.T) {
			t.Parallel()
			tr, n := newTraffic(t, "probes: [{from: r1/2, to: r2/2, proto: "+proto+"}]")
			if err := tr.Idle(t.Context(), time.Second); err != nil {
				t.Fatal(err)
			}
			tr.Begin()
			time.Sleep(time.Second)
			if err := n.Partition("r2"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(patience + time.Second)
			if err := n.Heal("r2"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(5 * time.Second) // for TCP to try again
			var o scenario.Observed
			tr.Finish(&o)
			got, p := o.Probes[0], tr.probes[0]
			if got.IdleP50 <= 0 || got.IdleP99 < got.IdleP50 || got.RunP50 <= 0 || got.RunP99 < got.RunP50 {
				t.Errorf("round trips of %+v", got)
			}
			if got.Lost == 0 || got.Lost >= len(p.run) {
				t.Errorf("%d of %d lost", got.Lost, len(p.run))
			}
			if _, lost := summarize(p.idle); lost > 0 {
				t.Errorf("%d lost when nothing else was sent", lost)
			}
			if p.run[0].lost || p.run[len(p.run)-1].lost {
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
	if pages := len(tr.probes[0].run); pages == 0 || int(after-before) < pages*pageSize {
		t.Errorf("%d bytes for %d pages", after-before, pages)
	}
}

func TestReportOfAProbe(t *testing.T) {
	const ms = time.Millisecond
	p := &probe{Probe: scenario.Probe{From: "a/1", To: "b/1"}, idle: []sample{{took: 3 * ms}, {lost: true}}}
	for i := range 101 {
		p.run = append(p.run, sample{at: time.Duration(i) * 10 * ms, took: time.Duration(101-i) * ms})
	}
	p.run = append(p.run, sample{lost: true}, sample{lost: true})
	want := scenario.ProbeReport{From: "a/1", To: "b/1", IdleP50: 3, IdleP99: 3, RunP50: 51, RunP99: 100, Lost: 2}
	if got := p.report(&scenario.Scenario{}); got != want {
		t.Errorf("the report is %+v, want %+v", got, want)
	}
	if got := (&probe{run: []sample{{lost: true}}}).report(&scenario.Scenario{}); got != (scenario.ProbeReport{Lost: 1}) {
		t.Errorf("with all lost, the report is %+v", got)
	}
}

// What is near a step of the background is told apart.
func TestReportOfAProbeNearSteps(t *testing.T) {
	const ms = time.Millisecond
	s := &scenario.Scenario{Background: []scenario.Flow{{Start: 2 * time.Second}}}
	p := &probe{}
	for i := range 40 {
		took := 5 * ms
		if i >= 20 && i < 35 {
			took = 50 * ms
		}
		p.run = append(p.run, sample{at: time.Duration(i) * 100 * ms, took: took})
	}
	if got := p.report(s); got.CalmP50 != 5 || got.CalmP99 != 5 || got.StepP50 != 50 || got.StepP99 != 50 || got.RunP99 != 50 {
		t.Errorf("the report is %+v", got)
	}
}

// A packet that waits in a queue when the flow ends is not lost.
func TestAFixedRateThatFitsLosesNothing(t *testing.T) {
	tr, _ := newTraffic(t, "background: [{from: r1/1, to: r2/1, rate: 2Mbit, stop: 1s, proto: udp}, {from: r1/2, to: r2/2, rate: 1Mbit, start: 10s}]")
	o := run(tr, 2*time.Second)
	if f := o.Background[0]; f.Lost != 0 || f.Lasted < 0.9 || f.Proto != scenario.UDP {
		t.Errorf("the flow is %+v", f)
	}
	if f := o.Background[1]; f.Lasted != 0 || f.Start != 10 {
		t.Errorf("the flow that never began is %+v", f)
	}
}

func TestRatesCountHeaders(t *testing.T) {
	for proto, payload := range map[scenario.Proto]int64{scenario.UDP: 1472, scenario.TCP: 1448} {
		f := &flow{Flow: scenario.Flow{From: "a/1", To: "b/1", Proto: proto, Rate: unit.Rate(1514)}, lasted: 2 * time.Second}
		f.got.Store(payload)
		if got := f.report(); got.Asked != 1514*8 || got.Got != 1514*4 || f.arrived() != 1514 {
			t.Errorf("%s: %+v", proto, got)
		}
	}
}
