package transport

import (
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/unit"
)

// flow is the rate at which a peer acknowledges what it is sent. What is handed to the
// kernel says less: at first that takes as much at once as a second of the link carries.
type flow struct {
	at    time.Time
	bytes int64
	rate  float64 // bytes per second; each flowOver counts half, what was before it the other
}

// flowOver is a few round trips of a connection that moves something.
const flowOver = 300 * time.Millisecond

// count takes into account how many bytes were acknowledged until now.
func (f *flow) count(now time.Time, bytes int64) {
	passed := now.Sub(f.at)
	if f.at.IsZero() || passed > 3*flowOver {
		*f = flow{at: now, bytes: bytes} // what was before a pause says nothing of now
		return
	}
	if passed < flowOver {
		return
	}
	f.rate = (f.rate + float64(bytes-f.bytes)/passed.Seconds()) / 2
	f.at, f.bytes = now, bytes
}

// makeRoom has the connections that stay inside this node's location leave room for
// those that leave it, if this host's own link has none for all.
func (p *pacer) makeRoom(now time.Time) {
	seen := bandwidth.YieldSample{At: unit.Time(now.Sub(p.epoch))}
	var outside []*paced
	for _, s := range p.sending {
		if info, err := s.conn.socket.info(); err == nil {
			s.flow.count(now, int64(info.Bytes_acked))
		}
		if now.Sub(s.since) >= movedLately {
			continue
		}
		seen.Total += unit.Rate(s.flow.rate)
		seen.Connections++
		if s.uplinks > 0 {
			seen.Leaving++
			outside = append(outside, s)
			continue
		}
		seen.Inside = max(seen.Inside, unit.Rate(s.flow.rate))
	}
	if seen.Leaving < seen.Connections {
		seen.Held = anyHeld(outside)
	}
	most := max(p.yield.Pace(seen), controlPace)
	for _, s := range p.sending {
		s.most = unit.Unlimited
		if s.uplinks == 0 {
			s.most = most
		}
	}
}

// anyHeld reports whether a connection stands in line at this host's own interface. Who
// has a pace of its own does not: it is to wait.
func anyHeld(connections []*paced) bool {
	for _, s := range connections {
		if s.set < unit.Unlimited || s.conn.socket.pacesItself() {
			continue
		}
		if info, err := s.conn.socket.info(); err == nil && stands(info) {
			return true
		}
	}
	return false
}

// setsPace reports whether the connection's congestion control sets a pace, as BBR
// does: its window is never full. So it is taken to if the kernel does not say.
func (s *socket) setsPace() (does bool) {
	err := s.control(func(fd int) error {
		name, err := unix.GetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION)
		does = strings.HasPrefix(name, "bbr")
		return err
	})
	return does || err != nil
}

// stands reports whether the kernel has data for which the peer and the network have
// room, and does not send them: it gives to an interface what that takes at once, of
// each connection about a millisecond's worth (TCP small queues). What the peer has room
// for Linux tells since 5.4; before, nothing is known to stand in line.
func stands(info *unix.TCPInfo) bool {
	if info.Ca_state != 0 || info.Snd_mss == 0 || info.Notsent_bytes < 2*info.Snd_mss {
		return false
	}
	window := min(info.Snd_cwnd, info.Snd_wnd/info.Snd_mss)
	return info.Unacked < window-window/4
}
