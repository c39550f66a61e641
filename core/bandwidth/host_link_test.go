package bandwidth

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rackswarm/rackswarm/core/topo"
	"github.com/rackswarm/rackswarm/core/unit"
)

// seen is a second's use of eth0, upward.
func seen(at time.Duration, others, own unit.Rate) HostUse {
	return HostUse{At: unit.Time(at), Over: sec, Interface: "eth0", OthersUp: others, OwnUp: own}
}

// TestHostLink tells of a link of 1 MB/s: 200 kB/s are reserved, and the floor is
// 20 kB/s.
func TestHostLink(t *testing.T) {
	l := NewHostLink(0, 0)
	up := topo.Hop{Node: "web17", Up: true}
	at := time.Duration(0)
	want := func(what string, rate unit.Rate, reason Reason) {
		t.Helper()
		if b := l.Budget(unit.Time(at), up, DefaultPolicy()); b.Rate != rate || b.Binding.Reason != reason {
			t.Errorf("%s: %s, want %d because of %s", what, b.Binding, rate, reason)
		}
	}
	want("no speed is known", unit.Unlimited, Open)
	l.Speed(1e6)
	want("nothing is measured", 20e3, Unmeasured)
	pass := func(others, own unit.Rate) {
		at += sec
		l.Use(seen(at, others, own))
	}
	step := othersStep.of(1e6)
	for _, c := range []struct {
		what        string
		others, own unit.Rate
		want        unit.Rate
		reason      Reason
	}{
		{"nobody uses it", 0, 0, 800e3, Reserve},
		{"we use it", 0, 800e3, 800e3, Reserve},
		{"a little of ours seems to be theirs", 40e3, 800e3, 800e3, Reserve},
		{"others come", 100 * step, 20 * step, 800e3 - 99*step, Reserve},
		{"we go", 100 * step, 0, 800e3 - 100*step, Reserve},
		{"others send one packet more", 100*step + 1, 0, 800e3 - 101*step, Reserve},
		{"others fill it", 1e6, 0, 20e3, Floor},
		{"others go", 0, 0, 800e3, Reserve},
	} {
		pass(c.others, c.own)
		want(c.what, c.want, c.reason)
	}
	at += freshFor
	want("it is not measured", 800e3, Reserve)
	at += (staleAfter - freshFor) / 2
	want("for longer", 410e3, Stale)
	at += time.Hour
	l.Use(HostUse{At: unit.Time(at)})
	want("for long", 20e3, Stale)
	l.Speed(0)
	want("it tells no speed", unit.Unlimited, Open)
	l = NewHostLink(1e6, unit.Unlimited)
	l.Speed(10e6)
	want("people know better", 20e3, Unmeasured)
	if b := l.Budget(unit.Time(at), topo.Hop{Node: "web17"}, DefaultPolicy()); b.Rate != unit.Unlimited {
		t.Errorf("a link without limit: %s", b.Binding)
	}
}

// Whatever is seen, no more is left than the reserve and others leave, less what may
// have been miscounted and less than a step; and not less than the floor.
func TestHostLinkBounds(t *testing.T) {
	rates := rapid.Int64Range(0, 1<<40)
	rapid.Check(t, func(t *rapid.T) {
		capacity := unit.Rate(rates.Draw(t, "capacity")) + 1
		l := NewHostLink(capacity, 0)
		for i := range rapid.IntRange(1, 20).Draw(t, "uses") {
			others, own := unit.Rate(rates.Draw(t, "others")), unit.Rate(rates.Draw(t, "own"))
			at := time.Duration(i) * sec
			l.Use(seen(at, others, own))
			b := l.Budget(unit.Time(at), topo.Hop{Up: true}, DefaultPolicy())
			free, least := (1 - DefaultReserve).of(capacity), FloorOf(capacity)
			most := free - others + unsurePart.of(own) + 1
			if b.Rate > max(most, least) || b.Rate < least && b.Rate < free-others-othersStep.of(capacity) {
				t.Fatalf("%d of %d used by others, %d by us: %s", others, capacity, own, b.Binding)
			}
		}
	})
}
