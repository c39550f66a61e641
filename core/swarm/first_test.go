package swarm

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

// rack is fifteen hosts in one location, of which the first has brought a span in.
type rack struct {
	mates map[unit.NodeID]*Swarm // that lack it and have asked nobody
	has   []unit.NodeID
	news  []unit.NodeID // of has: the others have not heard of it
}

func newRack(st Strategy) *rack {
	var members []PeerInfo
	for i := range 15 {
		members = append(members, PeerInfo{Node: unit.NodeID(fmt.Sprintf("n%02d", i)), Location: "r"})
	}
	r := &rack{mates: map[unit.NodeID]*Swarm{}}
	for i, m := range members {
		s := newTest(m.Node, "r", 1)
		s.cfg.Strategy = st
		others := slices.Delete(slices.Clone(members), i, i+1)
		for _, o := range others {
			s.PeerJoined(0, o)
		}
		s.Moved(0, "r", others, others, nil)
		r.mates[m.Node] = s
	}
	r.gets("n00")
	return r
}

func (r *rack) gets(node unit.NodeID) {
	delete(r.mates, node)
	r.has, r.news = append(r.has, node), append(r.news, node)
}

// asks has all hear who has the span, and returns who asks for it then.
func (r *rack) asks(now unit.Time) (askers []unit.NodeID) {
	for id, s := range r.mates {
		var out []Action
		for _, node := range r.news {
			out = s.PeerGot(now, node, []uint32{0}, out)
		}
		out = s.Tick(now, out)
		if slices.ContainsFunc(r.has, func(q unit.NodeID) bool { return len(requests(out, q)) > 0 }) {
			askers = append(askers, id)
		}
	}
	r.news = nil
	return askers
}

// What a representative has brought in is not asked of it by fourteen at once, who
// would each get a fourteenth of its link: its copies double.
func TestCopiesInsideALocationDouble(t *testing.T) {
	r, now := newRack(DefaultStrategy()), unit.Time(0)
	for _, want := range []int{1, 2, 4, 7} {
		askers := r.asks(now)
		if len(askers) != want {
			t.Fatalf("%d have it and %d ask for it, want %d", len(r.has), len(askers), want)
		}
		for _, id := range askers {
			r.gets(id)
		}
		now = now.Add(100 * time.Millisecond)
	}
}

// Those whose turn it is and who get nothing, as they are limited or dead, are not
// waited for.
func TestWhoGetsNothingIsPassedOver(t *testing.T) {
	r := newRack(DefaultStrategy())
	if n := len(r.asks(0)); n != 1 {
		t.Fatalf("%d ask at once, want 1", n)
	}
	if n := len(r.asks(unit.Time(lively))); n < 13 {
		t.Errorf("%d ask when that one has got nothing for %v, want all others", n, lively)
	}
}

// Who knows how long spans take waits for some of these, whatever others get.
func TestWhatIsLeftToMatesIsNotLeftForever(t *testing.T) {
	r := newRack(DefaultStrategy())
	first := r.asks(0)[0]
	delete(r.mates, first)
	for _, s := range r.mates {
		s.spanTime = 100 * time.Millisecond
		for _, q := range s.list {
			q.gotAt = unit.Time(time.Second) // something else
		}
	}
	if n := len(r.asks(unit.Time(799 * time.Millisecond))); n != 0 {
		t.Errorf("%d ask within eight spans' time, want none", n)
	}
	if n := len(r.asks(unit.Time(800 * time.Millisecond))); n != 13 {
		t.Errorf("%d ask after that, want all 13", n)
	}
}

// Without division there is no order, and all ask.
func TestWithoutDivisionAllAskAtOnce(t *testing.T) {
	r := newRack(Strategy{Stealing: true, LowLatency: true, Picker: Stealing})
	if n := len(r.asks(0)); n != 14 {
		t.Errorf("%d ask, want all 14", n)
	}
}

// An initial seeder in the location has each span spread by whom it gave it to: nobody
// waits for a mate.
func TestInTheSeedersLocationAllAskAtOnce(t *testing.T) {
	r := newRack(DefaultStrategy())
	for _, s := range r.mates {
		s.PeerJoined(0, PeerInfo{Node: "seeder", Location: "r", Initial: true})
	}
	if n := len(r.asks(0)); n != 14 {
		t.Errorf("%d ask, want all 14", n)
	}
}
