package swarm

import (
	"maps"
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

// A START is a promise to have a span soon, and others hold back for it. Who breaks
// it does not make it anew by another START: that is as old as the one before was,
// less what has passed since. So a peer that only says START and STOP in turns
// holds others back for half of the time at most, and one whose source was gone for
// a moment is believed again at once.
type promises struct {
	broken  map[int32]broken // by span
	sweptAt unit.Time
	// standing counts the STARTs of the peer that were noted.
	standing int
}

// broken is a START that ended without a HAVE: how long it had stood, and when.
type broken struct {
	stood time.Duration
	ended unit.Time
}

const (
	// maxBroken bounds what is remembered of a peer: while there is so much no
	// other START of it holds anybody back.
	maxBroken  = 256
	sweepEvery = time.Second
	// longestStart is how long a START counts that the peer's requests to us keep
	// from being too old.
	longestStart = time.Minute
	// leastStarts is how many STARTs of a peer that has got nothing since we met
	// count at a time, if spans are long.
	leastStarts = 64
)

// breaks notes that a START ended without a HAVE after it had stood so long.
func (p *promises) breaks(now unit.Time, x int32, stood time.Duration) {
	if p.broken == nil {
		p.broken = map[int32]broken{}
	}
	if _, again := p.broken[x]; again || !p.full(now) {
		p.broken[x] = broken{min(stood, longestStart), now}
	}
}

// stood is how old a START of a span is that the peer says now.
func (p *promises) stood(now unit.Time, x int32) time.Duration {
	b, again := p.broken[x]
	if !again && p.full(now) {
		return startTTL
	}
	return b.left(now)
}

// left is what is left of the time that the START stood.
func (b broken) left(now unit.Time) time.Duration { return max(b.stood-now.Sub(b.ended), 0) }

// full reports whether no more is remembered.
func (p *promises) full(now unit.Time) bool {
	if len(p.broken) >= maxBroken && now.Sub(p.sweptAt) >= sweepEvery {
		p.sweptAt = now
		maps.DeleteFunc(p.broken, func(_ int32, b broken) bool { return b.left(now) == 0 })
	}
	return len(p.broken) >= maxBroken
}

// believes reports whether one more START of a peer counts. An honest one has no more
// under way than it may request and store at a time; who gets much may promise more.
func (s *Swarm) believes(p *peer) bool {
	most := max(leastStarts, (maxInFlight+maxStoring)/(s.maxGrains*Grain))
	return p.promises.standing < most+max(p.haveCount-p.broughtCount, 0)
}

// heeds reports whether a peer's START of a span still holds us back.
func (s *Swarm) heeds(now unit.Time, p *peer, x int32) bool {
	st := s.starts.of(x, p)
	return st != nil && now.Sub(st.at) < s.patienceNow(now)
}

// takesBack notes that a peer has a span no more: nobody waits for it at once if it
// says that it fetches it, and its HAVEs are no progress for stuckTime. Clients of others, which say nothing, have spans come and go.
func (s *Swarm) takesBack(now unit.Time, p *peer, x int32) {
	p.lossUntil = now.Add(stuckTime)
	if !p.Foreign {
		p.promises.breaks(now, x, startTTL)
	}
}

// tookBack reports whether a peer has of late taken back what it had: somebody who says
// one span after the other, and takes each back, would seem to get on for as long.
func (p *peer) tookBack(now unit.Time) bool {
	return now < p.lossUntil
}
