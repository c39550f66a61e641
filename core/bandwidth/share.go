package bandwidth

import (
	"fmt"
	"slices"

	"github.com/rackswarm/rackswarm/core/unit"
)

// Rank is how urgent a transfer is. Higher ones come first, wholly: what is less
// urgent gets what they leave.
type Rank int

// The ranks.
const (
	Background Rank = iota - 1
	Normal
	Urgent
)

const ranks = int(Urgent-Background) + 1

var rankNames = [ranks]string{"background", "normal", "urgent"}

// ParseRank reads "background", "normal" or "urgent"; nothing is normal.
func ParseRank(s string) (Rank, error) {
	if s == "" {
		return Normal, nil
	}
	if i := slices.Index(rankNames[:], s); i >= 0 {
		return Rank(i) + Background, nil
	}
	return Normal, fmt.Errorf("priority %q: use background, normal or urgent", s)
}

// String is the name that ParseRank reads.
func (r Rank) String() string { return rankNames[r.index()] }

// index is from 0 to ranks-1; a rank out of range is the nearest one.
func (r Rank) index() int { return int(min(max(r, Background), Urgent) - Background) }

// Claim is what a node wants of one direction of a link for its transfers of one
// rank: it has one for each rank of which it has transfers.
type Claim struct {
	Node   unit.NodeID
	Rank   Rank
	Demand unit.Rate // what it could use; 0 or less is nothing
}

// Divide shares a budget among claims and returns the share of each one. Higher
// ranks come first; within a rank shares are max-min fair by demand: nobody gets
// more than it wants while somebody gets less than it wants and less than others
// do. What is left when all have what they want is added in equal parts, so that
// a demand may grow before others hear of it.
//
// The order of the claims does not matter; two of one node and rank count as two.
// More demand of a claim never raises the share of another, nor lowers its own.
//
// Invariant: the shares sum to at most the budget. Of an unlimited budget every
// share is unlimited.
func Divide(budget unit.Rate, claims []Claim) []unit.Rate {
	shares := make([]unit.Rate, len(claims))
	if budget == unit.Unlimited {
		for i := range shares {
			shares[i] = unit.Unlimited
		}
		return shares
	}
	left := max(budget, 0)
	for rank := Urgent; rank >= Background; rank-- {
		demands := make([]unit.Rate, 0, len(claims))
		for _, c := range claims {
			if c.Rank.index() == rank.index() {
				demands = append(demands, c.want(left))
			}
		}
		level, rest, met := waterLevel(left, demands)
		for i, c := range claims {
			if c.Rank.index() == rank.index() {
				shares[i] = min(c.want(left), level)
			}
		}
		if !met {
			return shares // what rounding leaves is nobody's: others' shares must not depend on it
		}
		left = rest
	}
	addEqually(shares, left)
	return shares
}

// want is the claim's demand, no more than there is.
func (c Claim) want(budget unit.Rate) unit.Rate { return min(max(c.Demand, 0), budget) }

// waterLevel returns the highest level for which the sum of min(demand, level) is
// at most the budget, what that leaves, and whether it meets all demands.
func waterLevel(budget unit.Rate, demands []unit.Rate) (level, rest unit.Rate, met bool) {
	slices.Sort(demands)
	rest = budget
	for i, d := range demands {
		level = rest / unit.Rate(len(demands)-i)
		if d > level {
			return level, 0, false
		}
		rest -= d
	}
	return budget, rest, true
}

func addEqually(shares []unit.Rate, left unit.Rate) {
	if len(shares) == 0 {
		return
	}
	part := left / unit.Rate(len(shares))
	for i := range shares {
		shares[i] += part
	}
}
