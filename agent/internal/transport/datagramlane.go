package transport

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/rackswarm/rackswarm/core/wire"
)

// datagramBacklog is what TCP holds for a peer at least when a datagram is sent:
// more than a few control messages. Behind less than that they wait for nothing, and
// a datagram costs both sides a system call and a turn.
const datagramBacklog = 4 << 10

// lane is the datagrams of one connection, between the same two agents.
type lane struct {
	socket *datagrams
	conn   *Conn
	own    wire.DatagramOffer // what marks those that we take
	peers  wire.DatagramOffer
	to     unix.Sockaddr
	tcp    syscall.RawConn
	// least is how many bytes TCP must hold for the peer for a datagram to be sent.
	least int
	out   seal
	in    seal

	sending sync.Mutex
	number  uint64 // sequence number of the last that was sent
	buf     []byte

	// What follows is touched by the socket's reader, and by Run, which takes the
	// sink away when the connection ends.
	receiving sync.Mutex
	sink      Sink
	seen      replayWindow
}

// offer draws the id of a lane for a connection that is in the making: none without
// TLS, as there is no key then.
func (t *Transport) offer(nc net.Conn) wire.DatagramOffer {
	if _, secure := nc.(*secured); !secure || t.datagrams == nil {
		return wire.DatagramOffer{}
	}
	var id [8]byte
	rand.Read(id[:])
	return wire.DatagramOffer{ID: binary.BigEndian.Uint64(id[:]), Port: t.datagrams.port}
}

// lay gives a connection its lane if both sides offered one. Datagrams go to the
// peer's address on the connection; an inbound one's port is what it said.
func (t *Transport) lay(c *Conn, own, peers wire.DatagramOffer) error {
	s, secure := c.nc.(*secured)
	if !secure || own.Port == 0 || peers.Port == 0 {
		return nil
	}
	at, err := netip.ParseAddrPort(c.Addr().String())
	if err != nil {
		return nil // no address of the internet: TCP alone
	}
	if c.inbound {
		at = netip.AddrPortFrom(at.Addr(), peers.Port)
	}
	l := &lane{socket: t.datagrams, conn: c, own: own, peers: peers, to: t.datagrams.sockaddr(at), least: datagramBacklog}
	tcp, hasBacklog := c.raw.(syscall.Conn)
	if l.to == nil || !hasBacklog {
		return nil
	}
	if l.tcp, err = tcp.SyscallConn(); err != nil {
		return fmt.Errorf("datagrams: %w", err)
	}
	state := s.ConnectionState()
	byDialler, err := newSeal(&state, "dialler")
	if err != nil {
		return err
	}
	byListener, err := newSeal(&state, "listener")
	if err != nil {
		return err
	}
	if l.out, l.in = byDialler, byListener; c.inbound {
		l.out, l.in = byListener, byDialler
	}
	c.lane = l
	return nil
}

// seal encrypts and authenticates what one side of a connection sends.
type seal struct {
	aead  cipher.AEAD
	nonce [12]byte // with which a sequence number is mixed, as in TLS 1.3
}

// exporterLabel sets these keys apart from all others that come of a connection. It
// is not registered, which is what EXPERIMENTAL says (RFC 5705, 4).
const exporterLabel = "EXPERIMENTAL rackswarm datagrams"

// newSeal takes the keys of a side from the connection's TLS (RFC 8446, 7.5).
func newSeal(state *tls.ConnectionState, side string) (s seal, err error) {
	const keySize = 16
	material, err := state.ExportKeyingMaterial(exporterLabel, []byte(side), keySize+len(s.nonce))
	if err != nil {
		return s, fmt.Errorf("keys for datagrams: %w", err)
	}
	block, err := aes.NewCipher(material[:keySize])
	if err != nil {
		return s, fmt.Errorf("keys for datagrams: %w", err)
	}
	copy(s.nonce[:], material[keySize:])
	s.aead, err = cipher.NewGCM(block)
	return s, err
}

func (s *seal) nonceOf(number uint64) [12]byte {
	n := s.nonce
	binary.BigEndian.PutUint64(n[4:], binary.BigEndian.Uint64(n[4:])^number)
	return n
}

// send sends m, which is announcement number of the connection, if it is of a kind
// that goes by datagram, and would wait in TCP. It never blocks.
func (l *lane) send(announcement uint64, m wire.Message) {
	if l.backlog() < l.least {
		return
	}
	l.sending.Lock()
	defer l.sending.Unlock()
	l.buf = append(l.buf[:0], make([]byte, datagramHead)...)
	b, fits := wire.AppendDatagram(l.buf, announcement, m)
	l.buf = b
	if !fits {
		return
	}
	l.number++
	binary.BigEndian.PutUint64(b, l.peers.ID)
	binary.BigEndian.PutUint64(b[8:], l.number)
	nonce := l.out.nonceOf(l.number)
	b = l.out.aead.Seal(b[:datagramHead], nonce[:], b[datagramHead:], b[:datagramHead])
	l.buf = b
	l.socket.send(l.to, b)
	l.conn.stats.datagramsOut.Add(int64(len(b)))
}

// backlog is how many bytes TCP has taken for the peer that are not acknowledged.
func (l *lane) backlog() (bytes int) {
	var failed error
	err := l.tcp.Control(func(fd uintptr) { bytes, failed = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) })
	if err != nil || failed != nil {
		return 0 // the connection is at its end
	}
	return bytes
}

// take opens a datagram that carries the lane's id and hands it on.
func (l *lane) take(b []byte) {
	l.receiving.Lock()
	defer l.receiving.Unlock()
	if l.sink == nil {
		return // the connection has just ended
	}
	counts := &l.socket.counts
	head := b[:datagramHead]
	number := binary.BigEndian.Uint64(head[8:])
	nonce := l.in.nonceOf(number)
	body, err := l.in.aead.Open(b[datagramHead:datagramHead], nonce[:], b[datagramHead:], head)
	if err != nil {
		counts.forged.Add(1)
		return
	}
	if !l.seen.first(number) {
		counts.replayed.Add(1)
		return
	}
	l.conn.stats.datagramsIn.Add(int64(len(b)))
	announcement, m, err := wire.ParseDatagram(body)
	if err != nil {
		counts.malformed.Add(1)
		return
	}
	counts.delivered.Add(1)
	l.conn.contain("the sink", func() error {
		l.sink.Announced(l.conn, announcement, m)
		return nil
	})
}

// open has what arrives go to the sink.
func (l *lane) open(sink Sink) {
	l.receiving.Lock()
	l.sink = sink
	l.receiving.Unlock()
	l.socket.enter(l)
}

// close returns when the sink is not called any more.
func (l *lane) close() {
	l.socket.leave(l)
	l.receiving.Lock()
	defer l.receiving.Unlock()
	l.sink = nil
}

// replayWindow tells whether a sequence number comes for the first time. Of those
// that are older than the newest by more than its size it says no. The zero value
// has seen none; 0 is no number.
type replayWindow struct {
	newest uint64
	seen   uint64 // bit i is newest-i
}

const replayWindowSize = 64

// first notes a number, which must have been authenticated.
func (w *replayWindow) first(number uint64) bool {
	switch {
	case number > w.newest:
		w.seen = w.seen<<min(number-w.newest, replayWindowSize) | 1
		w.newest = number
		return true
	case number == 0 || w.newest-number >= replayWindowSize:
		return false
	}
	bit := uint64(1) << (w.newest - number)
	fresh := w.seen&bit == 0
	w.seen |= bit
	return fresh
}
