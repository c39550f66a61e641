package swarm

import (
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

const (
	// slowRelay is how long what a peer was given may take until somebody else has
	// it: beyond that an initial seeder favours others, and gives it again when it
	// has nothing else to give.
	slowRelay = time.Second
	// relayTime is how long a peer has had something to pass on when its rate is
	// taken.
	relayTime = 500 * time.Millisecond
)

// relay is how a peer passes on what it got from an initial seeder.
type relay struct {
	// servedAt is when it was given a block of a span that nobody else had been given.
	servedAt unit.Time
	// backlog is what it has of that and nobody else has, in bytes; since is when
	// that, or what is left of it, was counted last.
	backlog int
	since   unit.Time
	// rate is what it passes on while it has a backlog; 0: not known. busy and
	// bytes are of the measurement under way.
	rate  unit.Rate
	busy  time.Duration
	bytes int
	last  unit.Time // something was passed on, or the backlog began
}

// add takes n more bytes into account that it could pass on, or less.
func (r *relay) add(now unit.Time, n int) {
	if r.backlog > 0 {
		r.busy += now.Sub(r.since)
	} else {
		r.last = now
	}
	r.since = now
	r.backlog = max(r.backlog+n, 0)
}

// passed says that n bytes have reached somebody else.
func (r *relay) passed(now unit.Time, n int) {
	r.add(now, -n)
	r.last = now
	r.bytes += n
	if r.busy < relayTime {
		return
	}
	rate := max(unit.Bytes(r.bytes).Per(r.busy), 1)
	if r.rate > 0 {
		rate = (r.rate + rate) / 2
	}
	r.rate, r.busy, r.bytes = rate, 0, 0
}

// wait estimates how long what it has takes to spread: by its rate, but no less
// than it has passed nothing on already.
func (r *relay) wait(now unit.Time) time.Duration {
	if r.backlog == 0 {
		return 0
	}
	quiet := now.Sub(r.last)
	if r.rate == 0 {
		return quiet
	}
	return max(quiet, unit.Bytes(r.backlog).Over(r.rate))
}

// slowest reports whether a peer's copies spread so much more slowly than those
// of another, who takes all that we give just now, that the other is to have what
// nobody was given yet: half of the content would wait behind the slow one.
func (s *Swarm) slowest(now unit.Time, p *peer) bool {
	wait := p.relay.wait(now)
	if wait <= slowRelay {
		return false
	}
	for _, q := range s.list {
		at := q.relay.servedAt
		if q != p && q.level == p.level && at > 0 && now.Sub(at) < nearFirst && 2*q.relay.wait(now) < wait {
			return true
		}
	}
	return false
}
