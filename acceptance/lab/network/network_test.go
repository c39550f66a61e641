package network_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rackswarm/rackswarm/acceptance/lab/network"
	"github.com/rackswarm/rackswarm/acceptance/lab/network/networktest"
	"github.com/rackswarm/rackswarm/acceptance/lab/system"
	"github.com/rackswarm/rackswarm/acceptance/wait"
	"github.com/rackswarm/rackswarm/core/scenario"
	"github.com/rackswarm/rackswarm/core/topo"
	"github.com/rackswarm/rackswarm/core/unit"
)

const mbit unit.Rate = 1e6 / 8

func both(r unit.Rate) topo.Link { return topo.Link{Up: r, Down: r} }

// racks is a scenario of a datacenter with racks dc/r1, dc/r2 and so on.
func racks(count, hosts int, uplink, host topo.Link) *scenario.Scenario {
	s := &scenario.Scenario{Name: "racks", Locations: []scenario.Location{{Location: "dc", Uplink: topo.Unlimited}}}
	for r := range count {
		loc := unit.Location(fmt.Sprintf("dc/r%d", r+1))
		s.Locations = append(s.Locations, scenario.Location{Location: loc, Uplink: uplink})
		for h := range hosts {
			s.Hosts = append(s.Hosts, scenario.Host{Node: node(loc, h+1), Location: loc, Link: host})
		}
	}
	return s
}

func node(loc unit.Location, number int) unit.NodeID {
	return unit.NodeID(fmt.Sprintf("%s/%d", loc, number))
}

// send sends size bytes over TCP from one host to a port of another and returns how
// long it took until the other had it all.
func send(t testing.TB, from, to *network.Host, port uint16, size int64) time.Duration {
	t.Helper()
	in, out := connect(t, from, to, port)
	defer in.Close()
	begin := time.Now()
	go func() {
		defer out.Close()
		io.CopyN(out, zeros{}, size)
	}()
	got, err := io.Copy(io.Discard, in)
	if err != nil || got != size {
		t.Fatalf("%d bytes of %d arrived: %v", got, size, err)
	}
	return time.Since(begin)
}

// connect makes a TCP connection from one host to a port of another.
func connect(t testing.TB, from, to *network.Host, port uint16) (in, out net.Conn) {
	t.Helper()
	l, err := to.Listen(port)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if out, err = from.Dial(t.Context(), "tcp4", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	in, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return in, out
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func TestEverybodyReachesEverybody(t *testing.T) {
	n := networktest.New(t, racks(8, 8, both(10*mbit), both(100*mbit)))
	for _, to := range []*network.Host{n.Store(), n.Host("dc/r1/1"), n.Host("dc/r1/2"), n.Host("dc/r8/8")} {
		if from := n.Host("dc/r1/1"); from != to {
			send(t, from, to, 9000, 10_000)
			send(t, to, from, 9000, 10_000)
		}
	}
	if out := seen(t, n.Host("dc/r2/3"), "/proc/net/dev"); !strings.Contains(out, "eth0") {
		t.Errorf("a program sees:\n%s", out)
	}
}

// seen is what a program on a host reads from a file.
func seen(t *testing.T, h *network.Host, file string) string {
	t.Helper()
	var out strings.Builder
	cmd := exec.Command("cat", file)
	cmd.Stdout = &out
	p, err := h.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// sentAgain is how many segments a host has sent again, as it does, too, when an
// acknowledgement is late on a busy machine.
func sentAgain(t *testing.T, h *network.Host) unit.Bytes {
	t.Helper()
	var names []string
	for line := range strings.Lines(seen(t, h, "/proc/net/snmp")) {
		fields := strings.Fields(line)
		at := slices.Index(names, "RetransSegs")
		if fields[0] == "Tcp:" && at >= 0 {
			n, err := strconv.Atoi(fields[at])
			if err != nil {
				t.Fatal(err)
			}
			return unit.Bytes(n)
		}
		if fields[0] == "Tcp:" {
			names = fields
		}
	}
	t.Fatal("the kernel does not count what TCP sends again")
	return 0
}

// What is sent again is counted again.
func TestPayloadIsCountedExactly(t *testing.T) {
	n := networktest.New(t, racks(2, 1, both(100*mbit), topo.Unlimited))
	const size = 1_234_567
	send(t, n.Host("dc/r1/1"), n.Host("dc/r2/1"), system.DataPort, size)
	send(t, n.Host("dc/r2/1"), n.Host("dc/r1/1"), 9000, size)
	const segment = 1448
	again := sentAgain(t, n.Host("dc/r1/1")) * segment
	for loc, want := range map[unit.Location]scenario.Crossing{"dc": {}, "dc/r1": {Up: size}, "dc/r2": {Down: size}} {
		got, err := n.Crossed(loc)
		more := scenario.Crossing{Up: got.Up - want.Up, Down: got.Down - want.Down}
		if err != nil || min(more.Up, more.Down) < 0 || more.Up+more.Down > again {
			t.Errorf("over the uplink of %s %+v crossed and not %+v, at most %d again: %v", loc, got, want, again, err)
		}
	}
}

func TestLocationsAndHostsThatAreNotThere(t *testing.T) {
	n := networktest.New(t, racks(1, 1, topo.Unlimited, topo.Unlimited))
	_, crossed := n.Crossed("dc/r2")
	_, hostCrossed := n.HostCrossed("dc/r1/2")
	_, _, wire := n.Wire("")
	for what, err := range map[string]error{
		"Crossed": crossed, "HostCrossed": hostCrossed, "Wire of the root": wire,
		"SetLink": n.SetLink("dc/r2", both(mbit)), "SetHostLink": n.SetHostLink("dc/r1/2", both(mbit)),
		"Partition": n.Partition("dc/r2"), "Heal": n.Heal(""), "Move of": n.Move("dc/r1/2", "dc"), "Move to": n.Move("dc/r1/1", "dc/r2"),
	} {
		if err == nil || !strings.Contains(err.Error(), "the network has no") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if n.Host("dc/r1/2") != nil || n.Switch("dc/r2") != nil {
		t.Error("there is a host or a switch that the scenario does not have")
	}
}

// Wire counts frames as the link's rate does.
func TestWire(t *testing.T) {
	n := networktest.New(t, racks(2, 1, both(100*mbit), both(100*mbit)))
	const count = 20
	roundTrips(t, n.Host("dc/r1/1"), n.Host("dc/r2/1"), count)
	const frame = 14 + 20 + 8 + 4 // Ethernet, IP, UDP, "ping"
	up, down, err := n.Wire("dc/r1")
	if err != nil || up != count*frame || down != count*frame {
		t.Errorf("%d bytes went up, %d down, not %d: %v", up, down, count*frame, err)
	}
	all, err := n.Wires()
	if err != nil || all["dc/r1"].All != (scenario.Crossing{Up: up, Down: down}) || all["dc/r1"].Ours != (scenario.Crossing{}) || len(all) != 3 {
		t.Errorf("all uplinks: %v, %v", all, err)
	}
}

// Delay holds every packet back, and an uplink of another rate does so as well.
func TestADelay(t *testing.T) {
	s := racks(2, 1, both(100*mbit), topo.Unlimited)
	s.Locations[1].RTT = 20 * time.Millisecond
	s.Locations[2].RTT = 4 * time.Millisecond
	n := networktest.New(t, s)
	a, b := n.Host("dc/r1/1"), n.Host("dc/r2/1")
	if trips := roundTrips(t, a, b, 20); trips[0] < 24*time.Millisecond {
		t.Errorf("a round trip took %s over links of 24 ms", trips[0])
	}
	const size = 3_000_000
	send(t, a, b, system.DataPort, size)
	if err := n.SetLink("dc/r1", topo.Unlimited); err != nil {
		t.Fatal(err)
	}
	send(t, b, a, system.DataPort, size)
	got, err := n.Crossed("dc/r1")
	if err != nil || got.Up < size || got.Down < size {
		t.Errorf("%+v crossed: %v", got, err)
	}
}

func TestALinkThatChanges(t *testing.T) {
	n := networktest.New(t, racks(2, 1, both(100*mbit), topo.Unlimited))
	a, b := n.Host("dc/r1/1"), n.Host("dc/r2/1")
	const size = 300_000
	for _, step := range []struct {
		change  func() error
		slowest unit.Rate
	}{
		{func() error { return n.SetLink("dc/r1", both(4*mbit)) }, 4 * mbit},
		{func() error { return n.SetLink("dc/r1", topo.Unlimited) }, 100 * mbit},
		{func() error { return n.SetLink("dc/r1", topo.Link{Up: 8 * mbit}) }, 0},
		{func() error { return n.SetLink("dc/r1", topo.Unlimited) }, 100 * mbit},
		{func() error { return n.SetHostLink("dc/r2/1", both(8*mbit)) }, 8 * mbit},
	} {
		if err := step.change(); err != nil {
			t.Fatal(err)
		}
		if step.slowest == 0 {
			if out, err := dial(b, a); err == nil {
				out.Close()
				t.Error("something passes a link with no capacity")
			}
			continue
		}
		// What a bucket holds passes at once.
		if took := send(t, a, b, 9000, size); took < unit.Bytes(size-64*unit.KiB).Over(step.slowest) {
			t.Errorf("%d bytes took %s over a link of %s", size, took, step.slowest)
		}
	}
}

// dial tries for a moment whether packets of one host reach another, which would
// refuse the connection at once.
func dial(from, to *network.Host) (conn net.Conn, err error) {
	failed := from.Do(func() error {
		conn, err = net.DialTimeout("tcp4", netip.AddrPortFrom(to.Address, 1).String(), 300*time.Millisecond)
		return nil
	})
	if failed != nil {
		return nil, failed
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return nil, nil
	}
	return conn, err
}

// A connection outlives a partition, and no one is told of it.
func TestPartition(t *testing.T) {
	n := networktest.New(t, racks(2, 2, both(100*mbit), topo.Unlimited))
	a, b := n.Host("dc/r1/1"), n.Host("dc/r2/1")
	in, out := connect(t, a, b, system.DataPort)
	defer in.Close()
	defer out.Close()
	before, err := n.Crossed("dc/r1")
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Partition("dc/r1"); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	for from, to := range map[*network.Host]*network.Host{a: b, b: a} {
		var timeout net.Error
		if _, err := dial(from, to); !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("%s to %s: %v", from.Node, to.Node, err)
		}
	}
	send(t, a, n.Host("dc/r1/2"), 9000, 1000)
	if during, err := n.Crossed("dc/r1"); err != nil || during != before {
		t.Errorf("%+v crossed, and %+v before: %v", during, before, err)
	}
	if err := n.Heal("dc/r1"); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 5)
	if _, err := io.ReadFull(in, got); err != nil || string(got) != "hello" {
		t.Errorf("after it, %q arrived: %v", got, err)
	}
}

func TestLoss(t *testing.T) {
	s := racks(2, 1, topo.Unlimited, topo.Unlimited)
	s.Locations[1].Loss = 0.2
	n := networktest.New(t, s)
	const count = 2000
	err := n.Host("dc/r1/1").Do(func() error {
		out, err := net.Dial("udp4", netip.AddrPortFrom(n.Host("dc/r2/1").Address, system.DataPort).String())
		if err != nil {
			return err
		}
		defer out.Close()
		for i := range count {
			out.Write([]byte{1}) // is refused now and then: nobody listens
			if i%100 == 0 {
				time.Sleep(5 * time.Millisecond) // else a kernel that is busy drops some besides
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var lossy, whole scenario.Crossing
	err = wait.Until(t.Context(), 10*time.Second, "nothing is under way", func() error {
		was, before := lossy, whole
		var errLossy, errWhole error
		lossy, errLossy = n.Crossed("dc/r1")
		whole, errWhole = n.Crossed("dc/r2")
		if lossy != was || whole != before {
			return errors.Join(errLossy, errWhole, fmt.Errorf("%d and %d more crossed", lossy.Up-was.Up, whole.Down-before.Down))
		}
		return errors.Join(errLossy, errWhole)
	})
	if err != nil {
		t.Fatal(err)
	}
	if lossy.Up < count/4 || whole.Down < lossy.Up*7/10 || whole.Down > lossy.Up*9/10 {
		t.Errorf("%d packets crossed the link that loses 20%% of them, and %d the one behind it", lossy.Up, whole.Down)
	}
}

// A host that moves keeps its address and its connections, and what its old cable
// counted.
func TestMove(t *testing.T) {
	n := networktest.New(t, racks(3, 2, both(100*mbit), both(100*mbit)))
	a, b := n.Host("dc/r1/1"), n.Host("dc/r2/1")
	in, out := connect(t, a, b, 9000)
	defer in.Close()
	defer out.Close()
	const size = 100_000
	for _, to := range []unit.Location{"dc/r1", "dc/r3", "dc/r1", "dc", "dc/r2"} {
		if err := n.Move("dc/r1/1", to); err != nil {
			t.Fatal(err)
		}
		send(t, b, a, system.DataPort, size)
		send(t, a, b, system.DataPort, size)
		if _, err := out.Write([]byte{1}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(in, make([]byte, 1)); err != nil {
			t.Errorf("after the move to %s: %v", to, err)
		}
	}
	for loc, want := range map[unit.Location]int{"dc": 0, "dc/r1": 2, "dc/r2": 4, "dc/r3": 1} {
		crossed(t, loc, want*size, func() (scenario.Crossing, error) { return n.Crossed(loc) })
	}
	crossed(t, "dc/r1/1", 5*size, func() (scenario.Crossing, error) { return n.HostCrossed("dc/r1/1") })
}

// crossed fails if not want bytes crossed each way. Some may have been sent again.
func crossed(t *testing.T, what unit.Location, want int, how func() (scenario.Crossing, error)) {
	t.Helper()
	got, err := how()
	for way, bytes := range map[string]unit.Bytes{"up": got.Up, "down": got.Down} {
		if least := unit.Bytes(want); err != nil || bytes < least || bytes > least+least/4 {
			t.Errorf("%s: %d bytes went %s, not %d: %v", what, bytes, way, want, err)
		}
	}
}

// Networks do not know of each other, though they have the same addresses, and one
// after the other can be made.
func TestSeveralAtOnceAndInARow(t *testing.T) {
	for range 3 {
		var made [3]*network.Network
		for i := range made {
			made[i] = networktest.New(t, racks(2, 1, both(100*mbit), topo.Unlimited))
		}
		for _, n := range made[:2] {
			send(t, n.Host("dc/r1/1"), n.Host("dc/r2/1"), system.DataPort, 10_000)
		}
		if c, err := made[2].Crossed("dc/r1"); err != nil || c != (scenario.Crossing{}) {
			t.Errorf("%+v crossed in a network where nothing was sent: %v", c, err)
		}
		for _, n := range made {
			if err := n.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestCloseEndsWhatRuns(t *testing.T) {
	n := networktest.New(t, racks(1, 1, topo.Unlimited, topo.Unlimited))
	p, err := n.Host("dc/r1/1").Start(exec.Command("sleep", "infinity"))
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Close(); err != nil || p.Running() {
		t.Errorf("closed with %v, the program runs: %v", err, p.Running())
	}
	if _, err := n.Host("dc/r1/1").Start(exec.Command("true")); err == nil || !strings.Contains(err.Error(), "is closed") {
		t.Errorf("on a closed network a program starts: %v", err)
	}
}

// roundTrips sends count UDP packets from one host to another, which echoes them, one
// after the other, and returns how long they took, sorted.
func roundTrips(t testing.TB, from, to *network.Host, count int) []time.Duration {
	t.Helper()
	var echo net.PacketConn
	var out net.Conn
	address := netip.AddrPortFrom(to.Address, 7)
	if err := to.Do(func() (err error) { echo, err = net.ListenPacket("udp4", address.String()); return err }); err != nil {
		t.Fatal(err)
	}
	defer echo.Close()
	go func() {
		b := make([]byte, 100)
		for {
			n, whom, err := echo.ReadFrom(b)
			if err != nil {
				return
			}
			echo.WriteTo(b[:n], whom)
		}
	}()
	if err := from.Do(func() (err error) { out, err = net.Dial("udp4", address.String()); return err }); err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	var trips []time.Duration
	for range count {
		begin := time.Now()
		out.Write([]byte("ping"))
		out.SetReadDeadline(begin.Add(10 * time.Second))
		if _, err := out.Read(make([]byte, 100)); err != nil {
			t.Fatal(err)
		}
		trips = append(trips, time.Since(begin))
	}
	slices.Sort(trips)
	return trips
}

// What waits for a location's uplink is out of its sender's hands, as on any router: the
// kernel sends all that the window allows, and does not stop at what its own interface
// may hold.
func TestAQueueOfAnUplinkIsNotTheSenders(t *testing.T) {
	n := networktest.New(t, racks(2, 1, both(10*mbit), both(100*mbit)))
	in, out := connect(t, n.Host("dc/r1/1"), n.Host("dc/r2/1"), 9000)
	defer in.Close()
	defer out.Close()
	go io.Copy(io.Discard, in)
	go io.Copy(out, zeros{})
	err := wait.Until(t.Context(), time.Minute, "nearly all of the window is under way", func() error {
		const looks = 50
		all := 0
		for range looks {
			time.Sleep(20 * time.Millisecond)
			// Packets that are out of a queue the kernel has heard of a moment later.
			if info := tcpInfo(t, out); info.Unacked+info.Snd_cwnd/16 >= info.Snd_cwnd {
				all++
			}
		}
		if all < looks*3/4 {
			return fmt.Errorf("it was at %d of %d looks", all, looks)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// tcpInfo is what the kernel says of a TCP connection.
func tcpInfo(t *testing.T, c net.Conn) (info *unix.TCPInfo) {
	t.Helper()
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var failed error
	if err := raw.Control(func(fd uintptr) {
		info, failed = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	}); err != nil || failed != nil {
		t.Fatal(err, failed)
	}
	return info
}
