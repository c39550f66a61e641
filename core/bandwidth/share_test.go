package bandwidth

import (
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rackswarm/rackswarm/core/unit"
)

func TestDivide(t *testing.T) {
	u := func(rank Rank, demands ...unit.Rate) (claims []Claim) {
		for i, d := range demands {
			claims = append(claims, Claim{unit.NodeID(fmt.Sprint("n", i)), rank, d})
		}
		return claims
	}
	for name, tt := range map[string]struct {
		budget unit.Rate
		claims []Claim
		want   []unit.Rate
	}{
		"nobody":                      {100, nil, nil},
		"one takes all":               {100, u(Normal, 1000), []unit.Rate{100}},
		"equal":                       {100, u(Normal, 1000, 1000), []unit.Rate{50, 50}},
		"what one does not want":      {100, u(Normal, 20, 1000, 1000), []unit.Rate{20, 40, 40}},
		"all have enough":             {100, u(Normal, 10, 30), []unit.Rate{40, 60}},
		"no demand":                   {100, u(Normal, 0, -3), []unit.Rate{50, 50}},
		"nothing to share":            {0, u(Normal, 5, 5), []unit.Rate{0, 0}},
		"a budget below nothing":      {-9, u(Normal, 5), []unit.Rate{0}},
		"unlimited":                   {unit.Unlimited, u(Normal, 5, 0), []unit.Rate{unit.Unlimited, unit.Unlimited}},
		"unlimited demands":           {100, u(Normal, unit.Unlimited, unit.Unlimited), []unit.Rate{50, 50}},
		"does not divide":             {100, u(Normal, 99, 99, 99), []unit.Rate{33, 33, 33}},
		"urgent first":                {100, append(u(Urgent, 70), u(Normal, 1000)...), []unit.Rate{70, 30}},
		"urgent takes all":            {100, append(u(Normal, 1000), u(Urgent, 100)...), []unit.Rate{0, 100}},
		"three ranks":                 {100, append(append(u(Background, 50), u(Normal, 30)...), u(Urgent, 60)...), []unit.Rate{10, 30, 60}},
		"a rank that there is not":    {100, append(u(Rank(9), 60), u(Rank(-9), 1000)...), []unit.Rate{60, 40}},
		"urgent ones share max-min":   {100, append(u(Urgent, 10, 200, 200), u(Normal, 9)...), []unit.Rate{10, 45, 45, 0}},
		"rounding leaves nobody more": {101, append(u(Urgent, 200, 200), u(Normal, 9)...), []unit.Rate{50, 50, 0}},
	} {
		if got := Divide(tt.budget, tt.claims); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

func genClaims(t *rapid.T) []Claim {
	n := rapid.IntRange(0, 12).Draw(t, "claims")
	claims := make([]Claim, n)
	for i := range claims {
		claims[i] = Claim{
			unit.NodeID(fmt.Sprint("n", i)), Rank(rapid.IntRange(-2, 2).Draw(t, "rank")),
			unit.Rate(rapid.OneOf(rapid.Int64Range(0, 100), rapid.Int64Range(-1, 1<<40), rapid.Just(int64(unit.Unlimited))).Draw(t, "demand")),
		}
	}
	return claims
}

func sum(rates []unit.Rate) (s unit.Rate) {
	for _, r := range rates {
		s += r
	}
	return s
}

// Shares sum to at most the budget, whoever lists them in whatever order; nobody
// is short while a lower rank or a richer equal has something; and more demand
// takes nothing from oneself and gives nothing to others.
func TestDivideIsFair(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		budget := unit.Rate(rapid.OneOf(rapid.Int64Range(0, 300), rapid.Int64Range(0, 1<<50)).Draw(t, "budget"))
		claims := genClaims(t)
		shares := Divide(budget, claims)
		if s := sum(shares); s > budget {
			t.Fatalf("%d of %d", s, budget)
		}
		for i, a := range claims {
			short := a.Demand > shares[i] && shares[i] < budget
			for j, b := range claims {
				if !short || i == j {
					continue
				}
				if a.Rank.index() > b.Rank.index() && shares[j] > 0 {
					t.Fatalf("%+v has %d while %+v has %d", a, shares[i], b, shares[j])
				}
				if a.Rank.index() == b.Rank.index() && shares[j] > shares[i] {
					t.Fatalf("%+v has %d while %+v has %d", a, shares[i], b, shares[j])
				}
			}
		}
		if budget > 0 && len(claims) > 0 && budget-sum(shares) > unit.Rate(len(claims)) {
			t.Fatalf("%d of %d are left", budget-sum(shares), budget)
		}
		order := rand.New(rand.NewSource(int64(len(claims)))).Perm(len(claims))
		mixed := make([]Claim, len(claims))
		for i, j := range order {
			mixed[i] = claims[j]
		}
		again := Divide(budget, mixed)
		for i, j := range order {
			if again[i] != shares[j] {
				t.Fatalf("in another order %d instead of %d", again[i], shares[j])
			}
		}
		if len(claims) == 0 {
			return
		}
		more := slices.Clone(claims)
		k := rapid.IntRange(0, len(claims)-1).Draw(t, "who")
		if more[k].Demand < 1<<60 {
			more[k].Demand = max(more[k].Demand, 0) + unit.Rate(rapid.Int64Range(0, 1<<40).Draw(t, "more"))
		}
		for i, s := range Divide(budget, more) {
			if i == k && s < shares[i] || i != k && s > shares[i] {
				t.Fatalf("claim %d of %+v wants %d: share %d becomes %d", k, claims[i], more[k].Demand, shares[i], s)
			}
		}
		if newcomer := Divide(budget, append(slices.Clone(claims), Claim{"new", Normal, 7})); len(newcomer) > 0 {
			for i, s := range newcomer[:len(claims)] {
				if s > shares[i] {
					t.Fatalf("a newcomer raises a share from %d to %d", shares[i], s)
				}
			}
		}
	})
}

func TestRanks(t *testing.T) {
	for _, name := range rankNames {
		if r, err := ParseRank(name); err != nil || r.String() != name {
			t.Errorf("%s: %s, %v", name, r, err)
		}
	}
	if r, err := ParseRank(""); err != nil || r != Normal {
		t.Errorf("nothing is %s, %v", r, err)
	}
	if _, err := ParseRank("high"); err == nil || !strings.Contains(err.Error(), "use background") {
		t.Errorf("high: %v", err)
	}
}
