package transport

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rackswarm/rackswarm/core/wire"
)

// A datagram is the id of the connection that it is about, as its receiver chose
// it, a sequence number, both in the clear, and the body that wire.AppendDatagram
// makes, sealed.
const (
	datagramHead = 8 + 8
	datagramTag  = 16 // of the AEAD
	maxDatagram  = datagramHead + wire.MaxDatagram + datagramTag
)

// datagrams is the UDP socket beside the listener. It sends nothing but what a
// lane is told to: there is no answer to anybody. It is safe for concurrent use.
type datagrams struct {
	socket *net.UDPConn
	raw    syscall.RawConn
	ipv6   bool   // the socket's family, which also takes IPv4 unless it was bound to one address
	port   uint16 // where it is bound
	counts datagramCounts

	mu    sync.RWMutex
	lanes map[uint64]*lane // by the id that we chose
}

// datagramCounts is what became of datagrams that arrived, and of those that were
// to be sent.
type datagramCounts struct {
	delivered atomic.Int64
	sent      atomic.Int64
	unsent    atomic.Int64 // the kernel had no room, or no route
	strange   atomic.Int64 // of no connection that stands
	forged    atomic.Int64 // not sealed with the connection's key
	replayed  atomic.Int64
	malformed atomic.Int64
}

// listenDatagrams opens a UDP socket at the address that TCP listens on.
func listenDatagrams(tcp net.Addr) (*datagrams, error) {
	at, ok := tcp.(*net.TCPAddr)
	if !ok {
		return nil, fmt.Errorf("listen for datagrams: %s is no TCP address", tcp)
	}
	socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: at.IP, Port: at.Port, Zone: at.Zone})
	if err != nil {
		return nil, fmt.Errorf("listen for datagrams: %w", err)
	}
	d := &datagrams{socket: socket, port: uint16(at.Port), lanes: map[uint64]*lane{}}
	if err := d.inspect(); err != nil {
		return nil, errors.Join(fmt.Errorf("listen for datagrams: %w", err), socket.Close())
	}
	return d, nil
}

func (d *datagrams) inspect() (err error) {
	if d.raw, err = d.socket.SyscallConn(); err != nil {
		return err
	}
	var name unix.Sockaddr
	var failed error
	if err := d.raw.Control(func(fd uintptr) { name, failed = unix.Getsockname(int(fd)) }); err != nil {
		return err
	}
	_, d.ipv6 = name.(*unix.SockaddrInet6)
	return failed
}

// maxReadFailures is how many failures to read in a row end a socket, half a second
// after the first.
const maxReadFailures = 10

// read takes datagrams until the socket is closed. An error says that it fails for
// good.
func (d *datagrams) read() error {
	return readAll(func(b []byte) (int, error) {
		n, _, err := d.socket.ReadFromUDPAddrPort(b)
		return n, err
	}, d.take)
}

// readAll hands on what read reads until that is closed. After a failure it waits,
// twice as long each time, and gives up after maxReadFailures.
func readAll(read func([]byte) (int, error), take func([]byte)) error {
	b := make([]byte, maxDatagram+1)
	for failures := 0; ; {
		n, err := read(b)
		switch {
		case err == nil:
			failures = 0
			take(b[:n])
			continue
		case errors.Is(err, net.ErrClosed):
			return nil
		}
		if failures++; failures == maxReadFailures {
			return fmt.Errorf("read datagrams: %w", err)
		}
		time.Sleep(time.Millisecond << (failures - 1))
	}
}

// take handles a datagram that anybody may have sent. What it looks up and
// allocates before the seal is checked is one entry of a map.
func (d *datagrams) take(b []byte) {
	if len(b) < datagramHead+datagramTag || len(b) > maxDatagram {
		d.counts.malformed.Add(1)
		return
	}
	d.mu.RLock()
	l := d.lanes[binary.BigEndian.Uint64(b)]
	d.mu.RUnlock()
	if l == nil {
		d.counts.strange.Add(1)
		return
	}
	l.take(b)
}

// send sends a datagram if the kernel has room for it now.
func (d *datagrams) send(to unix.Sockaddr, b []byte) {
	var failed error
	err := d.raw.Write(func(fd uintptr) bool {
		failed = unix.Sendto(int(fd), b, unix.MSG_DONTWAIT, to)
		return true
	})
	if err != nil || failed != nil {
		d.counts.unsent.Add(1)
		return
	}
	d.counts.sent.Add(1)
}

// sockaddr is an address in the socket's family, nil if the socket cannot reach it.
func (d *datagrams) sockaddr(a netip.AddrPort) unix.Sockaddr {
	ip := a.Addr().Unmap()
	if !d.ipv6 {
		if !ip.Is4() {
			return nil
		}
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: ip.As4()}
	}
	to := &unix.SockaddrInet6{Port: int(a.Port()), Addr: ip.As16()}
	if zone := ip.Zone(); zone != "" {
		i, err := net.InterfaceByName(zone)
		if err != nil {
			return nil
		}
		to.ZoneId = uint32(i.Index)
	}
	return to
}

func (d *datagrams) enter(l *lane) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lanes[l.own.ID] = l
}

func (d *datagrams) leave(l *lane) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.lanes, l.own.ID)
}

// close ends read.
func (d *datagrams) close() error { return d.socket.Close() }

// logCounts is what is to be logged of the counts.
func (d *datagrams) logCounts() []any {
	c := &d.counts
	return []any{
		"sent", c.sent.Load(), "unsent", c.unsent.Load(), "delivered", c.delivered.Load(), "strange", c.strange.Load(),
		"forged", c.forged.Load(), "replayed", c.replayed.Load(), "malformed", c.malformed.Load(),
	}
}

// openDatagrams opens the UDP socket if it is wanted. What it is for goes by TCP
// anyway, so that there is no need of it.
func (t *Transport) openDatagrams() {
	if !t.config.Datagrams || t.config.TLS == nil {
		return
	}
	d, err := listenDatagrams(t.listener.Addr())
	if err != nil {
		t.log.Warn("no datagrams, all goes by TCP; free the UDP port of data.listen, or set data.datagrams: false", "error", err)
		return
	}
	t.datagrams = d
	t.workers.Go(func() { t.takeDatagrams(d.read) })
}

// takeDatagrams reads until the socket is closed, or fails: what came by datagram
// comes by TCP as well, so that it is missed, but needed by nobody.
func (t *Transport) takeDatagrams(read func() error) {
	if err := read(); err != nil {
		t.log.Warn("no datagrams are taken any more; what peers begin to fetch is heard of by TCP alone, later where uplinks are full; restart the agent to take them again", "error", err)
	}
}
