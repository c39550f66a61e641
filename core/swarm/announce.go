package swarm

import (
	"slices"
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

// announcements are what peers have not been told yet. They are sent once per
// turn of the caller's loop, so that many small spans share one message, yet
// none waits for anything (requirement 18). A strategy without low latency sends
// them every announceEvery.
type announcements struct {
	starts, stops, haves, lost []uint32
}

func (a *announcements) start(x uint32) { a.starts = append(a.starts, x) }

// have announces a span that is here. A START of it that was not sent yet is not
// sent any more.
func (a *announcements) have(x uint32) {
	a.haves = append(a.haves, x)
	if i := slices.Index(a.starts, x); i >= 0 {
		a.starts = slices.Delete(a.starts, i, i+1)
	}
}

func (a *announcements) empty() bool {
	return len(a.starts)+len(a.stops)+len(a.haves)+len(a.lost) == 0
}

// announceEvery is how long what is announced waits for more without low latency.
const announceEvery = time.Second

// stop takes back a START that was not sent yet, or announces the STOP.
func (a *announcements) stop(x uint32) {
	if i := slices.Index(a.starts, x); i >= 0 {
		a.starts = slices.Delete(a.starts, i, i+1)
		return
	}
	a.stops = append(a.stops, x)
}

// Flush announces what happened since the last Flush, to every peer what may
// matter to it: a span that it has already does not.
func (s *Swarm) Flush(now unit.Time, out []Action) []Action {
	a := s.pending
	if a.empty() {
		s.announceAt = 0
		return out
	}
	if s.batches(now) {
		return out
	}
	s.pending = announcements{}
	for _, p := range s.list {
		out = announce(out, p, DontHave, a.lost)
		if p.complete(len(s.cfg.Lengths)) && !s.givesOn(p) && !p.Foreign {
			continue
		}
		out = announce(out, p, Have, s.unknownTo(p, a.haves))
		out = announce(out, p, Start, s.unknownTo(p, a.starts))
		out = announce(out, p, Stop, s.unknownTo(p, a.stops))
	}
	return out
}

// batches reports whether what is pending waits for more, by the strategy.
func (s *Swarm) batches(now unit.Time) bool {
	if s.cfg.Strategy.LowLatency {
		return false
	}
	if s.announceAt == 0 {
		s.announceAt = now.Add(announceEvery)
	}
	if now < s.announceAt {
		return true
	}
	s.announceAt = 0
	return false
}

// givesOn reports whether the peer leaves the spreading of what it has to others:
// an initial seeder does, and who serves us from another location.
func (s *Swarm) givesOn(p *peer) bool {
	return p.Initial || p.level < s.cfg.Location.Depth() && s.cfg.Strategy.Stealing
}

func announce(out []Action, p *peer, what Announcement, spans []uint32) []Action {
	if len(spans) == 0 {
		return out
	}
	return append(out, Announce{Peer: p.Node, What: what, Spans: spans})
}

// unknownTo returns the spans that the peer lacks. An initial seeder is told
// everything: it leaves the spreading of a span to who has it. So is a foreign
// peer, which stays until it hears that nothing is lacking.
func (s *Swarm) unknownTo(p *peer, spans []uint32) []uint32 {
	if s.givesOn(p) || p.Foreign {
		return spans
	}
	n := 0
	for _, x := range spans {
		if !p.have.Has(int(x)) {
			n++
		}
	}
	switch n {
	case 0:
		return nil
	case len(spans):
		return spans // which many share
	}
	lacking := make([]uint32, 0, n)
	for _, x := range spans {
		if !p.have.Has(int(x)) {
			lacking = append(lacking, x)
		}
	}
	return lacking
}
