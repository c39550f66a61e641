package network

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// delay is a link with a delay: a TAP at either end, and for each direction a relay
// that reads from the one and writes to the other a while later. The kernels that
// the lab runs on have no queue that does this.
type delay struct {
	taps    [2]int
	stop    int // readable when the relays are to end
	workers sync.WaitGroup
}

// startDelay makes both ends of a link, down, and what passes packets on between
// them.
func (l *link) startDelay() error {
	stop, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("make a link with a delay: %w", err)
	}
	d := &delay{taps: [2]int{-1, -1}, stop: stop}
	l.delay = d
	for i, e := range []end{l.lower, l.upper} {
		if err := e.on.Do(func() (err error) { d.taps[i], err = openTAP(e.name); return err }); err != nil {
			return err
		}
	}
	for from := range d.taps {
		r := relay{from: d.taps[from], to: d.taps[1-from], stop: stop, delay: l.rtt / 2}
		d.workers.Go(r.run)
	}
	return nil
}

// Close removes both ends.
func (d *delay) Close() error {
	one := [8]byte{1}
	_, err := unix.Write(d.stop, one[:])
	d.workers.Wait()
	for _, fd := range []int{d.stop, d.taps[0], d.taps[1]} {
		if fd >= 0 {
			err = errors.Join(err, unix.Close(fd))
		}
	}
	return err
}

// openTAP makes an interface in the thread's namespace that is there until the file
// is closed.
func openTAP(name string) (int, error) {
	const device = "/dev/net/tun"
	fd, err := unix.Open(device, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return -1, fmt.Errorf("a link with a delay needs %s: %w", device, err)
	}
	request, err := unix.NewIfreq(name)
	if err == nil {
		request.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	}
	if err != nil {
		return -1, errors.Join(fmt.Errorf("make the TAP %s: %w", name, err), unix.Close(fd))
	}
	return fd, nil
}

const (
	frameSize = 1514
	// maxHeld bounds what a relay holds back: 100 ms at 5 Gbit/s, more than it can
	// carry. What comes on top is dropped.
	maxHeld = 1 << 15
	// atOnce is how many packets are read before those that are due are written.
	atOnce = 64
)

// relay passes packets on one way, in order.
type relay struct {
	from, to, stop int
	delay          time.Duration
	held           ring
}

// run keeps a thread, which wakes up more precisely than Go's timers, and before
// others: a busy machine must not make a link slower.
func (r *relay) run() {
	runtime.LockOSThread() // and never unlocks
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(time.Microsecond), 0, 0, 0)
	_ = unix.Setpriority(unix.PRIO_PROCESS, 0, -20)
	for r.wait() {
		r.write(time.Now())
		r.read()
	}
}

// wait waits until a packet is due or has come. It is false when the relay is to end.
func (r *relay) wait() bool {
	events := []unix.PollFd{{Fd: int32(r.stop), Events: unix.POLLIN}, {Fd: int32(r.from), Events: unix.POLLIN}}
	var timeout *unix.Timespec
	if r.held.len() > 0 {
		t := unix.NsecToTimespec(int64(max(0, time.Until(r.held.first().due))))
		timeout = &t
	}
	_, err := unix.Ppoll(events, timeout, nil)
	return (err == nil || errors.Is(err, unix.EINTR)) && events[0].Revents == 0
}

// write passes on what is due by now. What the other end does not take is lost, as
// on any link.
func (r *relay) write(now time.Time) {
	for r.held.len() > 0 && !r.held.first().due.After(now) {
		_, _ = unix.Write(r.to, r.held.first().bytes)
		r.held.drop()
	}
}

// read takes what has come, up to some packets.
func (r *relay) read() {
	for range atOnce {
		buffer := r.held.spare()
		size, err := unix.Read(r.from, buffer)
		if err != nil {
			return
		}
		if r.held.len() < maxHeld {
			r.held.add(held{bytes: buffer[:size], due: time.Now().Add(r.delay)})
		}
	}
}

// held is a packet that waits.
type held struct {
	bytes []byte
	due   time.Time
}

// ring is a queue of packets, which uses the buffers of old ones again.
type ring struct {
	packets []held
	begin   int
	count   int
	free    [][]byte
}

func (q *ring) len() int     { return q.count }
func (q *ring) first() *held { return &q.packets[q.begin] }

// spare is a buffer for a packet, which is not yet in the queue.
func (q *ring) spare() []byte {
	if len(q.free) == 0 {
		q.free = append(q.free, make([]byte, frameSize))
	}
	return q.free[len(q.free)-1]
}

// add appends a packet in the buffer that spare returned.
func (q *ring) add(p held) {
	if q.count == len(q.packets) {
		q.grow()
	}
	q.free = q.free[:len(q.free)-1]
	q.packets[(q.begin+q.count)%len(q.packets)] = p
	q.count++
}

func (q *ring) grow() {
	packets := make([]held, max(64, 2*len(q.packets)))
	n := copy(packets, q.packets[q.begin:])
	copy(packets[n:], q.packets[:q.begin])
	q.packets, q.begin = packets, 0
}

// drop takes the first packet out.
func (q *ring) drop() {
	q.free = append(q.free, q.first().bytes[:frameSize])
	q.begin = (q.begin + 1) % len(q.packets)
	q.count--
}
