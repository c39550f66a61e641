package bandwidth

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rackswarm/rackswarm/core/unit"
)

// ownLink is a host's own link, which TCP divides alike among those that want more.
type ownLink struct {
	yield   Yield
	now     unit.Time
	whole   unit.Rate
	outside []unit.Rate // what those that leave the location want
	inside  []unit.Rate // what those that stay want
	most    unit.Rate   // what one that stays may have
}

// newOwnLink is a link on which nobody makes room yet.
func newOwnLink(whole unit.Rate, outside, inside []unit.Rate) *ownLink {
	return &ownLink{whole: whole, outside: outside, inside: inside, most: unit.Unlimited}
}

// alike divides a link among wants: who wants less than an equal share has that, and
// the others divide what is left.
func alike(whole unit.Rate, wants []unit.Rate) []unit.Rate {
	got, share := make([]unit.Rate, len(wants)), unit.Rate(0)
	for i, w := range slices.Sorted(slices.Values(wants)) {
		if share = whole / unit.Rate(len(wants)-i); w >= share {
			break
		}
		whole -= w
	}
	for i, w := range wants {
		got[i] = min(w, share)
	}
	return got
}

// look is one look at the link, and what follows from it.
func (l *ownLink) look() (outside, inside []unit.Rate) {
	wants := slices.Clone(l.outside)
	for _, w := range l.inside {
		wants = append(wants, min(w, l.most))
	}
	got := alike(l.whole, wants)
	outside, inside = got[:len(l.outside)], got[len(l.outside):]
	seen := YieldSample{At: l.now, Leaving: leaving(outside), Connections: len(got)}
	for i, r := range got {
		seen.Total += r
		if i < len(l.outside) {
			seen.Held = seen.Held || r < wants[i]
		} else {
			seen.Inside = max(seen.Inside, r)
		}
	}
	l.most = l.yield.Pace(seen)
	l.now = l.now.Add(20 * time.Millisecond)
	return outside, inside
}

// leaving is how many move something.
func leaving(outside []unit.Rate) (n int) {
	for _, r := range outside {
		if r > 0 {
			n++
		}
	}
	return n
}

// run looks for a time and returns the mean rates of the last third.
func (l *ownLink) run(d time.Duration) (outside, inside unit.Rate) {
	looks := int(d / (20 * time.Millisecond))
	n := unit.Rate(0)
	for i := range looks {
		out, in := l.look()
		if i < looks*2/3 {
			continue
		}
		n++
		for _, r := range out {
			outside += r
		}
		for _, r := range in {
			inside += r
		}
	}
	return outside / n, inside / n
}

const wanted = 100e6 // more than there is

// A representative gives every span to three neighbours and to the next rack.
func TestWhoLeavesTheLocationHasRoom(t *testing.T) {
	for _, c := range []struct {
		name            string
		outside, inside []unit.Rate
		leaves, stays   unit.Rate // at least, of 12 MB/s
	}{
		{"one wants little more than a quarter", []unit.Rate{5e6}, []unit.Rate{wanted, wanted, wanted}, 4.7e6, 6e6},
		{"two", []unit.Rate{2.5e6, 2.5e6}, []unit.Rate{wanted, wanted, wanted}, 4.7e6, 6e6},
		{"it wants all there is", []unit.Rate{wanted}, []unit.Rate{wanted, wanted, wanted}, 6e6, 4e6},
		{"those inside want little", []unit.Rate{wanted}, []unit.Rate{1e6, 1e6, 1e6}, 8.9e6, 2.9e6},
		{"there is room for all", []unit.Rate{3e6}, []unit.Rate{2e6, 2e6, 2e6}, 3e6, 6e6},
		{"all leave", []unit.Rate{wanted, wanted}, nil, 12e6, 0},
		{"all stay", nil, []unit.Rate{wanted, wanted}, 0, 12e6},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newOwnLink(12e6, c.outside, c.inside)
			leaves, stays := l.run(9 * time.Second)
			if leaves < c.leaves || stays < c.stays {
				t.Errorf("%v leave and %v stay; wanted are %v and %v", leaves, stays, c.leaves, c.stays)
			}
		})
	}
}

// When nothing leaves the location any more, those inside have all of the link again.
func TestYieldEnds(t *testing.T) {
	l := newOwnLink(12e6, []unit.Rate{5e6}, []unit.Rate{wanted, wanted, wanted})
	l.run(5 * time.Second)
	if l.most == unit.Unlimited {
		t.Fatal("nobody made room")
	}
	l.outside[0] = 0
	l.run(100 * time.Millisecond)
	if l.most != unit.Unlimited {
		t.Errorf("nothing leaves, and those inside may have %v", l.most)
	}
}

// Nobody is held back when nobody is held, nor for a moment that passes.
func TestAMomentIsNoReasonToYield(t *testing.T) {
	var y Yield
	for i := range 200 {
		now := unit.Time(i) * unit.Time(20*time.Millisecond)
		if r := y.Pace(YieldSample{At: now, Held: i%3 == 0, Inside: 3e6, Total: 12e6, Leaving: 1, Connections: 4}); r != unit.Unlimited {
			t.Fatalf("at look %d those inside may have %v", i, r)
		}
	}
}

// What leaves may be held by something else, such as the peer: those inside then make room
// for nothing, and keep half of an equal share of what was sent.
func TestYieldForNothingLeavesHalfAShare(t *testing.T) {
	var y Yield
	inside := unit.Rate(30e6)
	for i := range 1000 {
		now := unit.Time(i) * unit.Time(20*time.Millisecond)
		r := y.Pace(YieldSample{At: now, Held: true, Inside: inside, Total: 3*inside + 1e6, Leaving: 1, Connections: 4})
		inside = min(30e6, r)
	}
	const least = 91e6 / 4 / 2
	if inside < least {
		t.Errorf("who stays has %v of 30 MB/s, and half a share is %v", inside, unit.Rate(least))
	}
}

// If nine that leave trickle, half of an equal share is next to nothing for the one that
// stays: when nobody takes what it leaves, it has everything again.
func TestRoomThatNobodyUsesIsNotMade(t *testing.T) {
	var y Yield
	inside, least, free := unit.Rate(30e6), unit.Rate(30e6), 0
	const looks = 3000
	for i := range looks {
		now := unit.Time(i) * unit.Time(20*time.Millisecond)
		r := y.Pace(YieldSample{At: now, Held: true, Inside: inside, Total: inside + 1e6, Leaving: 9, Connections: 10})
		inside = min(30e6, r)
		least = min(least, inside)
		if inside == 30e6 {
			free++
		}
	}
	if least > 15e6 {
		t.Errorf("no room was made: it had %v and more", least)
	}
	if free < looks*6/10 {
		t.Errorf("it had everything in %d of %d looks", free, looks)
	}
}

// Whatever is seen, who stays inside keeps half of an equal share.
func TestYieldTakesAtMostHalf(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.Custom(func(t *rapid.T) unit.Rate { return unit.Rate(rapid.Int64Range(0, 2e9).Draw(t, "rate")) })
		var y Yield
		now := unit.Time(0)
		for range rapid.IntRange(1, 100).Draw(t, "looks") {
			now += unit.Time(rapid.Int64Range(0, int64(time.Minute)).Draw(t, "later"))
			l := YieldSample{At: now, Held: rapid.Bool().Draw(t, "held"), Inside: rate.Draw(t, "inside"),
				Total: rate.Draw(t, "total"), Leaving: rapid.IntRange(0, 3).Draw(t, "leaving"), Connections: rapid.IntRange(0, 100).Draw(t, "connections")}
			if r := y.Pace(l); r < l.Total/unit.Rate(2*max(l.Connections, 1)) || r < 1 {
				t.Fatalf("%+v: %v", l, r)
			}
		}
	})
}
