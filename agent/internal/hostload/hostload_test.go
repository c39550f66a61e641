package hostload

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rackswarm/rackswarm/agent/internal/probe"
	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/topo"
	"github.com/rackswarm/rackswarm/core/unit"
)

// machine is a kernel that tells what a test writes, about a host with a disk.
type machine struct {
	t        *testing.T
	root     string
	data     string // lies on the disk
	log      bytes.Buffer
	load     *Load
	moved    bandwidth.Moved
	others   bandwidth.Moved // over the interface, beside moved
	now      unit.Time
	cpu      bandwidth.CPUTimes
	disk     bandwidth.DiskCounters
	stalled  time.Duration // by I/O
	throttle int
	nic      bool // it is there
}

func newMachine(t *testing.T, impact bandwidth.Impact) *machine {
	t.Helper()
	m := &machine{t: t, root: t.TempDir(), data: t.TempDir(), nic: true}
	var stat unix.Stat_t
	if err := unix.Stat(m.data, &stat); err != nil {
		t.Fatal(err)
	}
	m.write("sys/block/sdx/size", "1\n")
	links := filepath.Join(m.root, "sys/dev/block")
	if err := os.MkdirAll(links, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../../block/sdx", filepath.Join(links, fmt.Sprintf("%d:%d", unix.Major(stat.Dev), unix.Minor(stat.Dev)))); err != nil {
		t.Fatal(err)
	}
	m.write("sys/class/net/eth0/speed", "1000\n")
	m.write("sys/class/net/eth0/device/vendor", "0x8086\n")
	m.write("proc/self/cgroup", "0::/agent\n")
	m.tell()
	load, err := New(Config{
		Host: probe.HostConfig{Interface: "eth0", Path: m.data, Root: m.root}, Impact: impact, Policy: bandwidth.DefaultPolicy(),
		Moved: func() bandwidth.Moved { return m.moved }, Logger: slog.New(slog.NewTextHandler(&m.log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	m.load = load
	load.look(0)
	return m
}

func (m *machine) write(name, text string) {
	m.t.Helper()
	path := filepath.Join(m.root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) tell() {
	m.write("proc/stat", fmt.Sprintf("cpu %d 0 0 %d %d\n", m.cpu.Busy, m.cpu.Idle, m.cpu.Wait))
	m.write("proc/diskstats", fmt.Sprintf("8 0 sdx %d 0 0 %d 0 0 0 0 0 0 0\n", m.disk.Done, m.disk.Took.Milliseconds()))
	if m.nic {
		up, down := m.moved.Up+m.others.Up, m.moved.Down+m.others.Down
		m.write("proc/net/dev", fmt.Sprintf("eth0: %d 0 0 0 0 0 0 0 %d 0 0 0 0 0 0 0\n", int64(down), int64(up)))
		m.write("sys/class/net/eth0/statistics/rx_bytes", fmt.Sprintln(int64(down)))
	}
	m.write("sys/fs/cgroup/agent/cpu.stat", fmt.Sprintf("nr_throttled %d\n", m.throttle))
	for _, what := range []string{"cpu", "io", "memory"} {
		total := time.Duration(0)
		if what == "io" {
			total = m.stalled
		}
		m.write("proc/pressure/"+what, fmt.Sprintf("some avg10=0 avg60=0 avg300=0 total=%d\n", total.Microseconds()))
	}
}

// second passes a second in which so many percent of the CPU were idle, and as many
// went to waiting for I/O.
func (m *machine) second(idle, wait uint64) {
	m.cpu.Idle += idle
	m.cpu.Wait += wait
	m.cpu.Busy += 100 - idle - wait
	m.now = m.now.Add(time.Second)
	m.tell()
	m.load.look(m.now)
}

func (m *machine) removeNIC() {
	m.t.Helper()
	m.nic = false
	m.write("proc/net/dev", "lo: 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n")
}

func (m *machine) limits(want unit.Rate, reason bandwidth.Reason) {
	m.t.Helper()
	budget := bandwidth.NewBudget(bandwidth.Binding{Reason: bandwidth.Reserve, Hop: topo.Hop{Node: "n1"}, Rate: 1000})
	if got := m.load.Limit(budget); got.Rate < want-1 || got.Rate > want || got.Binding.Reason != reason {
		m.t.Errorf("at %s: %s, want %d because of %s", time.Duration(m.now), got.Binding, want, reason)
	}
}

// Requirement 40: below 20% idle, waiting for I/O being busy, the limit shrinks in
// proportion, within a second; it comes back step by step.
func TestABusyCPULowersTheLimit(t *testing.T) {
	m := newMachine(t, bandwidth.DefaultImpact())
	m.limits(1000, bandwidth.Reserve)
	if _, seen := m.load.Use(); seen {
		t.Error("the use is known after one look")
	}
	m.second(50, 0)
	m.limits(1000, bandwidth.Reserve)
	m.second(5, 0)
	m.limits(250, bandwidth.CPU)
	m.second(10, 80)
	m.limits(500, bandwidth.CPU) // a second passed since there was a reason for less
	m.second(0, 100)
	m.limits(20, bandwidth.CPU)
	for range 6 {
		m.second(90, 0)
	}
	m.limits(1000, bandwidth.Reserve)
	if use, seen := m.load.Use(); !seen || use.CPUIdle != .9 || use.Speed != 125e6 {
		t.Errorf("the use is %+v, %v", use, seen)
	}
}

// A group that is held back by its quota is busy, though the host is idle.
func TestAQuotaCountsAsBusy(t *testing.T) {
	m := newMachine(t, bandwidth.DefaultImpact())
	m.throttle += 5
	m.second(90, 0)
	m.limits(1000, bandwidth.Reserve)
	m.throttle += 9
	m.second(90, 0)
	m.limits(500, bandwidth.CPU)
	m.throttle += 10
	m.second(90, 0)
	m.limits(20, bandwidth.CPU)
}

func TestStallsLowerTheLimit(t *testing.T) {
	m := newMachine(t, bandwidth.DefaultImpact())
	m.stalled += 900 * time.Millisecond
	m.second(90, 0)
	m.limits(500, bandwidth.IOPressure)
	for _, what := range []string{"cpu", "io", "memory"} { // as on a kernel without them
		if err := os.Rename(filepath.Join(m.root, "proc/pressure", what), filepath.Join(m.root, what)); err != nil {
			t.Fatal(err)
		}
	}
	m.load.look(m.now.Add(time.Second))
	if m.log.Len() > 0 {
		t.Errorf("a kernel without pressure information is logged: %s", &m.log)
	}
	m.limits(500, bandwidth.IOPressure)
}

// The disk's latency without us is learned; with us it may be longer by a part.
func TestALateDiskLowersTheLimit(t *testing.T) {
	impact := bandwidth.DefaultImpact()
	impact.DiskLatency = .2
	m := newMachine(t, impact)
	answer := func(took time.Duration, moved unit.Bytes) {
		m.disk.Done += 100
		m.disk.Took += 100 * took
		m.moved.Down += moved
		m.second(90, 0)
	}
	for range 5 {
		answer(10*time.Millisecond, 0)
	}
	answer(12*time.Millisecond, 10<<20)
	m.limits(1000, bandwidth.Reserve)
	answer(40*time.Millisecond, 10<<20)
	m.limits(700, bandwidth.Disk)
	for range 8 {
		answer(40*time.Millisecond, 1000) // others are to blame
	}
	m.limits(1000, bandwidth.Reserve)
}

// What cannot be read is logged when it begins and when it changes, and does not limit.
func TestWhatCannotBeRead(t *testing.T) {
	m := newMachine(t, bandwidth.DefaultImpact())
	m.removeNIC()
	m.second(5, 0)
	m.second(5, 0)
	if lines := strings.Split(strings.TrimSpace(m.log.String()), "\n"); len(lines) != 1 || !strings.Contains(lines[0], "there is no interface eth0") {
		t.Errorf("logged: %q", lines)
	}
	m.limits(250, bandwidth.CPU)
	m.log.Reset()
	if err := os.Remove(filepath.Join(m.root, "proc/stat")); err != nil {
		t.Fatal(err)
	}
	m.load.look(m.now.Add(time.Second))
	m.load.look(m.now.Add(2 * time.Second))
	if text := m.log.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "proc/stat") {
		t.Errorf("logged: %s", text)
	}
	if _, err := New(Config{Host: probe.HostConfig{Path: "/no/such/path"}}); err == nil || !strings.Contains(err.Error(), "look at this host: find the disk of /no/such/path") {
		t.Error(err)
	}
}

// What cannot be read is said once, also when it is something else each second, as when
// there are no descriptors left.
func TestFailuresThatTakeTurns(t *testing.T) {
	m := newMachine(t, bandwidth.DefaultImpact())
	for i := range 20 {
		m.nic = i%2 == 0
		if m.second(50, 0); !m.nic {
			m.removeNIC()
		}
		m.now = m.now.Add(time.Second)
		if i%3 == 0 {
			m.write("proc/stat", "x")
		}
		m.load.look(m.now)
	}
	if lines := strings.Split(strings.TrimSpace(m.log.String()), "\n"); len(lines) != 2 {
		t.Errorf("logged: %q", lines)
	}
}

// An interface that tells no speed is as fast as it was seen to be: what its counters
// say at once, when they can be read again, is no rate.
func TestAnInterfaceThatComesBack(t *testing.T) {
	m := newMachine(t, bandwidth.DefaultImpact())
	m.write("sys/class/net/eth0/speed", "-1\n")
	half := func() unit.Rate { return m.load.Limit(bandwidth.NoLimit(topo.Hop{Node: "n1"})).Rate }
	second := func(more unit.Bytes) {
		m.others.Up += more
		m.second(10, 0) // half of what is to be idle
	}
	second(1000)
	if got := half(); got != 1e6 {
		t.Errorf("of next to nothing %d B/s are left, want the floor", got)
	}
	second(4e6)
	if got := half(); got != 2e6 {
		t.Errorf("half of 4 MB/s is %d", got)
	}
	m.removeNIC()
	m.second(10, 0)
	m.nic = true
	second(1e9)
	second(1000)
	if got := half(); got != 2e6 {
		t.Errorf("half of 4 MB/s is %d, after the interface was gone", got)
	}
}

// Requirement 39: of the host's own link the agent leaves a reserve, and what others
// use; what it moves itself is none of theirs.
func TestOthersOnTheHostsOwnLink(t *testing.T) {
	m := newMachine(t, bandwidth.DefaultImpact())
	want := func(up bool, wire unit.Rate, reason bandwidth.Reason) {
		t.Helper()
		b := m.load.Limit(bandwidth.NoLimit(topo.Hop{Node: "n1", Up: up}))
		const step unit.Rate = 488_282 // to which others' use is rounded up
		if b.Rate < bandwidth.PayloadOf(wire-step) || b.Rate > bandwidth.PayloadOf(wire) || b.Binding.Reason != reason {
			t.Errorf("at %s: %s, want %d on the wire because of %s", time.Duration(m.now), b.Binding, wire, reason)
		}
	}
	want(true, 1e6, bandwidth.Unmeasured)
	second := func(own, up, down unit.Bytes) {
		m.moved.Up += own
		m.others.Up += up
		m.others.Down += down
		m.second(90, 0)
	}
	second(0, 0, 0)
	want(true, 100e6, bandwidth.Reserve)
	second(60e6, 31.25e6, 0)               // 60 MB of its own, and a quarter of the link of others
	want(true, 71.75e6, bandwidth.Reserve) // as much as the agent may have miscounted is left out
	want(false, 100e6, bandwidth.Reserve)
	second(0, 31.25e6, 125e6)
	want(true, 68.75e6, bandwidth.Reserve)
	want(false, 1e6, bandwidth.Floor)
	second(0, 0, 0)
	want(true, 100e6, bandwidth.Reserve)
}

// What a link carries is what people say, if they do.
func TestASpeedThatIsOverridden(t *testing.T) {
	for _, c := range []struct {
		said, want unit.Rate
		reason     bandwidth.Reason
	}{
		{0, bandwidth.PayloadOf(100e6), bandwidth.Reserve},
		{12.5e6, bandwidth.PayloadOf(10e6), bandwidth.Reserve},
		{unit.Unlimited, unit.Unlimited, bandwidth.Open},
	} {
		m := newMachine(t, bandwidth.DefaultImpact())
		load, err := New(Config{Host: m.load.config.Host, Up: c.said, Down: c.said, Policy: bandwidth.DefaultPolicy(), Moved: m.load.config.Moved})
		if err != nil {
			t.Fatal(err)
		}
		m.load = load
		load.look(0)
		m.second(90, 0)
		if b := load.Limit(bandwidth.NoLimit(topo.Hop{Node: "n1"})); b.Rate != c.want || b.Binding.Reason != c.reason {
			t.Errorf("%s: %s, want %s", c.said, b.Binding, c.want)
		}
	}
}

// An interface that cannot be read any more leaves less and less, down to the floor.
func TestALinkThatIsMeasuredNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, bandwidth.DefaultImpact())
		second := func() {
			time.Sleep(time.Second)
			m.second(90, 0)
		}
		second()
		m.removeNIC()
		for i := range 20 {
			b := m.load.Limit(bandwidth.NoLimit(topo.Hop{Node: "n1"}))
			want := bandwidth.Reserve
			if i > 5 {
				want = bandwidth.Stale
			}
			if b.Binding.Reason != want || i >= 15 && b.Rate != bandwidth.PayloadOf(1e6) {
				t.Errorf("after %d s: %s", i, b.Binding)
			}
			second()
		}
	})
}

// This host is looked at once a second until the context ends.
func TestThisHost(t *testing.T) {
	load, err := New(Config{
		Host: probe.HostConfig{Interface: "lo", Path: "."}, Impact: bandwidth.DefaultImpact(),
		Moved: func() bandwidth.Moved { return bandwidth.Moved{} },
	})
	if err != nil {
		t.Fatal(err)
	}
	load.look(unit.Time(time.Since(load.epoch)))
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) { // the kernel's ticks are 10 ms
		load.look(unit.Time(time.Since(load.epoch)))
		if use, seen := load.Use(); seen {
			if use.CPUIdle < 0 || use.CPUIdle > 1 || use.DiskLatency < 0 {
				t.Errorf("%+v", use)
			}
			return
		}
		if time.Now().After(end) {
			t.Fatal("nothing is known of this host for a minute")
		}
	}
}

func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		looks := 0
		load, err := New(Config{Host: probe.HostConfig{Interface: "lo"}, Moved: func() bandwidth.Moved { looks++; return bandwidth.Moved{} }})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 9500*time.Millisecond)
		defer cancel()
		load.Run(ctx)
		if looks != 10 {
			t.Errorf("%d looks in 9.5 s", looks)
		}
	})
}

func BenchmarkLook(b *testing.B) {
	load, err := New(Config{
		Host: probe.HostConfig{Interface: "lo", Path: "."}, Impact: bandwidth.DefaultImpact(),
		Moved: func() bandwidth.Moved { return bandwidth.Moved{} },
	})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		load.look(unit.Time(time.Since(load.epoch)))
	}
}
