package bandwidth

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/rackswarm/rackswarm/core/unit"
)

// Part is a part of a whole, from 0 to 1.
type Part float64

// ParsePart reads a part such as "20%" or "0.2", from 0 to 1.
func ParsePart(s string) (Part, error) {
	number, percent := strings.CutSuffix(strings.TrimSpace(s), "%")
	f, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if percent {
		f /= 100
	}
	if err != nil || !(f >= 0 && f <= 1) {
		return 0, fmt.Errorf("%q is not a part from 0%% to 100%%", s)
	}
	return Part(f), nil
}

// String writes a part in percent.
func (p Part) String() string { return fmt.Sprintf("%.4g%%", float64(p)*100) }

// of returns the part of a rate, the part taken as one from 0 to 1; what is not
// a number is 0. Unlimited has no parts but none and all.
func (p Part) of(r unit.Rate) unit.Rate {
	switch {
	case !(p > 0):
		return 0
	case p >= 1, r == unit.Unlimited:
		return r
	}
	return unit.Rate(math.Min(float64(r)*float64(p), float64(r)))
}

// clampPart is p within 0 and 1; what is not a number is 0.
func clampPart(p Part) Part {
	if !(p > 0) {
		return 0
	}
	return min(p, 1)
}
