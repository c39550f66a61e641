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
	gates []*gate  // of all transfers
	queue []upload // in the order of sending
	bytes int64    // what the queue counts as
	turn  int      // of the block that was admitted last
}

// upload is a block that waits. A peer's blocks have turns one after the other.
type upload struct {
	SendBlock
	gate *gate
	turn int
}

// gate is what a transfer's blocks pass that cross some number of uplinks.
type gate struct {
	lane    *lane
	uplinks int
	waiting int  // blocks
	refused bool // they cannot be sent now
}

// open makes a transfer's gates, by the uplinks.
func (u *uploads) open(l *lane) (gates []*gate) {
	for uplinks := range l.held {
		gates = append(gates, &gate{lane: l, uplinks: uplinks})
	}
	u.gates = append(u.gates, gates...)
	return gates
}

// weight is what a block counts as, in bytes.
func weight(b SendBlock) int64 { return max(int64(b.Block.Length), leastBlock) }

// add queues a block; false if that is more than may wait.
func (u *uploads) add(b SendBlock, g *gate) bool {
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
	u.queue = slices.Insert(u.queue, i, upload{b, g, turn})
	u.bytes += n
	g.waiting++
	return true
}

// retryAfter is when a peer may ask again that was refused a block: when half of what
// waits will have been sent.
func (u *uploads) retryAfter(g *gate) time.Duration {
	const least, most = 50 * time.Millisecond, 2 * time.Second
	return min(max(unit.Bytes(u.bytes/2).Over(g.lane.Rate(g.uplinks)), least), most)
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
	u.take(func(q upload) bool { return q.gate.lane == l })
	u.gates = slices.DeleteFunc(u.gates, func(g *gate) bool { return g.lane == l })
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
	q.gate.waiting--
}

// admit appends what may be sent now. A block that is held back lets those pass that
// are of another transfer, or cross fewer uplinks.
func (u *uploads) admit(now unit.Time, out []Action) []Action {
	for _, g := range u.gates {
		g.refused = false
	}
	left := u.queue[:0]
	for i, b := range u.queue {
		if !b.gate.admits(now) {
			if u.allRefused() {
				left = append(left, u.queue[i:]...)
				break
			}
			left = append(left, b)
			continue
		}
		u.turn = b.turn
		u.gone(b)
		b.gate.lane.Take(now, b.gate.uplinks, unit.Bytes(b.Block.Length))
		out = append(out, b.SendBlock)
	}
	clear(u.queue[len(left):])
	u.queue = left
	return out
}

// admits reports whether a block may be sent. Once refused, it does not ask again.
func (g *gate) admits(now unit.Time) bool {
	g.refused = g.refused || !g.lane.Allows(now, g.uplinks)
	return !g.refused
}

// allRefused reports whether nothing that waits can be sent now.
func (u *uploads) allRefused() bool {
	return !slices.ContainsFunc(u.gates, func(g *gate) bool { return g.waiting > 0 && !g.refused })
}

func (u *uploads) nextDeadline(now unit.Time) unit.Time {
	next := unit.Never
	if len(u.queue) == 0 {
		return next
	}
	for _, g := range u.gates {
		if g.waiting > 0 {
			next = min(next, g.lane.ReadyAt(now, g.uplinks))
		}
	}
	return next
}

// upload queues a block until the budget admits it. Whoever asks for more than
// may wait is told to ask again.
func (t *transfer) upload(a swarm.Upload, out []Action) []Action {
	u, g := &t.m.uploads, t.gates[t.up.crosses(int(a.Uplinks))]
	if t.up.Rate(g.uplinks) == 0 {
		return t.send(a.Peer, pausedRejection(a.Block), out)
	}
	if u.add(SendBlock{t.digest, a.Peer, a.Block}, g) {
		return out
	}
	return t.send(a.Peer, rejection(swarm.Reject{Peer: a.Peer, Block: a.Block, Reason: swarm.Busy, RetryAfter: u.retryAfter(g)}), out)
}
