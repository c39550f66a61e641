package network

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/rackswarm/rackswarm/core/scenario"
	"github.com/rackswarm/rackswarm/core/unit"
)

// Kinds of counters of an interface: all packets, and those from or to the data
// port by protocol, of TCP by the header's length in words of 4 bytes.
const (
	everything = "all"
	udpData    = "udp"
	tcpData    = "tcp"

	minHeader, maxHeader = 5, 15
)

// Lengths in bytes. nft counts from the IP header on, which has no options here.
const (
	ethernetHeader = 14
	ipHeader       = 20
	udpHeader      = 8
	word           = 4
)

func tcpKind(words int) string { return tcpData + strconv.Itoa(words) }

var kinds = allKinds()

func allKinds() []string {
	kinds := []string{everything, udpData}
	for words := minHeader; words <= maxHeader; words++ {
		kinds = append(kinds, tcpKind(words))
	}
	return kinds
}

func counterName(device, kind string) string { return device + "." + kind }

// tally is what a counter says.
type tally struct{ packets, bytes uint64 }

// payload is what the tallies of an interface's data port come to without headers.
func payload(of map[string]tally, device string) unit.Bytes {
	udp := of[counterName(device, udpData)]
	sum := udp.bytes - udp.packets*(ipHeader+udpHeader)
	for words := minHeader; words <= maxHeader; words++ {
		t := of[counterName(device, tcpKind(words))]
		sum += t.bytes - t.packets*uint64(ipHeader+words*word)
	}
	return unit.Bytes(sum)
}

// wire is what an interface received on layer 2, without the checksum.
func wire(of map[string]tally, device string) unit.Bytes {
	return wireBytes(of[counterName(device, everything)])
}

// ours is the data port's part of wire.
func ours(of map[string]tally, device string) unit.Bytes {
	sum := wireBytes(of[counterName(device, udpData)])
	for words := minHeader; words <= maxHeader; words++ {
		sum += wireBytes(of[counterName(device, tcpKind(words))])
	}
	return sum
}

func wireBytes(t tally) unit.Bytes { return unit.Bytes(t.bytes + t.packets*ethernetHeader) }

// Crossed is the payload that passed a location's uplink on the data port, headers
// taken off, retransmissions included: what arrived at the link's other end, before
// its loss.
func (n *Network) Crossed(loc unit.Location) (scenario.Crossing, error) {
	l, err := n.uplink(loc)
	if err != nil {
		return scenario.Crossing{}, err
	}
	return n.crossed(l)
}

// HostCrossed is Crossed for a host's own link.
func (n *Network) HostCrossed(node unit.NodeID) (scenario.Crossing, error) {
	h, err := n.host(node)
	if err != nil {
		return scenario.Crossing{}, err
	}
	return n.crossed(h.link)
}

// Wire is all that passed a location's uplink on layer 2, each frame with its header
// and without its checksum, as the link's rate is counted.
func (n *Network) Wire(loc unit.Location) (up, down unit.Bytes, err error) {
	l, err := n.uplink(loc)
	if err != nil {
		return 0, 0, err
	}
	n.faults.Lock()
	defer n.faults.Unlock()
	c, err := received(l, wire, reading{})
	return c.Up, c.Down, err
}

// Passed is what passed an uplink on layer 2: in all, and on the data port.
type Passed struct{ All, Ours scenario.Crossing }

// Wires is Wire of all locations, for the work of about one.
func (n *Network) Wires() (map[unit.Location]Passed, error) {
	n.faults.Lock()
	defer n.faults.Unlock()
	all, once := map[unit.Location]Passed{}, reading{}
	for loc, s := range n.switches {
		if s.uplink == nil {
			continue
		}
		total, err := received(s.uplink, wire, once)
		if err != nil {
			return nil, err
		}
		data, err := received(s.uplink, ours, once)
		if err != nil {
			return nil, err
		}
		all[loc] = Passed{total, data}
	}
	return all, nil
}

func (n *Network) crossed(l *link) (scenario.Crossing, error) {
	n.faults.Lock()
	defer n.faults.Unlock()
	return received(l, payload, reading{})
}

// reading is what machines' counters say, each read once.
type reading map[*machine]map[string]tally

func (r reading) of(m *machine) (map[string]tally, error) {
	if r[m] == nil {
		tallies, err := m.counters.read()
		if err != nil {
			return nil, err
		}
		r[m] = tallies
	}
	return r[m], nil
}

// received sums what arrived at both ends of a link.
func received(l *link, what func(map[string]tally, string) unit.Bytes, once reading) (scenario.Crossing, error) {
	var c scenario.Crossing
	for _, e := range append([]end{l.upper}, l.was...) {
		tallies, err := once.of(e.on)
		if err != nil {
			return c, err
		}
		c.Up += what(tallies, e.name)
	}
	tallies, err := once.of(l.lower.on)
	if err != nil {
		return c, err
	}
	c.Down = what(tallies, l.lower.name)
	return c, nil
}

// counterReader reads the counters of a namespace, over a socket that was made in
// it.
type counterReader struct {
	lock   sync.Mutex
	socket int
	buffer []byte
}

// newCounterReader is called on a thread in the namespace.
func newCounterReader() (*counterReader, error) {
	s, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, fmt.Errorf("open a socket to nftables: %w", err)
	}
	return &counterReader{socket: s, buffer: make([]byte, 64<<10)}, nil
}

// Close lets go of the socket, and with it of the namespace.
func (c *counterReader) Close() error { return unix.Close(c.socket) }

// read returns all counters of the table by name.
func (c *counterReader) read() (map[string]tally, error) {
	c.lock.Lock()
	defer c.lock.Unlock()
	if err := unix.Sendto(c.socket, dumpCounters, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, fmt.Errorf("ask for counters: %w", err)
	}
	all := map[string]tally{}
	for {
		size, _, err := unix.Recvfrom(c.socket, c.buffer, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read counters: %w", err)
		}
		done, err := parseCounters(c.buffer[:size], all)
		if err != nil || done {
			return all, err
		}
	}
}

// dumpCounters asks for all objects of tables of interfaces.
var dumpCounters = func() []byte {
	const nfgenmsg = 4
	b := make([]byte, unix.NLMSG_HDRLEN+nfgenmsg)
	binary.NativeEndian.PutUint32(b[0:], uint32(len(b)))
	binary.NativeEndian.PutUint16(b[4:], unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_GETOBJ)
	binary.NativeEndian.PutUint16(b[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	b[unix.NLMSG_HDRLEN] = unix.NFPROTO_NETDEV
	return b
}()

// parseCounters adds the counters of one answer, and reports whether it was the last.
func parseCounters(b []byte, into map[string]tally) (done bool, err error) {
	const nfgenmsg = 4
	for len(b) >= unix.NLMSG_HDRLEN {
		size, kind := int(binary.NativeEndian.Uint32(b)), binary.NativeEndian.Uint16(b[4:])
		if size < unix.NLMSG_HDRLEN || size > len(b) {
			return true, fmt.Errorf("read counters: a message of %d bytes in %d", size, len(b))
		}
		body := b[unix.NLMSG_HDRLEN:size]
		switch {
		case kind == unix.NLMSG_DONE:
			return true, nil
		case kind == unix.NLMSG_ERROR && len(body) >= 4:
			return true, fmt.Errorf("read counters: %w", unix.Errno(-int32(binary.NativeEndian.Uint32(body))))
		case len(body) >= nfgenmsg:
			addCounter(body[nfgenmsg:], into)
		}
		b = b[min(len(b), align(size)):]
	}
	return false, nil
}

func addCounter(attributes []byte, into map[string]tally) {
	var name string
	var t tally
	eachAttribute(attributes, func(kind uint16, value []byte) {
		switch kind {
		case unix.NFTA_OBJ_NAME:
			name = strings.TrimRight(string(value), "\x00")
		case unix.NFTA_OBJ_DATA:
			eachAttribute(value, func(kind uint16, value []byte) {
				switch {
				case len(value) != 8:
				case kind == unix.NFTA_COUNTER_BYTES:
					t.bytes = binary.BigEndian.Uint64(value)
				case kind == unix.NFTA_COUNTER_PACKETS:
					t.packets = binary.BigEndian.Uint64(value)
				}
			})
		}
	})
	into[name] = t
}

// eachAttribute calls f for the attributes that b begins with, down to one that is
// cut off.
func eachAttribute(b []byte, f func(kind uint16, value []byte)) {
	const header, flags = 4, 0xc000
	for len(b) >= header {
		size, kind := int(binary.NativeEndian.Uint16(b)), binary.NativeEndian.Uint16(b[2:])
		if size < header || size > len(b) {
			return
		}
		f(kind&^flags, b[header:size])
		b = b[min(len(b), align(size)):]
	}
}

// align is where the next thing begins after one of a size.
func align(size int) int { return (size + 3) &^ 3 }
