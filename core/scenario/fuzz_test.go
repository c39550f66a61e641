package scenario

import (
	"slices"
	"testing"

	"github.com/rackswarm/rackswarm/core/unit"
)

// What is read without error is a scenario that can be run: it has a network, a
// bound, and no name of anything that is not in it.
func FuzzParse(f *testing.F) {
	f.Add([]byte(readFile(f, "testdata/every-key.yaml")))
	f.Add([]byte(twoRacks))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := Parse("fuzz.yaml", text)
		if err != nil {
			if s != nil {
				t.Error("a scenario beside an error")
			}
			return
		}
		if len(s.Hosts) > 1000 {
			return // the bound of many takes long
		}
		tree, err := s.Tree()
		if err != nil {
			t.Fatal(err)
		}
		if b, err := s.Bound(); err != nil || b.Time < 0 {
			t.Fatalf("bound %v, %v", b.Time, err)
		}
		for _, node := range slices.Concat(s.Initial, s.Receivers) {
			if _, ok := tree.Host(node); !ok {
				t.Errorf("%q takes part and is not a host", node)
			}
		}
		if len(s.Initial) == 0 || len(s.Receivers) == 0 || len(s.Join) != len(s.Receivers) || !slices.IsSorted(s.Join) || s.Join[len(s.Join)-1] > s.Stagger {
			t.Errorf("initial seeders %v, receivers %v, joining %v", s.Initial, s.Receivers, s.Join)
		}
		for _, fault := range s.Faults {
			if _, ok := tree.Host(fault.Node); !ok && fault.Node != "" || fault.At < 0 || !slices.Contains(tree.Locations(), unit.Location(fault.Location)) {
				t.Errorf("impossible fault %+v", fault)
			}
		}
	})
}
