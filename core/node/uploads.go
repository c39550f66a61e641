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
	all   *limit
	own   map[artifact.Digest]*limit // of each transfer
	queue []upload                   // in the order of sending
	bytes int64                      // what the queue counts as
	turn  int                        // of the block that was admitted last
}

// upload is a block that waits. A peer's blocks have turns one after the other.
type upload struct {
	SendBlock
	turn int
}

// weight is what a block counts as, in bytes.
func weight(b SendBlock) int64 { return max(int64(b.Block.Length), leastBlock) }

// add queues a block; false if that is more than may wait.
func (u *uploads) add(b SendBlock) bool {
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
	u.queue = slices.Insert(u.queue, i, upload{b, turn})
	u.bytes += n
	return true
}

// retryAfter is when a peer of the transfer may ask again that was refused: when
// half of what waits will have been sent.
func (u *uploads) retryAfter(d artifact.Digest) time.Duration {
	const least, most = 50 * time.Millisecond, 2 * time.Second
	return min(max(unit.Bytes(u.bytes/2).Over(min(u.all.Rate(), u.own[d].Rate())), least), most)
}

// cancel takes a block out of the queue; false if it was admitted before.
func (u *uploads) cancel(b SendBlock) bool {
	before := len(u.queue)
	u.drop(func(q SendBlock) bool { return q == b })
	return len(u.queue) < before
}

func (u *uploads) dropPeer(d artifact.Digest, peer unit.NodeID) {
	u.drop(func(b SendBlock) bool { return b.Transfer == d && b.Peer == peer })
}

// takeTransfer takes a transfer's blocks out of the queue.
func (u *uploads) takeTransfer(d artifact.Digest) (taken []SendBlock) {
	u.drop(func(b SendBlock) bool {
		if b.Transfer == d {
			taken = append(taken, b)
		}
		return b.Transfer == d
	})
	return taken
}

func (u *uploads) drop(which func(SendBlock) bool) {
	u.queue = slices.DeleteFunc(u.queue, func(q upload) bool {
		if !which(q.SendBlock) {
			return false
		}
		u.bytes -= weight(q.SendBlock)
		return true
	})
}

// admit appends what may be sent now. A block that its transfer's limit holds back
// lets those of others pass.
func (u *uploads) admit(now unit.Time, out []Action) []Action {
	left := u.queue[:0]
	for i, b := range u.queue {
		own := u.own[b.Transfer]
		if !own.Allows(now) {
			left = append(left, b)
			continue
		}
		if !u.all.Allows(now) {
			left = append(left, u.queue[i:]...)
			break
		}
		u.turn = b.turn
		u.bytes -= weight(b.SendBlock)
		own.Take(now, unit.Bytes(b.Block.Length))
		u.all.Take(now, unit.Bytes(b.Block.Length))
		out = append(out, b.SendBlock)
	}
	clear(u.queue[len(left):])
	u.queue = left
	return out
}

func (u *uploads) nextDeadline(now unit.Time) unit.Time {
	if len(u.queue) == 0 {
		return unit.Never
	}
	next, all := unit.Never, u.all.ReadyAt(now)
	for _, b := range u.queue {
		if next = min(next, max(all, u.own[b.Transfer].ReadyAt(now))); next <= all {
			break // no other can be sooner
		}
	}
	return next
}

// upload queues a block until the budget admits it. Whoever asks for more than
// may wait is told to ask again.
func (t *transfer) upload(a swarm.Upload, out []Action) []Action {
	u := &t.m.uploads
	if t.uploadLimit.closed() {
		return t.send(a.Peer, pausedRejection(a.Block), out)
	}
	if u.add(SendBlock{t.digest, a.Peer, a.Block}) {
		return out
	}
	return t.send(a.Peer, rejection(swarm.Reject{Peer: a.Peer, Block: a.Block, Reason: swarm.Busy, RetryAfter: u.retryAfter(t.digest)}), out)
}
