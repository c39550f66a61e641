package traffic

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rackswarm/rackswarm/acceptance/lab/network"
	"github.com/rackswarm/rackswarm/core/pause"
	"github.com/rackswarm/rackswarm/core/scenario"
	"github.com/rackswarm/rackswarm/core/unit"
)

// Sizes of a full packet: on a link, and of what it carries.
const (
	packet     = 1514
	tcpPayload = 1448
	udpPayload = 1472
)

const (
	pace = 5 * time.Millisecond // between two looks at what may be sent
	// burst is for how long a flow that was held up makes up for it. What it could not
	// send before is not wanted any more.
	burst = 50 * time.Millisecond
	// drain is for how long packets that were sent may still arrive: those in a queue
	// are not lost.
	drain = 300 * time.Millisecond
)

// flow is a flow of the background with what came of it.
type flow struct {
	scenario.Flow
	// Bytes of payload. What was sent is known when send has returned.
	sent   int64
	got    atomic.Int64
	lasted time.Duration // that it was on for
	err    error
}

// arrived is what got through, as it was on the link.
func (f *flow) arrived() unit.Bytes { return f.onLink(f.got.Load()) }

func (f *flow) payload() int64 {
	if f.Proto == scenario.UDP {
		return udpPayload
	}
	return tcpPayload
}

func (f *flow) onLink(payload int64) unit.Bytes { return unit.Bytes(payload * packet / f.payload()) }

// report is the flow's part of a report.
func (f *flow) report() scenario.FlowReport {
	r := scenario.FlowReport{From: f.From, To: f.To, Proto: f.Proto, Start: f.Start.Seconds(), Lasted: f.lasted.Seconds(), Asked: float64(f.Rate) * 8,
		Got: float64(f.arrived().Per(f.lasted)) * 8}
	if f.Proto == scenario.UDP && f.sent > 0 {
		r.Lost = 1 - float64(f.got.Load())/float64(f.sent)
	}
	return r
}

// send sends a flow from its start to its stop, or the end of ctx.
func (t *Traffic) send(ctx context.Context, f *flow) error {
	if pause.For(ctx, f.Start) != nil {
		return nil
	}
	if f.Stop > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, f.Stop-f.Start)
		defer cancel()
	}
	open := f.openTCP
	if f.Proto == scenario.UDP {
		open = f.openUDP
	}
	out, in, err := open(ctx, t.network.Host(f.From), t.network.Host(f.To))
	if err != nil {
		return err
	}
	return f.run(ctx, out, in)
}

// run sends on out what it counts on in.
func (f *flow) run(ctx context.Context, out, in net.Conn) error {
	begin := time.Now()
	var running sync.WaitGroup
	running.Go(func() { f.receive(in) })
	stop := context.AfterFunc(ctx, func() { _ = out.SetWriteDeadline(time.Now()) }) // it may wait for room
	defer stop()
	err := f.write(ctx, out)
	f.lasted = time.Since(begin)
	if f.Proto == scenario.UDP {
		time.Sleep(drain)
	}
	in.Close()
	out.Close()
	running.Wait()
	return err
}

// write writes packets at the flow's rate until ctx ends.
func (f *flow) write(ctx context.Context, out io.Writer) error {
	tick := time.NewTicker(pace)
	defer tick.Stop()
	buf := make([]byte, f.payload())
	last := time.Now()
	var credit unit.Bytes // that may be sent, on the link
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		now := time.Now()
		credit = min(credit+f.Rate.In(now.Sub(last)), max(f.Rate.In(burst), 2*packet))
		last = now
		for ; credit >= packet; credit -= packet {
			n, err := out.Write(buf)
			f.sent += int64(n)
			if ctx.Err() != nil {
				return nil
			}
			if err != nil && !(f.Proto == scenario.UDP && lossy(err)) {
				return fmt.Errorf("background from %s: %w", f.From, err)
			}
		}
	}
}

// receive counts what arrives until the connection is closed.
func (f *flow) receive(in io.Reader) {
	buf := make([]byte, 64<<10)
	for {
		n, err := in.Read(buf)
		f.got.Add(int64(n))
		if err != nil && !lossy(err) {
			return
		}
	}
}

// openTCP connects the hosts.
func (f *flow) openTCP(ctx context.Context, from, to *network.Host) (out, in net.Conn, err error) {
	l, err := to.Listen(0)
	if err != nil {
		return nil, nil, err
	}
	defer l.Close()
	out, err = from.Dial(ctx, "tcp4", l.Addr().String())
	if err != nil {
		return nil, nil, fmt.Errorf("background from %s to %s: %w", f.From, f.To, err)
	}
	in, err = l.Accept()
	if err != nil {
		out.Close()
		return nil, nil, fmt.Errorf("background from %s to %s: %w", f.From, f.To, err)
	}
	return out, in, nil
}

// openUDP makes a socket on each host.
func (f *flow) openUDP(ctx context.Context, from, to *network.Host) (out, in net.Conn, err error) {
	receiver, err := listenUDP(to)
	if err != nil {
		return nil, nil, err
	}
	out, err = from.Dial(ctx, "udp4", receiver.LocalAddr().String())
	if err != nil {
		receiver.Close()
		return nil, nil, fmt.Errorf("background from %s to %s: %w", f.From, f.To, err)
	}
	return out, receiver, nil
}

// lossy says that an error is that of a packet, after which others may pass.
func lossy(err error) bool { return errors.Is(err, unix.ENOBUFS) || unreachable(err) }
