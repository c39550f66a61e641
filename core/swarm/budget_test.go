package swarm

import (
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/topo"
	"github.com/rackswarm/rackswarm/core/unit"
)

// ledger is a budget that allows everything and knows what is taken.
type ledger struct{ taken unit.Bytes }

func (l *ledger) Allows(unit.Time, int) bool             { return true }
func (l *ledger) ReadyAt(now unit.Time, _ int) unit.Time { return now }
func (l *ledger) Take(_ unit.Time, _ int, n unit.Bytes)  { l.taken += n }
func (l *ledger) Return(_ int, n unit.Bytes)             { l.taken -= n }

// limited is a budget of a rate, whatever the way.
func limited(rate unit.Rate) *bandwidth.Lane {
	whole := bandwidth.NewBudget(bandwidth.Binding{Reason: bandwidth.Group, Rate: rate})
	return bandwidth.NewNested(0, []bandwidth.Budget{whole}).Lane(0, bandwidth.Normal, bandwidth.NoLimit(topo.Hop{}))
}

func unlimited() *bandwidth.Lane { return limited(unit.Unlimited) }

// The budget pays for what comes and for what is under way: not for what was
// refused, or withdrawn, or went with its connection, but for what comes though
// it was withdrawn.
func TestBudgetPaysForWhatComes(t *testing.T) {
	const length = Grain
	block := Block{Span: 0, Length: length}
	for _, c := range []struct {
		name string
		then func(s *Swarm)
		want unit.Bytes
	}{
		{"nothing", func(*Swarm) {}, length},
		{"it comes", func(s *Swarm) { s.Received(1, "p", block, true, nil) }, length},
		{"it is refused", func(s *Swarm) { s.Refused(1, "p", block, time.Hour, nil) }, 0},
		{"the peer leaves", func(s *Swarm) { s.PeerLeft(1, "p", nil) }, 0},
		{"the peer is stalled", func(s *Swarm) { s.Tick(seconds(stallAfter.Seconds()), nil) }, 0},
		{"it comes after it was withdrawn", func(s *Swarm) {
			s.Tick(seconds(stallAfter.Seconds()), nil)
			s.Halt(nil)
			s.Received(seconds(11), "p", block, false, nil)
		}, length},
	} {
		paid := &ledger{}
		s := newTest("a", "r", 1)
		s.cfg.Download = paid
		s.PeerJoined(0, PeerInfo{Node: "p", Location: "r"})
		s.PeerHas(0, "p", artifact.All(1), nil)
		c.then(s)
		if paid.taken != c.want {
			t.Errorf("%s: the budget paid for %d bytes, want %d", c.name, paid.taken, c.want)
		}
	}
}
