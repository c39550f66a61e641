package store

import (
	"math"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

// TestLinksOfAClockPutBack: when the store's clock is put back, what was said of links
// by the later one is not taken for new, until it is said again.
func TestLinksOfAClockPutBack(t *testing.T) {
	t.Parallel()
	s, setClock := openWithClock(t)
	const place = unit.Location("ams/r1")
	ctx := t.Context()
	if err := s.PutReadings(ctx, LinkReading{Location: place, Measured: true}); err != nil {
		t.Fatal(err)
	}
	own := func(node unit.NodeID) LinkQuery {
		return LinkQuery{All: true, Own: map[unit.Location]LinkClaim{place: {Node: node}}}
	}
	for _, node := range []unit.NodeID{"a", "b"} {
		if _, err := s.AskLinks(ctx, own(node)); err != nil {
			t.Fatal(err)
		}
	}
	for _, back := range []time.Duration{10 * time.Second, time.Hour} {
		setClock(-back)
		answer, err := s.AskLinks(ctx, own("b"))
		if err != nil {
			t.Fatal(err)
		}
		claims := answer.Claims[place]
		for _, c := range claims {
			if c.Node == "a" && c.Age != back {
				t.Errorf("put back by %v: the claim of a dead node is %v old", back, c.Age)
			}
			if c.Node == "b" && c.Age != 0 {
				t.Errorf("put back by %v: a new claim is %v old", back, c.Age)
			}
		}
		if gone := len(claims) == 1; gone != (back > keepClaims) {
			t.Errorf("put back by %v: %+v", back, claims)
		}
		if r := answer.Facts[place].Reading; r == nil || r.Age != back {
			t.Errorf("put back by %v: %+v", back, r)
		}
	}
}

// TestTimesThatCannotBe are so far apart that there is room to add to it.
func TestTimesThatCannotBe(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b int64
		want time.Duration
	}{
		{5, 7, 2 * time.Millisecond}, {7, 5, 2 * time.Millisecond},
		{1_000_000_000_000, math.MinInt64, math.MaxInt64 / 2}, {1, math.MaxInt64, math.MaxInt64 / 2},
	} {
		if got := apart(c.a, c.b); got != c.want {
			t.Errorf("%d and %d: %v", c.a, c.b, got)
		}
	}
}
