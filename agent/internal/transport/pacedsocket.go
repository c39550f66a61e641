package transport

import (
	"cmp"
	"fmt"
	"math"
	"net"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rackswarm/rackswarm/core/unit"
)

const (
	// burstFor is for how long a connection with a pace may send at once. The
	// kernel alone sends up to 64 KiB at once where the round-trip time is short,
	// whatever the pace: 50 ms of a link of 10 Mbit/s.
	burstFor = time.Millisecond
	// leastBurst are two full segments: for one the peer's kernel would wait before
	// it acknowledges, or for its agent.
	leastBurst = 2 * segment
	// segment is the payload of a full one.
	segment   = 1448
	mostBurst = 64 << 10
	// unpaced is the kernel's word for no pace.
	unpaced = math.MaxUint32
)

// socket is a TCP connection that can be given a pace.
type socket struct {
	*net.TCPConn
	burst   atomic.Int64 // bytes that are handed to the kernel at once; 0 is all
	unsent  unsent
	carried *carried // the transport's
	// pacesItself reports whether the congestion control sets a pace, see setsPace. The
	// kernel is asked once: nobody changes it while a connection sends.
	pacesItself func() bool
}

// setPace has the connection send at most at rate, in bytes of TCP's payload per
// second, unit.Unlimited for no pace. On Linux before 4.13 that takes an interface
// with the queueing discipline fq.
func (s *socket) setPace(rate unit.Rate) error {
	limit := uint32(min(max(rate, 1), unpaced))                                     //nolint:gosec // bounded
	err := s.setOption(unix.SOL_SOCKET, unix.SO_MAX_PACING_RATE, int(int32(limit))) //nolint:gosec // the kernel reads it unsigned
	if err == nil {
		err = s.tellUnsent(s.unsent.pacedAt(rate))
	}
	if err != nil {
		return fmt.Errorf("pace at %s: %w", rate, err)
	}
	s.burst.Store(burstAt(rate))
	return nil
}

// burstAt is how many bytes go at once at a pace, 0 if that needs no care.
func burstAt(rate unit.Rate) int64 {
	burst := max(int64(rate.In(burstFor)), leastBurst)
	if burst >= mostBurst {
		return 0
	}
	return burst
}

func (s *socket) setOption(level, option, value int) error {
	return s.control(func(fd int) error { return unix.SetsockoptInt(fd, level, option, value) })
}

func (s *socket) info() (info *unix.TCPInfo, err error) {
	err = s.control(func(fd int) (err error) {
		info, err = unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		return err
	})
	return info, err
}

func (s *socket) control(f func(fd int) error) error {
	raw, err := s.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = f(int(fd)) }); err != nil {
		return err
	}
	return failed
}

// Write hands b to the kernel, and learns how fast that sends it. The connection works
// if the kernel cannot be told what follows from that, only with longer waits.
func (s *socket) Write(b []byte) (int, error) {
	began := time.Now()
	n, err := s.write(b)
	s.carried.sent.Add(int64(n))
	_ = s.tellUnsent(s.unsent.wrote(n, time.Since(began)))
	return n, err
}

// write hands b to the kernel, with a pace in parts that it does not put together.
func (s *socket) write(b []byte) (written int, err error) {
	if s.burst.Load() == 0 {
		return s.TCPConn.Write(b)
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return 0, err
	}
	var failed error
	err = raw.Write(func(fd uintptr) bool {
		for written < len(b) {
			rest := b[written:]
			n, err := unix.SendmsgN(int(fd), rest[:part(len(rest), s.burst.Load())], nil, nil, unix.MSG_EOR)
			switch err {
			case nil:
				written += n
			case unix.EINTR:
			case unix.EAGAIN:
				return false
			default:
				failed = &net.OpError{Op: "write", Net: "tcp", Source: s.LocalAddr(), Addr: s.RemoteAddr(), Err: os.NewSyscallError("sendmsg", err)}
				return true
			}
		}
		return true
	})
	return written, cmp.Or(err, failed)
}

// part is the length of the first of equal parts of all, of at most burst bytes.
func part(all int, burst int64) int {
	if burst == 0 {
		return all
	}
	parts := (int64(all) + burst - 1) / burst
	return int((int64(all) + parts - 1) / parts)
}

// Read has what arrives a little at a time acknowledged at once: the sender's guard
// would take the wait of the kernel for one in a queue. After a full segment comes
// another one, at which the kernel acknowledges both by itself, even if this process
// has to wait for the processor.
func (s *socket) Read(b []byte) (int, error) {
	n, err := s.TCPConn.Read(b)
	s.carried.received.Add(int64(n))
	if n > 0 && n < leastBurst && n != segment {
		_ = s.setOption(unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1)
	}
	return n, err
}
