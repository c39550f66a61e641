package node

import (
	"slices"
	"time"

	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/swarm"
	"github.com/rackswarm/rackswarm/core/unit"
)

// What may wait here for the upload budget, in bytes: of one peer in one
// transfer, twice the largest window of our own requests; and of all together.
const (
	maxQueued    = 4 << 20
	maxQueuedAll = 64 << 20
	// leastBlock is what a block counts as at least: a queue of bytes would take
	// more memory, and more time, than what is in it.
	leastBlock = 4 << 10
)

// uploads admits blocks to be sent as the budget allows. Peers take turns, one
// block each, so that none starves the others; who has waited longest comes first
// in each turn.
type uploads struct {
	lanes []*lane  // of the transfers
	queue []upload // in the order of sending
	bytes int64    // what the queue counts as
	turn  int      // of the block that was admitted last
}

// upload is a block that waits. A peer's blocks have turns one after the other.
type upload struct {
	SendBlock
	lane    *lane
	uplinks int // that it crosses
	turn    int
}

// weight is what a block counts as, in bytes.
func weight(b SendBlock) int64 { return max(int64(b.Block.Length), leastBlock) }

// add queues a block that crosses uplinks; false if that is more than may wait.
func (u *uploads) add(b SendBlock, l *lane, uplinks int) bool {
	waiting, turn := int64(0), u.turn
	for _, q := range u.queue {
		if q.Peer == b.Peer && q.Transfer == b.Transfer {
			waiting += weight(q.SendBlock)
			turn = q.turn
		}
	}
	n := weight(b)
	if waiting+n > maxQueued || u.bytes+n > maxQueuedAll {
		return false
	}
	turn++
	i, _ := slices.BinarySearchFunc(u.queue, turn+1, func(q upload, t int) int { return q.turn - t })
	u.queue = slices.Insert(u.queue, i, upload{b, l, uplinks, turn})
	u.bytes += n
	l.queue[uplinks]++
	return true
}

// retryAfter is when a peer may ask again that was refused a block: when half of what
// waits will have been sent.
func (u *uploads) retryAfter(l *lane, uplinks int) time.Duration {
	const least, most = 50 * time.Millisecond, 2 * time.Second
	return min(max(unit.Bytes(u.bytes/2).Over(l.Rate(uplinks)), least), most)
}

// cancel takes a block out of the queue; false if it was admitted before.
func (u *uploads) cancel(b SendBlock) bool {
	return len(u.take(func(q upload) bool { return q.SendBlock == b })) > 0
}

func (u *uploads) dropPeer(d artifact.Digest, peer unit.NodeID) {
	u.take(func(q upload) bool { return q.Transfer == d && q.Peer == peer })
}

// close takes a transfer's blocks out of the queue, for good.
func (u *uploads) close(l *lane) {
	u.take(func(q upload) bool { return q.lane == l })
	u.lanes = slices.DeleteFunc(u.lanes, func(other *lane) bool { return other == l })
}

// take takes blocks out of the queue.
func (u *uploads) take(which func(upload) bool) (taken []SendBlock) {
	u.queue = slices.DeleteFunc(u.queue, func(q upload) bool {
		if !which(q) {
			return false
		}
		u.gone(q)
		taken = append(taken, q.SendBlock)
		return true
	})
	return taken
}

// gone says that a block waits no more.
func (u *uploads) gone(q upload) {
	u.bytes -= weight(q.SendBlock)
	q.lane.queue[q.uplinks]--
}

// admit appends what may be sent now. A block that is held back lets those pass that
// are of another transfer, or cross fewer uplinks.
func (u *uploads) admit(now unit.Time, out []Action) []Action {
	for _, l := range u.lanes {
		l.refused = 0
	}
	left := u.queue[:0]
	for i, b := range u.queue {
		if !b.lane.admits(now, b.uplinks) {
			if u.allRefused() {
				left = append(left, u.queue[i:]...)
				break
			}
			left = append(left, b)
			continue
		}
		u.turn = b.turn
		u.gone(b)
		b.lane.Take(now, b.uplinks, unit.Bytes(b.Block.Length))
		out = append(out, b.SendBlock)
	}
	clear(u.queue[len(left):])
	u.queue = left
	return out
}

// admits reports whether a block may be sent. Who was refused is not asked again.
func (l *lane) admits(now unit.Time, uplinks int) bool {
	if l.refused&(1<<uplinks) == 0 && l.Allows(now, uplinks) {
		return true
	}
	l.refused |= 1 << uplinks
	return false
}

// allRefused reports whether nothing that waits can be sent now.
func (u *uploads) allRefused() bool {
	for _, l := range u.lanes {
		for uplinks, n := range l.queue {
			if n > 0 && l.refused&(1<<uplinks) == 0 {
				return false
			}
		}
	}
	return true
}

func (u *uploads) nextDeadline(now unit.Time) unit.Time {
	next := unit.Never
	if len(u.queue) == 0 {
		return next
	}
	for _, l := range u.lanes {
		for uplinks, n := range l.queue {
			if n > 0 {
				next = min(next, l.ReadyAt(now, uplinks))
			}
		}
	}
	return next
}

// upload queues a block until the budget admits it. Whoever asks for more than
// may wait is told to ask again.
func (t *transfer) upload(a swarm.Upload, out []Action) []Action {
	u, uplinks := &t.m.uploads, t.up.crosses(a.Uplinks)
	if t.up.Rate(uplinks) == 0 {
		return t.send(a.Peer, pausedRejection(a.Block), out)
	}
	if u.add(SendBlock{t.digest, a.Peer, a.Block}, t.up, uplinks) {
		return out
	}
	return t.send(a.Peer, rejection(swarm.Reject{Peer: a.Peer, Block: a.Block, Reason: swarm.Busy, RetryAfter: u.retryAfter(t.up, uplinks)}), out)
}
