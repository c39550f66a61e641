package node

import (
	"slices"

	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/unit"
)

// maxQueued bounds what one peer may have waiting here, in bytes: twice the
// largest window of our own requests.
const maxQueued = 4 << 20

// uploads admits blocks to be sent as the budget allows, peers in turn so that
// none starves the others.
type uploads struct {
	bucket *bandwidth.Bucket
	queue  []SendBlock
}

// add queues a block; false if the peer has asked for too much.
func (u *uploads) add(b SendBlock) bool {
	waiting := int64(b.Block.Length)
	for _, q := range u.queue {
		if q.Peer == b.Peer && q.Transfer == b.Transfer {
			waiting += int64(q.Block.Length)
		}
	}
	if waiting > maxQueued {
		return false
	}
	u.queue = append(u.queue, b)
	return true
}

// cancel takes a block out of the queue; false if it was admitted before.
func (u *uploads) cancel(b SendBlock) bool {
	i := slices.Index(u.queue, b)
	if i < 0 {
		return false
	}
	u.queue = slices.Delete(u.queue, i, i+1)
	return true
}

func (u *uploads) dropPeer(d artifact.Digest, peer unit.NodeID) {
	u.queue = slices.DeleteFunc(u.queue, func(b SendBlock) bool { return b.Transfer == d && b.Peer == peer })
}

func (u *uploads) dropTransfer(d artifact.Digest) {
	u.queue = slices.DeleteFunc(u.queue, func(b SendBlock) bool { return b.Transfer == d })
}

// admit appends what may be sent now: in each round one block of every peer.
func (u *uploads) admit(now unit.Time, out []Action) []Action {
	for len(u.queue) > 0 && u.bucket.Allows(now) {
		var later []SendBlock
		served := map[unit.NodeID]bool{}
		for _, b := range u.queue {
			if served[b.Peer] || !u.bucket.Allows(now) {
				later = append(later, b)
				continue
			}
			served[b.Peer] = true
			u.bucket.Take(now, unit.Bytes(b.Block.Length))
			out = append(out, b)
		}
		u.queue = later
	}
	return out
}

func (u *uploads) nextDeadline(now unit.Time) unit.Time {
	if len(u.queue) == 0 {
		return unit.Never
	}
	return u.bucket.ReadyAt(now)
}
