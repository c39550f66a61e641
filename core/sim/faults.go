package sim

import (
	"math"
	"time"

	"github.com/rackswarm/rackswarm/core/node"
	"github.com/rackswarm/rackswarm/core/scenario"
	"github.com/rackswarm/rackswarm/core/unit"
)

// deadPeer is after how long a kernel gives up a peer that does not answer
// (transport.deadPeer).
const deadPeer = 15 * time.Second

// plan sets what the scenario has happen by itself.
func (s *simulation) plan() {
	for _, f := range s.scenario.Faults {
		s.after(f.At, func() { s.inflict(f) })
	}
	for _, f := range s.scenario.Background {
		s.send(f)
	}
	for _, p := range s.scenario.Probes {
		s.probe(p)
	}
}

// inflict does what a fault does.
func (s *simulation) inflict(f scenario.Fault) {
	switch f.Action {
	case scenario.Kill:
		s.host(f.Node).kill()
	case scenario.Start:
		if h := s.host(f.Node); h.machine == nil {
			h.start()
		}
	case scenario.KillStore:
		s.store.fail()
	case scenario.StartStore:
		s.store.recover()
	case scenario.Partition:
		s.partition(f.Location, f.For)
	case scenario.SetLink:
		s.net.set(s.places[f.Location], f.Link)
		if !f.Silent {
			s.aware.set(s.places[f.Location], f.Link)
		}
	case scenario.Device:
		s.aware.answers(f.Location, f.Says)
	case scenario.Corrupt:
		s.host(f.Node).corrupt = true
	case scenario.Slow:
		h := s.host(f.Node)
		h.place.up.capacity = payload(f.Rate)
		s.net.dirty = true
	case scenario.Move:
		s.move(s.host(f.Node), s.placeOf(f.To))
	}
}

// partition cuts a location's uplink, for good or a while.
func (s *simulation) partition(l unit.Location, lasts time.Duration) {
	p := s.places[l]
	p.up.cut, p.down.cut = true, true
	s.net.dirty = true
	began := s.now
	for _, h := range s.order {
		if blocked(h.up()) {
			s.store.lost(h, silence)
		}
	}
	s.after(deadPeer, s.sever)
	if lasts > 0 {
		s.after(lasts, func() { s.heal(p, began) })
	}
}

// heal lets the uplink pass everything again. TCP has tried ever less often, and
// goes on when it tries again.
func (s *simulation) heal(p *place, began unit.Time) {
	cut := s.now.Sub(began)
	tries := math.Ceil(math.Log2(cut.Seconds()/firstTimeout.Seconds() + 1))
	again := began.Add(time.Duration(float64(firstTimeout) * (math.Exp2(tries) - 1)))
	s.eachStream(func(st *stream) {
		if len(st.kernel) > 0 && blocked(st.path) {
			st.stalled = again
		}
	})
	p.up.cut, p.down.cut = false, false
	s.net.dirty = true
	s.after(again.Sub(s.now), func() { s.net.dirty = true })
	for _, h := range s.order {
		s.store.found(h)
	}
}

// sever ends the connections over which nothing passes.
func (s *simulation) sever() {
	for _, h := range s.order {
		for _, id := range sortedKeys(h.conns) {
			if st := h.conns[id]; blocked(st.path) || blocked(st.back) {
				delete(h.conns, id)
				s.close(st.conn)
				if h.machine != nil {
					h.step(node.PeerDisconnected{Transfer: s.digest, Peer: id})
				}
			}
		}
	}
}

// eachStream calls f for all streams, in an order that does not depend on chance.
func (s *simulation) eachStream(f func(*stream)) {
	for _, h := range s.order {
		for _, id := range sortedKeys(h.conns) {
			f(h.conns[id])
		}
	}
}

// move puts a host elsewhere: its agent goes on with the location that it states,
// and its connections with new paths.
func (s *simulation) move(h *host, to *place) {
	h.place.parent, h.place.depth = to, to.depth+1
	s.eachStream(func(st *stream) {
		if st.from == h || st.to == h {
			s.net.reroute(&st.flow, route(st.from.place, st.to.place), route(st.to.place, st.from.place), hostRate)
		}
	})
}

// background is traffic of the site itself.
type background struct {
	flow scenario.Flow
	over *flow // nil until it starts
}

// send sets a flow of background traffic.
func (s *simulation) send(f scenario.Flow) {
	b := &background{flow: f}
	s.background = append(s.background, b)
	from, to := s.host(f.From).place, s.host(f.To).place
	rate := float64(f.Rate)
	s.after(f.Start, func() {
		b.over = newFlow(route(from, to), route(to, from), rate)
		if f.Proto == scenario.UDP {
			s.take(b.over.path, rate)
			return
		}
		s.net.begin(b.over)
	})
	if f.Stop > 0 {
		s.after(f.Stop, func() { s.end(b) })
	}
}

// take takes a part of links for what does not yield.
func (s *simulation) take(path []*link, rate float64) {
	for _, l := range path {
		l.taken += rate
	}
	s.net.dirty = true
}

// end stops background traffic.
func (s *simulation) end(b *background) {
	if b.flow.Proto == scenario.UDP {
		s.take(b.over.path, -float64(b.flow.Rate))
		return
	}
	s.net.cancel(b.over)
}
