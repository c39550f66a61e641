package network_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rackswarm/rackswarm/acceptance/lab/network"
	"github.com/rackswarm/rackswarm/acceptance/lab/network/networktest"
	"github.com/rackswarm/rackswarm/core/topo"
	"github.com/rackswarm/rackswarm/core/unit"
)

func BenchmarkNew(b *testing.B) {
	for _, size := range [][2]int{{8, 8}, {20, 10}} {
		b.Run(fmt.Sprint(size[0]*size[1], "-hosts"), func(b *testing.B) {
			if err := network.Unsupported(); err != nil {
				b.Skip(err)
			}
			for b.Loop() {
				n, err := network.New(b.Context(), racks(size[0], size[1], both(10*mbit), both(100*mbit)))
				if err != nil {
					b.Fatal(err)
				}
				n.Close()
			}
		})
	}
}

func BenchmarkWires(b *testing.B) {
	n := networktest.New(b, racks(100, 1, both(10*mbit), both(100*mbit)))
	for b.Loop() {
		if _, err := n.Wires(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkGoodput is what one connection gets between two racks, of what it could
// get at most, and how many packets were sent again or came out of order.
func BenchmarkGoodput(b *testing.B) {
	for _, rtt := range []time.Duration{0, 100 * time.Millisecond} {
		for _, rate := range []unit.Rate{1, 5, 10, 100, 300, 1000} {
			b.Run(fmt.Sprint(rtt, "/", int(rate), "-Mbit"), func(b *testing.B) { goodput(b, rate*mbit, rtt) })
		}
		b.Run(fmt.Sprint(rtt, "/unlimited"), func(b *testing.B) { goodput(b, unit.Unlimited, rtt) })
	}
}

func goodput(b *testing.B, rate unit.Rate, rtt time.Duration) {
	s := racks(2, 1, both(rate), topo.Unlimited)
	s.Locations[1].RTT = rtt
	n := networktest.New(b, s)
	from, to := n.Host("dc/r1/1"), n.Host("dc/r2/1")
	for b.Loop() {
		sent := steady(b, from, to)
		b.ReportMetric(sent*8/1e6, "Mbit/s")
		if rate != unit.Unlimited {
			b.ReportMetric(sent/(float64(rate)*topo.Goodput), "of-possible")
		}
		b.ReportMetric(tcpCounter(b, from, "Tcp", "RetransSegs"), "retransmitted")
		b.ReportMetric(tcpCounter(b, from, "TcpExt", "TCPSACKReorder"), "reordered")
		b.ReportMetric(0, "ns/op")
	}
}

// steady is the payload per second of a connection, once it is in full swing.
func steady(b *testing.B, from, to *network.Host) float64 {
	b.Helper()
	in, out := connect(b, from, to, 9000)
	defer in.Close()
	go func() {
		defer out.Close()
		for buffer := make([]byte, 256<<10); ; {
			if _, err := out.Write(buffer); err != nil {
				return
			}
		}
	}()
	read := func(d time.Duration) (total int64, took time.Duration) {
		begin := time.Now()
		in.SetReadDeadline(begin.Add(d))
		total, _ = io.Copy(io.Discard, struct{ io.Reader }{in})
		return total, time.Since(begin)
	}
	read(3 * time.Second)
	total, took := read(6 * time.Second)
	return float64(total) / took.Seconds()
}

// tcpCounter is one of the kernel's counters of a host's TCP.
func tcpCounter(b *testing.B, h *network.Host, table, name string) float64 {
	b.Helper()
	var text []byte
	err := h.Do(func() error {
		for _, file := range []string{"snmp", "netstat"} {
			part, err := os.ReadFile("/proc/thread-self/net/" + file)
			if err != nil {
				return err
			}
			text = append(text, part...)
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	var names []string
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		switch {
		case fields[0] != table+":":
		case names == nil:
			names = fields
		default:
			for i := range fields {
				if names[i] == name {
					value, _ := strconv.ParseFloat(fields[i], 64)
					return value
				}
			}
		}
	}
	b.Fatalf("the kernel has no counter %s of %s", name, table)
	return 0
}

// BenchmarkDelay is what links with a delay carry of numbered packets that are sent
// at a rate: the losses, and the packets that were overtaken.
func BenchmarkDelay(b *testing.B) {
	for _, rate := range []unit.Rate{100, 300, 1000} {
		b.Run(fmt.Sprint(int(rate), "-Mbit"), func(b *testing.B) {
			s := racks(2, 1, topo.Unlimited, topo.Unlimited)
			s.Locations[1].RTT = 200 * time.Millisecond
			n := networktest.New(b, s)
			for b.Loop() {
				numbered(b, n.Host("dc/r1/1"), n.Host("dc/r2/1"), rate*mbit)
				b.ReportMetric(0, "ns/op")
			}
		})
	}
}

func numbered(b *testing.B, from, to *network.Host, rate unit.Rate) {
	var in net.PacketConn
	var out net.Conn
	address := netip.AddrPortFrom(to.Address, 7).String()
	if err := to.Do(func() (err error) { in, err = net.ListenPacket("udp4", address); return err }); err != nil {
		b.Fatal(err)
	}
	defer in.Close()
	if raw, err := in.(*net.UDPConn).SyscallConn(); err != nil {
		b.Fatal(err)
	} else if err := raw.Control(func(fd uintptr) { unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 1<<29) }); err != nil {
		b.Fatal(err)
	}
	if err := from.Do(func() (err error) { out, err = net.Dial("udp4", address); return err }); err != nil {
		b.Fatal(err)
	}
	defer out.Close()
	const frame, headers = 1514, 42
	count := int(rate.In(3*time.Second)) / frame
	go func() {
		packet := make([]byte, frame-headers)
		begin := time.Now()
		for i := range count {
			time.Sleep(time.Until(begin.Add(unit.Bytes(i * frame).Over(rate))))
			binary.BigEndian.PutUint64(packet, uint64(i+1))
			out.Write(packet)
		}
	}()
	var got, overtaken int
	var last uint64
	for packet := make([]byte, frame); ; got++ {
		in.SetReadDeadline(time.Now().Add(time.Second))
		if _, _, err := in.ReadFrom(packet); err != nil {
			break
		}
		number := binary.BigEndian.Uint64(packet)
		if number < last {
			overtaken++
		}
		last = max(last, number)
	}
	b.ReportMetric(float64(count), "sent")
	b.ReportMetric(float64(count-got), "lost")
	b.ReportMetric(float64(overtaken), "overtaken")
}
