package swarm

import (
	"fmt"
	"slices"
	"strings"
)

// Strategy switches parts of the logic off, or replaces it, to measure what each
// gains. All nodes of a transfer are to have the same one. The zero Strategy is
// DefaultStrategy.
type Strategy struct {
	// Division: the members of a group share the spans out (requirement 15);
	// otherwise everybody owns everything.
	Division bool
	// Stealing: STARTs are heeded, an initial seeder gives each span once, what is
	// inside a location is not fetched from outside, and idle nodes steal from slow
	// peers (requirement 16).
	Stealing bool
	// LowLatency: announcements and requests never wait for others (requirement
	// 18); otherwise they are sent together.
	LowLatency bool
	// Picker chooses what is requested and who is served. All but Stealing know
	// neither division nor stealing, whatever the switches say.
	Picker Picker
}

// Picker names a way to choose what is requested and who is served.
type Picker string

// Pickers.
const (
	// Stealing is our own: the others are there to be compared with.
	Stealing Picker = "stealing"
	// Random takes any span, and serves everybody.
	Random Picker = "random"
	// Rarest takes the span that the fewest peers have, and serves by tit-for-tat.
	Rarest Picker = "rarest"
	// Sequential takes the first missing span, and serves everybody.
	Sequential Picker = "sequential"
	// Market takes the dearest span, and serves who pays most.
	Market Picker = "market"
)

// DefaultStrategy is our own logic, all of it.
func DefaultStrategy() Strategy {
	return Strategy{Division: true, Stealing: true, LowLatency: true, Picker: Stealing}
}

// ParsePicker returns the picker of that name.
func ParsePicker(name string) (Picker, error) {
	all := []Picker{Stealing, Random, Rarest, Sequential, Market}
	if p := Picker(name); slices.Contains(all, p) {
		return p, nil
	}
	names := make([]string, len(all))
	for i, p := range all {
		names[i] = string(p)
	}
	return "", fmt.Errorf("%q is not one of %s", name, strings.Join(names, ", "))
}

// complete returns what is in force: reference strategies know neither division
// nor stealing.
func (s Strategy) complete() Strategy {
	if s == (Strategy{}) {
		return DefaultStrategy()
	}
	if s.Picker != Stealing {
		s.Division, s.Stealing = false, false
	}
	return s
}
