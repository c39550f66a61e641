package bandwidth

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rackswarm/rackswarm/core/unit"
)

// What a node leaves of its share the others have a second after its last byte, on a
// fast link and on one where blocks are far apart: three users, of whom an urgent one
// is done, and one of the others then waits for something else.
func TestWhatIsLeftIsReturnedWithinASecond(t *testing.T) {
	for _, whole := range []unit.Rate{125e3, 1e6, 10e6, 1e9} {
		for _, phase := range []time.Duration{0, 1, 2, 3, 4} {
			c := newCompany(3, whole)
			urgent, stuck, last := c.users[0], c.users[1], c.users[2]
			urgent.rank = Urgent
			for _, m := range c.users {
				m.wants = 10 * whole
			}
			c.run(5*time.Second, nil)
			c.now = c.now.Add(phase * interval / turns)
			if w := wire(urgent.rate); w < whole*95/100 {
				t.Fatalf("of %v, who is urgent has %v", whole, w)
			}
			urgent.wants = 0 // its last bytes come until its next turn
			c.run(time.Second, nil)
			if w := wire(stuck.rate + last.rate); w < whole*95/100 {
				t.Errorf("of %v, a second after the urgent transfer the others have %v", whole, w)
			}
			c.run(5*time.Second, nil)
			stuck.stuck = true
			c.run(time.Second, nil)
			if w := wire(last.rate); whole/2 >= 2*someBlocks.Per(time.Second) && w < whole*90/100 {
				t.Errorf("of %v, a second after the other got stuck the last one has %v", whole, w)
			}
			c.run(10*time.Second, nil)
			if w := wire(last.rate); w < whole*90/100 {
				t.Errorf("of %v, the last one never gets more than %v", whole, w)
			}
			stuck.stuck = false
			c.run(3*time.Second, nil)
			if w := wire(stuck.rate); w < whole*45/100 {
				t.Errorf("of %v, who was stuck gets back %v", whole, w)
			}
		}
	}
}

// What is urgent and waits for a moment gets on where it was: its share does not go to
// what may wait.
func TestUrgentKeepsItsShareWhileItWaits(t *testing.T) {
	const whole = 10e6
	c := newCompany(2, whole)
	urgent, other := c.users[0], c.users[1]
	urgent.rank, urgent.wants, other.wants = Urgent, 10*whole, 10*whole
	c.run(5*time.Second, nil)
	urgent.stuck = true
	c.run(time.Second, nil)
	urgent.stuck = false
	c.run(2*interval, nil)
	if w := wire(urgent.rate); w < whole*95/100 {
		t.Errorf("after a second of waiting what is urgent has %v of %v", w, unit.Rate(whole))
	}
}

// Who wants nothing for a moment again and again, between two blocks, keeps a share
// and is no newcomer each time.
func TestShortPausesKeepAShare(t *testing.T) {
	for _, whole := range []unit.Rate{125e3, 10e6} {
		c := newCompany(3, whole)
		for _, m := range c.users {
			m.wants = 10 * whole
		}
		c.run(5*time.Second, nil)
		floor, m := FloorOf(c.fleet.Binding.Capacity), c.users[0]
		for i := range 40 {
			m.wants = 10 * whole * unit.Rate(i%2)
			c.run(interval, nil)
			if m.budget.Binding.Reason == Joining || wire(m.budget.Rate) < 4*floor {
				t.Fatalf("of %v, after %d pauses: %v", whole, i/2, m.budget.Binding)
			}
		}
	}
}

// Whatever users want, move and wait for, together they never move more than the link
// leaves, apart from the floors of those who begin.
func TestUsersNeverExceedTheLink(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, turns).Draw(t, "users")
		whole := unit.Rate(rapid.SampledFrom([]int64{125e3, 1e6, 1e9}).Draw(t, "budget"))
		c := newCompany(n, whole)
		c.lossy = rapid.Bool().Draw(t, "lossy")
		most := whole + unit.Rate(n)*(FloorOf(c.fleet.Binding.Capacity)+1)
		for range rapid.IntRange(1, 30).Draw(t, "events") {
			m := c.users[rapid.IntRange(0, n-1).Draw(t, "who")]
			m.wants = whole * unit.Rate(rapid.IntRange(0, 5).Draw(t, "wants")) / 2
			m.stuck = rapid.IntRange(0, 3).Draw(t, "stuck") == 0
			m.rank = Rank(rapid.IntRange(int(Background), int(Urgent)).Draw(t, "rank"))
			c.run(interval*time.Duration(rapid.IntRange(1, 12).Draw(t, "pass")), func(all unit.Rate) {
				if wire(all) > most {
					t.Fatalf("at %v all move %v of %v", time.Duration(c.now), wire(all), whole)
				}
			})
		}
	})
}

// Who waits for its share moves nothing until it has it: that is no sign that it is held
// back elsewhere. It is held back when it has had its share for a while.
func TestWhoJoinsIsNotStalled(t *testing.T) {
	const whole = 10e6
	c := newCompany(2, whole)
	first, second := c.users[0], c.users[1]
	first.wants = 50e6
	c.run(3*time.Second, nil)
	second.wants = 50e6
	c.run(interval, nil)
	second.stuck = true // its next block is larger than what the floor has room for
	stalled := func() bool { return slices.ContainsFunc(second.uses[:], func(x rankUse) bool { return x.stalled }) }
	for range 20 {
		if c.run(interval, nil); second.budget.Rate >= 3e6 {
			break
		}
	}
	c.run(interval, nil)
	if stalled() {
		t.Errorf("at %v it counts as stalled, of %v", time.Duration(c.now), second.budget.Rate)
	}
	c.run(2*interval, nil)
	if !stalled() {
		t.Errorf("at %v it counts as moving, with %v", time.Duration(c.now), second.budget.Rate)
	}
}
