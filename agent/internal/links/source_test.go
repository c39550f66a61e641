package links

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/agent/internal/probe"
	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/pause"
	"github.com/rackswarm/rackswarm/core/unit"
)

// router is a source that sees what movers and others move into ams/r1.
type router struct {
	movers []*mover
	asking atomic.Int32 // how many ask it now

	mu     sync.Mutex
	others unit.Rate
	fault  *bandwidth.Warning
}

const routerPolls = 500 * time.Millisecond

func (r *router) source() Source {
	return Source{Name: "device test:161", Links: []unit.Location{"ams/r1"}, Run: r.run}
}

func (r *router) run(ctx context.Context, a Asking) {
	r.asking.Add(1)
	defer r.asking.Add(-1)
	last, began := r.seen(), time.Now()
	var use bandwidth.Use
	for pause.For(ctx, routerPolls) == nil {
		r.mu.Lock()
		others, fault := r.others, r.fault
		r.mu.Unlock()
		now, moved := time.Now(), r.seen()
		report := probe.Report{Link: "ams/r1", Known: true, Refresh: routerPolls}
		if fault == nil {
			over := now.Sub(began)
			use = bandwidth.Use{Up: 1, Down: others + unit.Rate(float64(bandwidth.Moved{Down: unit.Bytes(moved - last)}.OnWire().Down)/over.Seconds()),
				UpCapacity: 100 * mbit, DownCapacity: 100 * mbit, Over: over, At: a.Time(now)}
		} else {
			report.Faults, report.News = []bandwidth.Warning{*fault}, []bandwidth.Warning{*fault}
			report.Known = fault.Fault != bandwidth.FaultFalse
		}
		report.Use, last, began = use, moved, now
		a.Report(report)
	}
}

func (r *router) seen() (sum float64) {
	for _, m := range r.movers {
		m.mu.Lock()
		m.move()
		sum += m.moved
		m.mu.Unlock()
	}
	return sum
}

func (r *router) set(others unit.Rate, fault *bandwidth.Warning) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.others, r.fault = others, fault
}

// moving is what the movers move now, on the wire.
func (r *router) moving() (sum unit.Rate) {
	for _, m := range r.movers {
		now, _ := m.rates()
		sum += onLink(now)
	}
	return sum
}

// TestOthersComeFirst: the fleet leaves to others what they use, and follows them up
// and down; one node asks for all, and another one when it is gone.
func TestOthersComeFirst(t *testing.T) {
	t.Parallel()
	_, open := openStore(t)
	s := open()
	r := &router{movers: []*mover{{}, {}, {}}, others: 30 * mbit}
	var ends []context.CancelFunc
	for i, m := range r.movers {
		m.wants(1000 * mbit)
		ctx, end := context.WithCancel(t.Context())
		ends = append(ends, end)
		startWith(ctx, t, open(), unit.NodeID(fmt.Sprint("n", i)), m, func(c *Config) { c.Sources = []Source{r.source()} })
	}
	follow := func(others, least, most unit.Rate) {
		t.Helper()
		r.set(others, nil)
		took := eventually(t, fmt.Sprintf("%v beside %v", least, others), func() bool { now := r.moving(); return now >= least && now <= most })
		t.Logf("beside %v of others the fleet moves %v, after %v", others, r.moving(), took)
	}
	follow(30*mbit, 45*mbit, 51*mbit)
	follow(60*mbit, 17*mbit, 21*mbit)
	follow(95*mbit, mbit, 3*mbit) // the floor
	follow(20*mbit, 54*mbit, 61*mbit)
	if n := r.asking.Load(); n != 1 {
		t.Errorf("%d nodes ask the device", n)
	}
	// Whoever asks ends; who stays takes over.
	asks := readingOf(t, s, "ams/r1").Node
	for i, m := range r.movers {
		if unit.NodeID(fmt.Sprint("n", i)) == asks {
			m.wants(0)
			ends[i]()
		}
	}
	follow(60*mbit, 17*mbit, 21*mbit)
}

// TestSteadyOthersAreNotOurs: while the fleet changes its rate, what others use stays
// what it is.
func TestSteadyOthersAreNotOurs(t *testing.T) {
	t.Parallel()
	_, open := openStore(t)
	r := &router{movers: []*mover{{}}, others: 50 * mbit}
	s := open()
	start(t, s, "n", r.movers[0], func(c *Config) { c.Sources = []Source{r.source()} })
	r.movers[0].wants(1000 * mbit)
	eventually(t, "the spare", func() bool { return r.moving() > 28*mbit })
	for i := range 16 {
		r.movers[0].wants([]unit.Rate{1000 * mbit, 5 * mbit}[i/4%2])
		time.Sleep(bandwidth.ClaimEvery) // others are the same all the time
		if got := readingOf(t, s, "ams/r1").DownOthers; got < 40*mbit || got > 60*mbit {
			t.Errorf("others are taken to use %v", got)
		}
	}
}

// TestBadReadings: whatever is wrong, the warning names the link and the floor in
// force, and the transfer goes on.
func TestBadReadings(t *testing.T) {
	t.Parallel()
	type trial struct {
		*router
		fault bandwidth.Fault
		m     *Manager
	}
	var all []trial
	for _, fault := range []bandwidth.Fault{
		bandwidth.FaultSilent, bandwidth.FaultRefused, bandwidth.FaultVanished, bandwidth.FaultAbsurd, bandwidth.FaultFalse,
	} {
		_, open := openStore(t)
		r := &router{movers: []*mover{{wish: 1000 * mbit}}}
		all = append(all, trial{r, fault, start(t, open(), "n", r.movers[0], func(c *Config) { c.Sources = []Source{r.source()} })})
	}
	for _, r := range all {
		eventually(t, "the spare", func() bool { return r.moving() > 70*mbit })
	}
	for _, r := range all {
		r.set(0, &bandwidth.Warning{Link: "ams/r1", Fault: r.fault, Message: "it is broken"})
	}
	floor := bandwidth.FloorOf(100 * mbit)
	for _, r := range all {
		eventually(t, "the floor", func() bool { return r.moving() <= floor })
		if now := r.moving(); now < floor/2 {
			t.Errorf("%s: only %v are moved, and the floor is %v", r.fault, now, floor)
		}
		list, err := r.m.List(t.Context())
		if err != nil || len(list.Links) != 1 {
			t.Fatalf("%s: %+v, %v", r.fault, list, err)
		}
		l := list.Links[0]
		want := fmt.Sprintf("it is broken; in force: %v up, %v down", floor, floor)
		if l.Location != "ams/r1" || len(l.Warnings) != 1 || l.Warnings[0].Fault != string(r.fault) || l.Warnings[0].Message != want {
			t.Errorf("%s: %+v, want %q", r.fault, l.Warnings, want)
		}
		r.set(0, nil)
		eventually(t, "the spare again", func() bool { return r.moving() > 70*mbit })
	}
}

// TestAnUnreachableDevice has the floor from the beginning on.
func TestAnUnreachableDevice(t *testing.T) {
	t.Parallel()
	_, open := openStore(t)
	source, err := Device(probe.Device{Host: "127.0.0.1", Port: 1, Community: "public",
		Links: []probe.Link{{Name: "eth0", MeterConfig: bandwidth.MeterConfig{Link: "ams/r1"}}}})
	if err != nil {
		t.Fatal(err)
	}
	swarm := &mover{}
	m := start(t, open(), "n", swarm, func(c *Config) {
		c.Sources = []Source{source}
		c.Links = map[unit.Location]Link{"ams/r1": {Up: 100 * mbit, Down: 10 * mbit}}
	})
	swarm.wants(1000 * mbit)
	eventually(t, "the warning", func() bool {
		list, err := m.List(t.Context())
		return err == nil && len(list.Links) == 1 && len(list.Links[0].Warnings) == 1 && hasPart(list.Links[0].Warnings[0].Message, "device 127.0.0.1:1: nothing listens there")
	})
	if now, _ := swarm.rates(); now == 0 || onLink(now) > bandwidth.FloorOf(10*mbit) {
		t.Errorf("%v are moved over a link that was never measured", onLink(now))
	}
}
