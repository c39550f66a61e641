package network_test

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/lab/network"
	"github.com/rackswarm/rackswarm/acceptance/lab/system"
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

func newNetwork(t testing.TB, s *scenario.Scenario) *network.Network {
	t.Helper()
	if err := network.Unsupported(); err != nil {
		t.Skip(err)
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
	return n
}

// send sends size bytes over TCP from one host to a port of another and returns how
// long it took until the other had it all.
func send(t testing.TB, from, to *network.Host, port uint16, size int64) time.Duration {
	t.Helper()
	var l net.Listener
	address := netip.AddrPortFrom(to.Address, port)
	err := to.Do(func() (err error) {
		l, err = net.Listen("tcp4", address.String())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var out net.Conn
	err = from.Do(func() (err error) {
		out, err = net.Dial("tcp4", address.String())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	in, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
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

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func TestEverybodyReachesEverybody(t *testing.T) {
	n := newNetwork(t, racks(8, 8, both(10*mbit), both(100*mbit)))
	for _, to := range []*network.Host{n.Store(), n.Host("dc/r1/1"), n.Host("dc/r1/2"), n.Host("dc/r8/8")} {
		if from := n.Host("dc/r1/1"); from != to {
			send(t, from, to, 9000, 10_000)
			send(t, to, from, 9000, 10_000)
		}
	}
	var out strings.Builder
	cmd := exec.Command("cat", "/proc/net/dev")
	cmd.Stdout = &out
	p, err := n.Host("dc/r2/3").Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil || !strings.Contains(out.String(), "eth0") {
		t.Errorf("a program sees, %v:\n%s", err, out.String())
	}
}

func TestPayloadIsCountedExactly(t *testing.T) {
	n := newNetwork(t, racks(2, 1, both(100*mbit), topo.Unlimited))
	const size = 1_234_567
	send(t, n.Host("dc/r1/1"), n.Host("dc/r2/1"), system.DataPort, size)
	send(t, n.Host("dc/r2/1"), n.Host("dc/r1/1"), 9000, size)
	for loc, want := range map[unit.Location]scenario.Crossing{"dc": {}, "dc/r1": {Up: size}, "dc/r2": {Down: size}} {
		got, err := n.Crossed(loc)
		if err != nil || got != want {
			t.Errorf("over the uplink of %s %+v crossed and not %+v: %v", loc, got, want, err)
		}
	}
}

func TestADelay(t *testing.T) {
	s := racks(2, 1, both(100*mbit), topo.Unlimited)
	s.Locations[1].RTT = 100 * time.Millisecond
	n := newNetwork(t, s)
	trips := roundTrips(t, n.Host("dc/r1/1"), n.Host("dc/r2/1"), 50)
	t.Log(trips[0], trips[25], trips[49])
	took := send(t, n.Host("dc/r1/1"), n.Host("dc/r2/1"), 9000, 40_000_000)
	t.Log(took, 40*8/took.Seconds()/topo.Goodput)
	took = send(t, n.Host("dc/r2/1"), n.Host("dc/r1/1"), 9000, 40_000_000)
	t.Log(took, 40*8/took.Seconds()/topo.Goodput)
	n.SetLink("dc/r1", topo.Unlimited)
	took = send(t, n.Host("dc/r2/1"), n.Host("dc/r1/1"), 9000, 400_000_000)
	t.Log(took, 400*8/took.Seconds()/topo.Goodput)
}

func TestMove(t *testing.T) {
	n := newNetwork(t, racks(3, 2, both(100*mbit), both(100*mbit)))
	a, b := n.Host("dc/r1/1"), n.Host("dc/r2/1")
	send(t, a, b, system.DataPort, 100_000)
	if err := n.Move("dc/r1/1", "dc/r3"); err != nil {
		t.Fatal(err)
	}
	send(t, a, b, system.DataPort, 100_000)
	send(t, b, a, system.DataPort, 100_000)
	if err := n.Move("dc/r1/1", "dc/r1"); err != nil {
		t.Fatal(err)
	}
	send(t, a, b, system.DataPort, 100_000)
	if err := n.Move("dc/r1/1", "dc/r2"); err != nil {
		t.Fatal(err)
	}
	send(t, a, b, system.DataPort, 100_000)
	for _, loc := range []unit.Location{"dc", "dc/r1", "dc/r2", "dc/r3"} {
		c, err := n.Crossed(loc)
		t.Log(loc, c, err)
	}
	c, err := n.HostCrossed("dc/r1/1")
	t.Log(c, err)
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
