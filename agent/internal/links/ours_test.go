package links

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/store"
	"github.com/rackswarm/rackswarm/core/unit"
)

func after(d time.Duration) unit.Time { return unit.Time(0).Add(d) }

func claimOf(node unit.NodeID, up unit.Bytes, age time.Duration) store.LinkClaim {
	return store.LinkClaim{Node: node, MovedUp: up, Age: age}
}

// TestOursIsInterpolated: what the fleet moved in a time is told by claims that are
// made at other times.
func TestOursIsInterpolated(t *testing.T) {
	t.Parallel()
	o := newOurs()
	for i := range 20 {
		at := time.Duration(i) * 250 * time.Millisecond
		o.add(after(at+30*time.Millisecond), []store.LinkClaim{claimOf("a", unit.Bytes(i)*250, 30*time.Millisecond), claimOf("b", 1e9, 31*time.Millisecond)})
		// It is read twice.
		o.add(after(at+40*time.Millisecond), []store.LinkClaim{claimOf("a", unit.Bytes(i)*250, 41*time.Millisecond)})
	}
	if got := o.between(after(1100*time.Millisecond), after(2300*time.Millisecond)); got.Up < 1199 || got.Up > 1201 {
		t.Errorf("1000 B/s for 1.2 s are %v", got.Up)
	}
	if o.total.Up != 19*250 {
		t.Errorf("%v in all", o.total.Up)
	}
	// An agent that is started again begins at nothing.
	o.add(after(6*time.Second), []store.LinkClaim{claimOf("a", 10, 0)})
	o.add(after(7*time.Second), []store.LinkClaim{claimOf("a", 30, 0)})
	if got := o.between(after(5*time.Second), after(7*time.Second)); got.Up != 20 {
		t.Errorf("after a restart: %v", got.Up)
	}
	if o.total.Up != 19*250+20 {
		t.Errorf("%v in all", o.total.Up)
	}
	o.add(after(3*time.Minute), nil)
	if len(o.nodes) != 0 {
		t.Error("who is gone is remembered")
	}
}

// TestOthersStaySteady: whatever the fleet moves, and whenever within its refresh
// interval a device takes its counters, others who use the same all the time are seen
// to use the same. Those who do not are followed at once while the fleet is steady.
func TestOthersStaySteady(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		const others = 5e6
		refresh := time.Duration(rapid.IntRange(1, 20).Draw(t, "refresh")) * 250 * time.Millisecond
		late := time.Duration(rapid.Float64Range(0, 1).Draw(t, "late") * float64(refresh))
		o := newOurs()
		var rates []float64 // of the fleet, in each quarter of a second
		random := unit.NewRand(rapid.Uint64().Draw(t, "seed"))
		for range 120 {
			rates = append(rates, float64(random.Uint64()%10e6))
		}
		moved := func(at unit.Time) (sum float64) {
			for i, r := range rates {
				from := time.Duration(i) * 250 * time.Millisecond
				sum += r * min(max(at.Sub(after(from)), 0), 250*time.Millisecond).Seconds()
			}
			return sum
		}
		for i := range 120 {
			at := after(time.Duration(i) * 250 * time.Millisecond)
			o.add(at, []store.LinkClaim{claimOf("a", unit.Bytes(moved(at)), 0)})
		}
		seen := ratesOf(others)
		for at := 10 * time.Second; at < 28*time.Second; at += refresh {
			took := after(at - late)
			use := bandwidth.Use{At: after(at), Over: refresh, Up: others + unit.Rate((moved(took)-moved(took.Add(-refresh)))/refresh.Seconds())}
			seen = o.others(use, refresh, seen)
			// Between two of the shifts that are tried the rate of the fleet may change.
			if off := max(seen.up-others, others-seen.up); off > 3e6 {
				t.Fatalf("others are seen to use %v instead of %v", seen.up, unit.Rate(others))
			}
		}
	})
}

func ratesOf(up unit.Rate) rates { return rates{up: up} }
