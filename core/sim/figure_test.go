package sim_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rackswarm/rackswarm/core/scenario"
	"github.com/rackswarm/rackswarm/core/sim"
)

// fromFile reads one of the lab's scenarios.
func fromFile(t testing.TB, name string) *scenario.Scenario {
	t.Helper()
	file := filepath.Join("..", "..", "acceptance", "lab", "scenarios", name+".yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s, err := scenario.Parse(file, text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func run(t testing.TB, s *scenario.Scenario, o sim.Options) scenario.Report {
	t.Helper()
	r, err := sim.Run(s, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// The thesis's experiment: everybody gets everything, and about one copy crosses
// each rack's uplink.
func TestFigure8(t *testing.T) {
	s := fromFile(t, "figure-8")
	r := run(t, s, sim.Options{Seed: 1})
	if len(r.Nodes) != len(s.Receivers) || len(r.Failed) > 0 {
		t.Fatalf("%d of %d finished, failed: %v", len(r.Nodes), len(s.Receivers), r.Failed)
	}
	if r.LastOverBound < 1 || r.LastOverBound > 2 {
		t.Errorf("the last is done after %.2f times the bound", r.LastOverBound)
	}
	for loc, c := range r.UplinkCopies {
		if c.Down > 1.3 {
			t.Errorf("%.2f copies came into %s", c.Down, loc)
		}
	}
	if r.SeedingRatio > 2 {
		t.Errorf("the initial seeder sent %.2f copies", r.SeedingRatio)
	}
}
