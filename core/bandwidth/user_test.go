package bandwidth

import (
	"fmt"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/topo"
	"github.com/rackswarm/rackswarm/core/unit"
)

// company is nodes that share an uplink, take turns in each interval, and move all
// that they may of what they want.
type company struct {
	now   unit.Time
	fleet Budget
	users []*member
	board map[unit.NodeID]told
	lossy bool // what is on the board may not be all
}

// told is what a node claimed, and when.
type told struct {
	claims []Claim
	at     unit.Time
}

type member struct {
	*User
	rank   Rank
	wants  unit.Rate // of payload
	budget Budget
	rate   unit.Rate
	moved  unit.Bytes
	deaf   bool // it cannot reach the others
	stuck  bool // it moves nothing of what it wants
}

const turns = 5 // in each interval

func newCompany(n int, budget unit.Rate) *company {
	c := &company{board: map[unit.NodeID]told{}}
	c.fleet = NewBudget(Binding{Reason: Reserve, Hop: topo.Hop{Location: "ams/r1", Up: true}, Rate: budget, Capacity: budget * 5 / 4})
	for i := range n {
		m := &member{User: NewUser(unit.NodeID(fmt.Sprint("n", i)), interval)}
		m.budget = m.Budget(0, c.fleet)
		c.users = append(c.users, m)
	}
	return c
}

// run lets time pass, and tells see of all that are together moved after each turn.
func (c *company) run(d time.Duration, see func(all unit.Rate)) {
	for end := c.now.Add(d); c.now < end; {
		for _, m := range c.users {
			c.turn(m)
			var all unit.Rate
			for _, m := range c.users {
				all += m.rate
			}
			if see != nil {
				see(all)
			}
			c.now = c.now.Add(interval / turns)
		}
		c.now = c.now.Add(interval / turns * time.Duration(turns-len(c.users)))
	}
}

func (c *company) turn(m *member) {
	m.moved += m.rate.In(interval)
	m.Observe(c.now, m.rank, m.wants > m.rate, m.moved)
	own := m.Claims(c.now, c.fleet.Binding.Capacity)
	if !m.deaf {
		c.board[m.self] = told{own, c.now}
		var all []Claim
		for _, x := range c.board {
			if c.now.Sub(x.at) < ClaimLife {
				all = append(all, x.claims...)
			}
		}
		m.Heard(c.now, own, all, !c.lossy)
	}
	m.budget = m.Budget(c.now, c.fleet)
	if m.rate = min(m.wants, m.budget.Rate); m.stuck {
		m.rate = 0
	}
}

// wire is what payload takes of the link.
func wire(payload unit.Rate) unit.Rate { return unit.Rate(float64(payload) * wirePerPayload) }

// The users of a link never move more than it leaves, apart from the floor of those
// who begin; what one leaves the others have.
func TestUsersShareALink(t *testing.T) {
	const whole = 10e6
	c := newCompany(3, whole)
	floor := FloorOf(c.fleet.Binding.Capacity)
	never := func(all unit.Rate) {
		t.Helper()
		if wire(all) > whole+3*floor {
			t.Errorf("at %v all move %v of %v", time.Duration(c.now), wire(all), c.fleet.Rate)
		}
	}
	full := func(after string, least unit.Rate) {
		t.Helper()
		all := unit.Rate(0)
		for _, m := range c.users {
			all += m.rate
		}
		if wire(all) < least {
			t.Errorf("%s: %v of %v are used", after, wire(all), c.fleet.Rate)
		}
	}
	for _, m := range c.users {
		m.wants = 50e6
	}
	c.run(3*time.Second, never)
	full("all want more", whole*98/100)
	for _, m := range c.users {
		if w := wire(m.rate); w < whole*3/10 || m.budget.Binding.Reason != Shared {
			t.Errorf("%s has %v: %v", m.self, w, m.budget.Binding)
		}
	}
	c.users[0].wants = 0
	c.run(2*time.Second, never)
	full("one wants nothing any more", whole*98/100)
	c.users[1].wants = 1e6
	c.run(4*time.Second, never)
	full("one wants little", whole*90/100)
	c.users[0].wants, c.users[0].rank = 50e6, Urgent
	c.run(3*time.Second, never)
	if w := wire(c.users[0].rate); w < whole*95/100 {
		t.Errorf("who is urgent has %v", w)
	}
}

// Whose claim is the only one has the whole link at once: all who claim something after
// it read of it first, and wait. Where claims may be lost it has to be heard first, too.
func TestWhoIsAloneNeedNotBeHeardFirst(t *testing.T) {
	const whole = 10e6
	c := newCompany(2, whole)
	floor := FloorOf(c.fleet.Binding.Capacity)
	first, second := c.users[0], c.users[1]
	first.wants = 50e6
	c.run(interval, nil)
	if w := wire(first.rate); w < whole*99/100 {
		t.Errorf("the only one may move %v of %v: %v", w, c.fleet.Rate, first.budget.Binding)
	}
	second.wants = 50e6
	c.run(2*interval, func(all unit.Rate) {
		if wire(all) > whole+floor {
			t.Errorf("at %v both move %v of %v", time.Duration(c.now), wire(all), c.fleet.Rate)
		}
		if w := wire(second.rate); w > floor {
			t.Errorf("at %v who came second moves %v: %v", time.Duration(c.now), w, second.budget.Binding)
		}
	})
	c.run(2*interval, nil)
	if w := wire(second.rate); w < whole*45/100 {
		t.Errorf("who came second gets %v: %v", w, second.budget.Binding)
	}
	c = newCompany(1, whole)
	c.lossy, c.users[0].wants = true, 50e6
	c.run(2*interval, func(all unit.Rate) {
		if wire(all) > floor {
			t.Errorf("at %v it moves %v, and nobody knows who else does", time.Duration(c.now), wire(all))
		}
	})
	c.run(2*interval, nil)
	if w := wire(c.users[0].rate); w < whole*99/100 {
		t.Errorf("who was heard has %v", w)
	}
}

// Who cannot tell others what it wants any more keeps its share as long as they can
// read its last claim, and has the floor from then on. Then it begins anew.
func TestWhoIsNotHeardHasTheFloor(t *testing.T) {
	c := newCompany(2, 10e6)
	m, floor := c.users[0], FloorOf(c.fleet.Binding.Capacity)
	for _, x := range c.users {
		x.wants = 50e6
	}
	has := func(when string, least, most unit.Rate, why Reason) {
		t.Helper()
		if r := wire(m.budget.Rate); r < least || r > most || m.budget.Binding.Reason != why {
			t.Errorf("%s it may move %v, not %v to %v: %v", when, r, least, most, m.budget.Binding)
		}
	}
	c.run(3*time.Second, nil)
	m.deaf = true
	c.run(ClaimLife-interval, nil)
	has("while its claim is read", 4e6, 6e6, Shared)
	c.run(2*interval, nil)
	has("when it is not", floor*9/10, floor, Joining)
	m.deaf = false
	c.run(interval, nil)
	has("when it is heard again", floor*4/10, floor, Joining)
	c.run(3*time.Second, nil)
	has("later", 4e6, 6e6, Shared)
}

// Who wants nothing for a moment is no newcomer among those whom it knows: when all
// begin again it has to wait for its claim, and not for what it has read of them.
func TestWhoPausedKnowsTheOthers(t *testing.T) {
	c := newCompany(2, 10e6)
	c.run(time.Second, nil)
	c.users[1].wants = 50e6
	c.run(time.Second, nil)
	c.users[0].wants = 50e6
	c.run(interval, nil)
	floor := FloorOf(c.fleet.Binding.Capacity)
	if b := c.users[0].budget; wire(b.Rate) < floor*9/10 {
		t.Errorf("it may begin with %v of the floor, %v: %v", wire(b.Rate), floor, b.Binding)
	}
}

// A link without a limit is not shared, and one that is closed is so for everybody.
func TestUsersOfOpenAndClosedLinks(t *testing.T) {
	for _, rate := range []unit.Rate{0, unit.Unlimited} {
		u := NewUser("n", interval)
		if b := u.Budget(0, NewBudget(Binding{Reason: Group, Rate: rate})); b.Rate != rate {
			t.Errorf("of %v there are %v", rate, b.Rate)
		}
	}
}
