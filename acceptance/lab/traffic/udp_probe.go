package traffic

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rackswarm/rackswarm/acceptance/lab/network"
	"github.com/rackswarm/rackswarm/core/scenario"
)

const (
	probeInterval = 10 * time.Millisecond
	probeSize     = 64 // bytes of payload
	// probePatience is after how long a packet counts as lost. No queue of the lab
	// holds one for so long.
	probePatience = 2 * time.Second
)

// measure probes until ctx ends.
func (t *Traffic) measure(ctx context.Context, p scenario.Probe) ([]sample, error) {
	from, to := t.network.Host(p.From), t.network.Host(p.To)
	if p.Proto == scenario.HTTP {
		return measureHTTP(ctx, from, to)
	}
	return measureUDP(ctx, from, to)
}

// measureUDP sends packets until ctx ends, and waits for the last answers.
func measureUDP(ctx context.Context, from, to *network.Host) ([]sample, error) {
	echo, err := listenUDP(to)
	if err != nil {
		return nil, err
	}
	socket, err := listenUDP(from)
	if err != nil {
		echo.Close()
		return nil, err
	}
	var running sync.WaitGroup
	running.Go(func() { sendBack(echo) })
	m := &udpProbe{socket: socket, begin: time.Now()}
	running.Go(m.listen)
	m.send(ctx, localAddress(echo))
	m.wait()
	socket.Close()
	echo.Close()
	running.Wait()
	return m.all, m.err
}

// listenUDP makes a socket on a host whose packets are stamped on arrival.
func listenUDP(h *network.Host) (*net.UDPConn, error) {
	var conn *net.UDPConn
	err := h.Do(func() (err error) {
		conn, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(h.Address, 0)))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("socket on %s: %w", h.Node, err)
	}
	raw, err := conn.SyscallConn()
	if err == nil {
		control := raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1) })
		err = errors.Join(control, err)
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("stamps on %s: %w", h.Node, err)
	}
	return conn, nil
}

func localAddress(c *net.UDPConn) netip.AddrPort { return c.LocalAddr().(*net.UDPAddr).AddrPort() }

// receiveStamped returns a packet and when it arrived.
func receiveStamped(c *net.UDPConn, buf []byte) (n int, from netip.AddrPort, at time.Time, err error) {
	control := make([]byte, 64)
	n, size, _, from, err := c.ReadMsgUDPAddrPort(buf, control)
	if err != nil {
		return 0, from, at, err
	}
	messages, err := syscall.ParseSocketControlMessage(control[:size])
	if err != nil {
		return 0, from, at, fmt.Errorf("stamp of a packet: %w", err)
	}
	for _, m := range messages {
		if m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SCM_TIMESTAMPNS && len(m.Data) >= 16 {
			return n, from, time.Unix(int64(binary.NativeEndian.Uint64(m.Data)), int64(binary.NativeEndian.Uint64(m.Data[8:]))), nil
		}
	}
	return n, from, time.Now(), nil
}

// A packet has its number, and on its way back how long it was on the other host in
// nanoseconds.

// sendBack answers until the socket is closed.
func sendBack(c *net.UDPConn) {
	buf := make([]byte, probeSize)
	for {
		n, from, at, err := receiveStamped(c, buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil || n < 16 {
			continue
		}
		binary.BigEndian.PutUint64(buf[8:], uint64(max(0, time.Since(at))))
		_, _ = c.WriteToUDPAddrPort(buf[:n], from) // an answer that cannot be sent is a lost one
	}
}

// udpProbe is one end of the measurement.
type udpProbe struct {
	socket *net.UDPConn
	begin  time.Time
	err    error // of send

	mu   sync.Mutex
	all  []sample
	open int // not answered
}

// send sends a packet per interval until ctx ends.
func (m *udpProbe) send(ctx context.Context, to netip.AddrPort) {
	tick := time.NewTicker(probeInterval)
	defer tick.Stop()
	buf := make([]byte, probeSize)
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		binary.BigEndian.PutUint64(buf, m.next())
		_, err := m.socket.WriteToUDPAddrPort(buf, to)
		if err != nil && !lossy(err) {
			m.err = err
			return
		}
	}
}

func unreachable(err error) bool {
	return errors.Is(err, unix.EHOSTUNREACH) || errors.Is(err, unix.ENETUNREACH) || errors.Is(err, unix.ECONNREFUSED)
}

// next notes that the next packet is sent now, lost until its answer comes, and
// returns its number.
func (m *udpProbe) next() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.open++
	m.all = append(m.all, sample{at: time.Since(m.begin), lost: true})
	return uint64(len(m.all) - 1)
}

// wait returns when all packets are answered, or no answer came for a while.
func (m *udpProbe) wait() {
	open, since := m.unanswered(), time.Now()
	for open > 0 && time.Since(since) < probePatience {
		time.Sleep(probeInterval)
		if now := m.unanswered(); now < open {
			open, since = now, time.Now()
		}
	}
}

func (m *udpProbe) unanswered() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.open
}

// listen notes answers until the socket is closed.
func (m *udpProbe) listen() {
	buf := make([]byte, probeSize)
	for {
		n, _, at, err := receiveStamped(m.socket, buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil && n >= 16 {
			m.answered(binary.BigEndian.Uint64(buf), at, time.Duration(binary.BigEndian.Uint64(buf[8:])))
		}
	}
}

func (m *udpProbe) answered(number uint64, at time.Time, there time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if number >= uint64(len(m.all)) {
		return
	}
	s := &m.all[number]
	m.open--
	took := at.Sub(m.begin) - s.at - there
	if took <= probePatience {
		s.took, s.lost = max(took, 1), false
	}
}
