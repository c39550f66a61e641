package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"

	"github.com/rackswarm/rackswarm/acceptance/lab/network"
	"github.com/rackswarm/rackswarm/acceptance/lab/system"
	"github.com/rackswarm/rackswarm/core/scenario"
	"github.com/rackswarm/rackswarm/core/topo"
	"github.com/rackswarm/rackswarm/core/unit"
)

// peers are who is told; one more host tells them.
const peers = 7

// Ports beside the data port.
const (
	ownPort       = system.DataPort + 1
	datagramPort  = system.DataPort + 2
	multicastPort = system.DataPort + 3
)

var group = netip.AddrPortFrom(netip.AddrFrom4([4]byte{239, 77, 0, 1}), multicastPort)

// rack is eight hosts on one switch, with all that connects them.
type rack struct {
	net            *network.Network
	hosts          []*network.Host // the first one tells the others
	server, client *tls.Config
	settings
	got func(peer int, body []byte) // a START has arrived

	shared, own []*lane // from the first host to each peer
	receiving   []*lane // the peers' ends of shared
	among       []*lane // the ends that ask, of connections between peers
	datagrams   net.PacketConn
	multicast   net.PacketConn

	running sync.WaitGroup
	mu      sync.Mutex
	open    []io.Closer // sockets
}

const place = unit.Location("r1")

// newRack makes the hosts and connects them.
func newRack(ctx context.Context, s settings, got func(int, []byte)) (*rack, error) {
	layout := &scenario.Scenario{Name: "starts", Locations: []scenario.Location{{Location: place, Uplink: topo.Unlimited}}}
	for i := range peers + 1 {
		layout.Hosts = append(layout.Hosts, scenario.Host{Node: unit.NodeID(fmt.Sprintf("%s/%d", place, i+1)), Location: place, Link: topo.Link{Up: s.rate, Down: s.rate}})
	}
	r := &rack{settings: s, got: got}
	var err error
	if r.server, r.client, err = credentials(); err != nil {
		return nil, err
	}
	if r.net, err = network.New(ctx, layout); err != nil {
		return nil, err
	}
	for _, h := range layout.Hosts {
		r.hosts = append(r.hosts, r.net.Host(h.Node))
	}
	if err := errors.Join(r.flood(ctx), r.connect(ctx)); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// flood has the switch pass what is for a group to all hosts, as switches do that do
// not know who is in it.
func (r *rack) flood(ctx context.Context) error {
	at := r.net.Switch(place)
	var ports []net.Interface
	err := at.Do(func() (err error) {
		ports, err = net.Interfaces()
		return err
	})
	if err != nil {
		return err
	}
	for _, p := range ports {
		if !strings.HasPrefix(p.Name, "h") {
			continue
		}
		set, err := at.Start(exec.CommandContext(ctx, "ip", "link", "set", "dev", p.Name, "type", "bridge_slave", "mcast_flood", "on"))
		if err == nil {
			err = set.Wait()
		}
		if err != nil {
			return fmt.Errorf("have port %s flood: %w", p.Name, err)
		}
	}
	return nil
}

// Close ends the connections and the network.
func (r *rack) Close() error {
	r.mu.Lock()
	for _, c := range r.open {
		_ = c.Close() // one that has ended by itself is closed already
	}
	r.mu.Unlock()
	r.running.Wait()
	return r.net.Close()
}

func (r *rack) opened(c io.Closer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open = append(r.open, c)
}

func (r *rack) connect(ctx context.Context) error {
	for i, h := range r.hosts {
		if err := h.Do(func() error { return r.listen(ctx, i) }); err != nil {
			return fmt.Errorf("host %s listens: %w", h.Node, err)
		}
	}
	for peer := range peers {
		shared, err := r.dial(ctx, 0, peer+1, system.DataPort)
		if err != nil {
			return err
		}
		own, err := r.dial(ctx, 0, peer+1, ownPort)
		if err != nil {
			return err
		}
		r.shared, r.own = append(r.shared, shared), append(r.own, own)
		for _, from := range []int{(peer + 1) % peers, (peer + 2) % peers} {
			l, err := r.dial(ctx, peer+1, from+1, system.DataPort)
			if err != nil {
				return err
			}
			r.among = append(r.among, l)
		}
	}
	return nil
}

// listen opens all that a host hears on. It is called on a thread in the host's
// network.
func (r *rack) listen(ctx context.Context, host int) error {
	var config net.ListenConfig
	for _, port := range []int{system.DataPort, ownPort} {
		l, err := config.Listen(ctx, "tcp4", ":"+strconv.Itoa(port))
		if err != nil {
			return err
		}
		r.opened(l)
		r.running.Go(func() { r.accept(l, host, port) })
	}
	datagrams, err := config.ListenPacket(ctx, "udp4", ":"+strconv.Itoa(datagramPort))
	if err != nil {
		return err
	}
	multicast, err := listenMulticast()
	if err != nil {
		return err
	}
	r.opened(datagrams)
	r.opened(multicast)
	if host == 0 {
		r.datagrams, r.multicast = datagrams, multicast
		return nil
	}
	r.running.Go(func() { r.hear(datagrams, host-1) })
	r.running.Go(func() { r.hear(multicast, host-1) })
	return nil
}

func listenMulticast() (*net.UDPConn, error) {
	link, err := net.InterfaceByName("eth0")
	if err != nil {
		return nil, err
	}
	return net.ListenMulticastUDP("udp4", link, net.UDPAddrFromAddrPort(group))
}

func (r *rack) hear(from net.PacketConn, peer int) {
	b := make([]byte, 1500)
	for {
		n, _, err := from.ReadFrom(b)
		if err != nil {
			return
		}
		r.got(peer, b[:n])
	}
}

func (r *rack) accept(l net.Listener, host, port int) {
	for {
		raw, err := l.Accept()
		if err != nil {
			return
		}
		if tune(raw, r.notSent) != nil {
			raw.Close()
			continue
		}
		lane := r.lane(tls.Server(raw, r.server), host)
		from := raw.RemoteAddr().(*net.TCPAddr).AddrPort().Addr()
		if port == system.DataPort && from == r.hosts[0].Address {
			r.mu.Lock()
			r.receiving = append(r.receiving, lane)
			r.mu.Unlock()
		}
		r.running.Go(lane.run)
	}
}

func (r *rack) dial(ctx context.Context, from, to, port int) (*lane, error) {
	var l *lane
	err := r.hosts[from].Do(func() error {
		var dialer net.Dialer
		raw, err := dialer.DialContext(ctx, "tcp4", netip.AddrPortFrom(r.hosts[to].Address, uint16(port)).String())
		if err != nil {
			return err
		}
		if err := tune(raw, r.notSent); err != nil {
			return errors.Join(err, raw.Close())
		}
		secure := tls.Client(raw, r.client)
		if err := secure.HandshakeContext(ctx); err != nil {
			return errors.Join(err, raw.Close())
		}
		l = r.lane(secure, from)
		r.running.Go(l.run)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("connect host %d to host %d: %w", from+1, to+1, err)
	}
	return l, nil
}

// lane is one end of a connection, at a host.
func (r *rack) lane(nc net.Conn, host int) *lane {
	r.opened(nc)
	_, block := pace(r.rate)
	return newLane(nc, block, func(body []byte) { r.got(host-1, body) })
}

// traffic is what the first host's link carried on layer 2, both ways, in bytes.
func (r *rack) traffic() (sum int64, err error) {
	err = r.hosts[0].Do(func() error {
		text, err := os.ReadFile("/proc/thread-self/net/dev")
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(text)) {
			name, counters, _ := strings.Cut(strings.TrimSpace(line), ":")
			fields := strings.Fields(counters)
			if name != "eth0" || len(fields) < 9 {
				continue
			}
			for _, f := range []string{fields[0], fields[8]} {
				n, err := strconv.ParseInt(f, 10, 64)
				if err != nil {
					return err
				}
				sum += n
			}
		}
		return nil
	})
	return sum, err
}
