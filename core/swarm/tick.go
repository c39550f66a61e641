package swarm

import (
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

// idleScan is how often an unfinished swarm looks for work that time has made
// possible: a stale START, the end of a refusal, a peer that became slow.
const idleScan = 100 * time.Millisecond

// Tick does what time alone makes due: it takes blocks from peers that are
// stalled, and looks for work again.
func (s *Swarm) Tick(now unit.Time, out []Action) []Action {
	if s.left == 0 || s.halted {
		return out
	}
	s.scanAt = now.Add(idleScan)
	for _, p := range s.list {
		s.expire(now, p)
		if p.isMuted() && p.muted.Reached(now) {
			p.muted = 0
			out = append(out, Hangup{Peer: p.Node, Reason: Pardoned})
			continue
		}
		out = s.checkStall(now, p, out)
	}
	out = s.inquireOnIf(now, func(q *inquiry) bool { return now.Sub(q.at) >= leavesTime }, out)
	return s.fillAll(now, out)
}

func (s *Swarm) checkStall(now unit.Time, p *peer, out []Action) []Action {
	if len(p.debts) == 0 && !p.stalled {
		return out
	}
	quiet := now.Sub(p.lastData)
	if p.stalled && quiet >= silentAfter {
		p.lastData = now // once is enough
		return append(out, Hangup{Peer: p.Node, Reason: Silent})
	}
	if p.stalled || quiet < stallAfter {
		return out
	}
	p.stalled = true
	for len(p.debts) > 0 {
		b := p.debts[0].block
		out = s.cancel(p, b, out)
		s.unrequest(b, p.seat)
	}
	return s.releaseEmpty(out)
}

// NextDeadline is when Tick has something to do, or Never.
func (s *Swarm) NextDeadline(now unit.Time) unit.Time {
	next := unit.Never
	if s.announceAt > 0 {
		next = s.announceAt
	}
	if s.left == 0 || s.halted || len(s.list) == 0 {
		return next
	}
	for uplinks := range s.supplies { // as many as levels
		if ready := s.cfg.Download.ReadyAt(now, uplinks); ready > now {
			next = min(next, ready) // a budget keeps less than it earns until the scan
		}
	}
	return min(next, s.scanAt)
}
