package bandwidth

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rackswarm/rackswarm/core/unit"
)

func TestCPUFactor(t *testing.T) {
	for _, c := range []struct{ idle, threshold, want Part }{
		{0.05, 0.20, 0.25}, {0.10, 0.20, 0.5}, {0.20, 0.20, 1}, {1, 0.20, 1}, {0, 0.20, 0},
		{0, 0, 1}, {-1, 0.20, 0}, {Part(math.NaN()), 0.20, 1},
	} {
		if got := CPUFactor(c.idle, c.threshold); math.Abs(float64(got-c.want)) > 1e-9 {
			t.Errorf("%v of %v: %v, want %v", c.idle, c.threshold, got, c.want)
		}
	}
}

// sample is a host of four CPUs, 100 ticks a second each, at a second.
func sample(s int64, c CPUTimes) HostSample {
	return HostSample{At: unit.Time(s) * unit.Time(time.Second), CPU: c}
}

func TestAHostsUse(t *testing.T) {
	first := sample(1, CPUTimes{Busy: 1000, Wait: 50, Idle: 9000})
	first.PSI = &Pressure{CPU: Stall{Total: time.Second}, IO: Stall{Total: time.Minute}}
	first.Disk = DiskCounters{Done: 10, Took: time.Second}
	first.NIC, first.Own = Moved{Up: 1000, Down: 5000}, Moved{Up: 900, Down: 1000}
	second := sample(3, CPUTimes{Busy: 1400, Wait: 250, Idle: 9200})
	second.PSI = &Pressure{CPU: Stall{Total: 2 * time.Second}, IO: Stall{Total: time.Hour}}
	second.Disk = DiskCounters{Done: 20, Took: 1200 * time.Millisecond}
	second.NIC, second.Own = Moved{Up: 2000, Down: 25000}, Moved{Up: 2000, Down: 2000}
	second.Speed, first.Interface, second.Interface = 125e6, "eth0", "eth0"

	var m HostMeter
	if u, ok := m.Sample(first); ok {
		t.Errorf("the first sample: %+v", u)
	}
	u, ok := m.Sample(second)
	stalled := u.Stalled
	u.Stalled = nil
	want := HostUse{
		At: second.At, Over: 2 * time.Second, CPUIdle: 0.25, DiskLatency: 20 * time.Millisecond,
		Interface: "eth0", OwnUp: 550, OwnDown: 500, OthersUp: 0, OthersDown: 9500, Speed: 125e6, // more of its own than the interface moved is none of others
	}
	if !ok || u != want || stalled == nil || *stalled != (Stalls{CPU: 0.5, IO: 1}) {
		t.Errorf("%+v, stalled %+v, %v", u, stalled, ok)
	}
	if u, ok := m.Sample(first); ok {
		t.Errorf("an older sample: %+v", u)
	}
}

// Counters of another interface, or that began anew, tell no rate.
func TestCountersThatDoNotGoOn(t *testing.T) {
	at := func(s int64, name string, n unit.Bytes) HostSample {
		x := sample(s, CPUTimes{Idle: 100 * uint64(s)}) //nolint:gosec // small
		x.Interface, x.NIC = name, Moved{Up: n, Down: n}
		return x
	}
	var m HostMeter
	m.Sample(at(1, "eth0", 1000))
	for i, c := range []struct {
		sample HostSample
		want   string // the interface that the use is of
		others unit.Rate
	}{
		{at(2, "eth0", 3000), "eth0", 2000},
		{at(3, "", 0), "", 0},
		{at(4, "eth0", 9000), "", 0},
		{at(5, "eth0", 9500), "eth0", 500},
		{at(6, "eth1", 99000), "", 0},
		{at(7, "eth1", 99001), "eth1", 1},
		{at(8, "eth1", 5), "", 0},
		{at(9, "eth1", 7), "eth1", 2},
	} {
		u, ok := m.Sample(c.sample)
		if !ok || u.Interface != c.want || u.OthersUp != c.others || u.OthersDown != c.others {
			t.Errorf("sample %d: %+v, %v", i, u, ok)
		}
	}
}

func TestAHostWithoutPressureInformation(t *testing.T) {
	var m HostMeter
	m.Sample(sample(1, CPUTimes{}))
	if u, ok := m.Sample(sample(2, CPUTimes{Idle: 400})); !ok || u.Stalled != nil || u.CPUIdle != 1 {
		t.Errorf("%+v, %v", u, ok)
	}
}

func TestCPUTimesThatGoBack(t *testing.T) {
	var m HostMeter
	m.Sample(sample(1, CPUTimes{Busy: 100, Wait: 100, Idle: 100}))
	if _, ok := m.Sample(sample(2, CPUTimes{Busy: 50, Wait: 100, Idle: 300})); ok {
		t.Error("a CPU that was taken out counts")
	}
	if u, ok := m.Sample(sample(3, CPUTimes{Busy: 150, Wait: 90, Idle: 600})); !ok || u.CPUIdle != 0.75 { // the kernel takes waiting back
		t.Errorf("%+v, %v", u, ok)
	}
	if _, ok := m.Sample(sample(4, CPUTimes{Busy: 150, Wait: 90, Idle: 600})); ok {
		t.Error("no time at all counts")
	}
}

func TestDiskLatency(t *testing.T) {
	ms := time.Millisecond
	for name, c := range map[string]struct {
		from, to DiskCounters
		want     time.Duration
	}{
		"some":               {DiskCounters{Done: 5, Took: 50 * ms}, DiskCounters{Done: 9, Took: 90 * ms}, 10 * ms},
		"none":               {DiskCounters{Done: 5}, DiskCounters{Done: 5}, 0},
		"one that hangs":     {DiskCounters{Done: 5}, DiskCounters{Done: 5, UnderWay: 1}, time.Second},
		"counters went back": {DiskCounters{Done: 5, Took: 50 * ms}, DiskCounters{Done: 9, Took: 5 * ms}, 0},
		"another disk":       {DiskCounters{Done: 5, Took: 50 * ms}, DiskCounters{Done: 4, Took: 60 * ms}, 0},
	} {
		if got := c.to.latencySince(c.from, time.Second); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// Whatever the counters, parts are parts and rates are not negative.
func TestAHostsUseIsInItsBounds(t *testing.T) {
	draw := rapid.Custom(func(t *rapid.T) HostSample {
		n := rapid.OneOf(rapid.Uint64Range(0, 1000), rapid.Uint64())
		stall := func(name string) Stall {
			return Stall{Avg10: 0.5, Total: time.Duration(rapid.Int64Range(0, math.MaxInt64).Draw(t, name))}
		}
		moved := func(name string) Moved {
			all := rapid.Int64Range(0, math.MaxInt64)
			return Moved{Up: unit.Bytes(all.Draw(t, name)), Down: unit.Bytes(all.Draw(t, name))}
		}
		return HostSample{
			At:   unit.Time(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "at")),
			CPU:  CPUTimes{Busy: n.Draw(t, "busy"), Wait: n.Draw(t, "wait"), Idle: n.Draw(t, "idle")},
			PSI:  &Pressure{CPU: stall("cpu"), IO: stall("io"), Memory: stall("memory")},
			Disk: DiskCounters{Done: n.Draw(t, "done"), Took: time.Duration(rapid.Int64Range(0, math.MaxInt64).Draw(t, "took"))},
			NIC:  moved("nic"), Own: moved("own"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		var m HostMeter
		for range 20 {
			u, ok := m.Sample(draw.Draw(t, "sample"))
			if !ok {
				continue
			}
			for _, p := range []Part{u.CPUIdle, u.Stalled.CPU, u.Stalled.IO, u.Stalled.Memory} {
				if !(p >= 0 && p <= 1) {
					t.Fatalf("%+v, %+v", u, u.Stalled)
				}
			}
			if u.OthersUp < 0 || u.OthersDown < 0 || u.DiskLatency < 0 || u.Over <= 0 {
				t.Fatalf("%+v", u)
			}
		}
	})
}
