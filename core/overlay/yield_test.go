package overlay

import (
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

// A representative that is paused leaves its slot if another member can have it, and
// not before others had time to say that they are paused, too.
func TestPausedRepresentativeYields(t *testing.T) {
	for _, c := range []struct {
		name  string
		other Member
		again bool // it is let go before it is due
		want  bool
	}{
		{"another member", Member{}, false, true},
		{"who has little", Member{Limit: 1000}, false, true},
		{"who is paused, too", Member{Limit: Paused}, false, false},
		{"who has everything", Member{Complete: true}, false, false},
		{"the initial seeder", Member{Initial: true}, false, false},
		{"let go in time", Member{}, true, false},
	} {
		o := newTest(Member{Node: "a", Location: "ams/r1"})
		c.other.Node, c.other.Location = "b", "ams/r1"
		l := &o.levels[0]
		l.joined, l.seen, l.slot = true, true, 0
		l.group = Group{Location: "ams/r1", Members: []Member{o.self, c.other}, Slots: []unit.NodeID{"a"}}
		o.levels[1].joined = true
		o.Limit(0, Paused)
		o.Tick(unit.Time(yieldAfter-1), nil)
		if l.slot < 0 {
			t.Errorf("%s: it yields at once", c.name)
		}
		if c.again {
			o.Limit(unit.Time(yieldAfter-1), 0)
		}
		if next := o.NextDeadline(); next > unit.Time(yieldAfter).Add(time.Minute) {
			t.Errorf("%s: it sleeps until %v", c.name, time.Duration(next))
		}
		o.Tick(unit.Time(yieldAfter), nil)
		if yields := l.slot < 0 && !o.levels[1].joined; yields != c.want {
			t.Errorf("%s: it yields: %t", c.name, yields)
		}
	}
}
