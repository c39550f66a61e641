package store

import (
	"math"
	"slices"
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

// Who finds no claim but its own has to know that none was lost: it was asked for them
// all the while, by whom ever.
func TestClaimsAreKeptWithoutABreak(t *testing.T) {
	t.Parallel()
	s, setClock := openWithClock(t)
	const place = unit.Location("ams/r1")
	lose := func() {
		if err := s.client.Del(t.Context(), s.keys.claims(place)).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		at   time.Duration
		lost bool // the store lost them just before
		none bool // nobody claims anything
		want time.Duration
	}{
		{at: 0, want: 0},
		{at: 2 * time.Second, want: 2 * time.Second},
		{at: 4 * time.Second, want: 4 * time.Second},
		{at: 4*time.Second + claimsBreak, want: 0},
		{at: 8 * time.Second, want: time.Second},
		{at: 9 * time.Second, lost: true, none: true, want: 0},
		{at: 11 * time.Second, none: true, want: 2 * time.Second},
		{at: 11*time.Second - time.Hour, none: true, want: 0}, // the clock was put back
		{at: 12*time.Second - time.Hour, want: time.Second},
	} {
		if c.lost {
			lose()
		}
		setClock(c.at)
		q := LinkQuery{Claims: []unit.Location{place}}
		if c.at%(2*time.Second) == 0 {
			q = LinkQuery{Own: map[unit.Location]LinkClaim{place: {Node: "a"}}}
		}
		answer, err := s.AskLinks(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if kept := answer.Kept[place]; kept != c.want {
			t.Errorf("at %v they have been kept for %v, not %v", c.at, kept, c.want)
		}
		// What says since when they are kept stands beside them, and is none.
		want := []unit.NodeID{"a"}
		if c.none {
			want = nil
		}
		var got []unit.NodeID
		for _, claim := range answer.Claims[place] {
			got = append(got, claim.Node)
		}
		if !slices.Equal(got, want) {
			t.Errorf("at %v there are claims of %q, not of %q", c.at, got, want)
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
