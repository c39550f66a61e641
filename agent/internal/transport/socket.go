package transport

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// deadPeer is how long a peer's kernel may be silent about data or probes.
	deadPeer = 15 * time.Second
	// lowerEffort is the class of the data port, which networks that know classes send
	// last: DSCP 000001 in the upper six bits (RFC 8622), as of other BitTorrent clients.
	lowerEffort = 0b000001 << 2
)

// tune sets the options of a TCP connection and makes it one that can be given a
// pace. The connection works without the options, only worse, so what fails is
// logged.
func (t *Transport) tune(raw net.Conn) net.Conn {
	tcp, ok := raw.(*net.TCPConn)
	if !ok {
		return raw
	}
	if err := setOptions(tcp); err != nil {
		t.log.Warn("socket options not set", "peer", raw.RemoteAddr().String(), "error", err)
	}
	s := &socket{TCPConn: tcp, carried: &t.carried}
	s.pacesItself = sync.OnceValue(s.setsPace)
	return s
}

func setOptions(tcp *net.TCPConn) error {
	probes := net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 3 * time.Second, Count: 3}
	if err := errors.Join(tcp.SetNoDelay(true), tcp.SetKeepAliveConfig(probes)); err != nil {
		return err
	}
	control, err := tcp.SyscallConn()
	if err != nil {
		return err
	}
	var options error
	err = control.Control(func(fd uintptr) {
		options = errors.Join(
			unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, notSentLowat),
			unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(deadPeer.Milliseconds())),
			setClass(int(fd), lowerEffort))
	})
	return errors.Join(err, options)
}

// setClass sets the traffic class of a socket's packets, all eight bits. A socket of IPv6
// may be connected by IPv4, so it gets both.
func setClass(fd, class int) error {
	domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err == nil && domain == unix.AF_INET6 {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_TCLASS, class)
	}
	return errors.Join(err, unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_TOS, class))
}

// bulk is config for connections that carry much data: full records from the
// start, TLS 1.3 at least, and no session tickets, as none would be used.
func bulk(config *tls.Config) *tls.Config {
	config = config.Clone()
	config.MinVersion = tls.VersionTLS13
	config.DynamicRecordSizingDisabled = true
	config.SessionTicketsDisabled = true
	return config
}

// linger lets what was last written to a refused connection arrive: closing it
// with unread bytes would make the kernel throw that away.
func linger(raw net.Conn) {
	half, ok := raw.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	if raw.SetDeadline(time.Now().Add(time.Second)) == nil {
		_, _ = io.CopyN(io.Discard, raw, 64<<10)
	}
}

// replayed is a connection of which some bytes were read already.
type replayed struct {
	net.Conn
	replay []byte
}

func (r *replayed) Read(p []byte) (int, error) {
	if len(r.replay) == 0 {
		return r.Conn.Read(p)
	}
	n := copy(p, r.replay)
	r.replay = r.replay[n:]
	return n, nil
}
