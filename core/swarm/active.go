package swarm

import (
	"slices"

	"github.com/rackswarm/rackswarm/core/unit"
)

// active is a span in transfer. Its blocks are requested, mostly from one peer.
type active struct {
	span    int32
	primary unit.NodeID // whom it was started with
	blocks  []block
	// unrequested and received count blocks. When all are received the span is
	// being stored and nothing is requested any more.
	unrequested, received int
}

// block is one block of an active span.
type block struct {
	from     unit.NodeID // whom it was last requested from, "" if of nobody
	received bool
}

func (s *Swarm) blockAt(x int32, i int) Block {
	begin := int32(i) * BlockSize
	return Block{Span: x, Begin: begin, Length: min(BlockSize, s.cfg.Lengths[x]-begin)}
}

// begin makes span x active with peer p and STARTs it.
func (s *Swarm) begin(x int32, p *peer) *active {
	n := (int(s.cfg.Lengths[x]) + BlockSize - 1) / BlockSize
	a := &active{span: x, primary: p.Node, blocks: make([]block, n), unrequested: n}
	s.active[x] = a
	s.actives = append(s.actives, x)
	s.pending.start(uint32(x))
	return a
}

// end takes a span out of transfer.
func (s *Swarm) end(x int32) {
	delete(s.active, x)
	if i := slices.Index(s.actives, x); i >= 0 {
		s.actives = slices.Delete(s.actives, i, i+1)
	}
}

// release gives a span up: what was requested is cancelled, what was received
// dropped, and everybody told.
func (s *Swarm) release(x int32, out []Action) []Action {
	a := s.active[x]
	for i := range a.blocks {
		if from := a.blocks[i].from; from != "" && !a.blocks[i].received {
			out = s.cancel(s.peers[from], s.blockAt(x, i), out)
		}
	}
	s.end(x)
	s.pending.stop(uint32(x))
	return append(out, Drop{Span: x})
}

// releaseEmpty releases spans of which nothing is requested or received, after
// their peer left or refused.
func (s *Swarm) releaseEmpty(out []Action) []Action {
	for _, x := range slices.Clone(s.actives) {
		if a := s.active[x]; a.unrequested == len(a.blocks) {
			out = s.release(x, out)
		}
	}
	return out
}

// cancel withdraws a request if the peer owes it.
func (s *Swarm) cancel(p *peer, b Block, out []Action) []Action {
	if p == nil || !s.forgive(p, b) {
		return out
	}
	return append(out, Cancel{Peer: p.Node, Block: b})
}

// forgive takes a block off a peer's debts; false if it was not there.
func (s *Swarm) forgive(p *peer, b Block) bool {
	i := slices.IndexFunc(p.debts, func(d debt) bool { return d.block == b })
	if i < 0 {
		return false
	}
	p.debts = slices.Delete(p.debts, i, i+1)
	p.owed -= int(b.Length)
	s.inFlight -= int(b.Length)
	return true
}

// unrequest makes a block that was asked of node available to others.
func (s *Swarm) unrequest(b Block, node unit.NodeID) {
	a := s.active[b.Span]
	if a == nil {
		return
	}
	if k := &a.blocks[b.Begin/BlockSize]; k.from == node && !k.received {
		k.from = ""
		a.unrequested++
	}
}
