package sim_test

import (
	"testing"

	"github.com/rackswarm/rackswarm/core/scenario"
	"github.com/rackswarm/rackswarm/core/sim"
	"github.com/rackswarm/rackswarm/core/unit"
)

// aware is racks whose agents leave a fifth of each link free.
func aware(t *testing.T, more string) *scenario.Scenario {
	t.Helper()
	return racks(t, "bandwidth: {reserve: 0.2, snmp: true}\n"+more)
}

// links are the directions of an uplink that something passes.
func links(r scenario.Report, l unit.Location) map[string]scenario.DirectionReport {
	return map[string]scenario.DirectionReport{"up": r.Links[l].Up, "down": r.Links[l].Down}
}

// use is the mean of what agents use of r2's uplink inward between two times, in bits
// per second.
func use(r scenario.Report, from, to float64) float64 {
	sum, n := 0., 0
	for _, u := range r.Links["r2"].Down.Use {
		if u[scenario.UseTime] > from && u[scenario.UseTime] <= to {
			sum += u[scenario.UseOurs]
			n++
		}
	}
	return sum / float64(n)
}

// Agents that leave room for others keep the reserve free, and take little longer than
// what is left allows.
func TestReserveStaysFree(t *testing.T) {
	s := aware(t, "")
	s.Artifact.Size = 64e6
	r := run(t, s, sim.Options{Seed: 1})
	for l := range r.Links {
		for direction, d := range links(r, l) {
			if len(d.Use) == 0 || d.Over > 1 {
				t.Errorf("uplink of %s, %s: over its limit for %g s, in %d samples", l, direction, d.Over, len(d.Use))
			}
		}
	}
	if r.LastOverBound > 1.25 || r.LastOverBound < 1 {
		t.Errorf("all is done after %g times the bound", r.LastOverBound)
	}
}

// What others take, agents leave; when it is theirs again they take it.
func TestAgentsMakeRoom(t *testing.T) {
	s := aware(t, "background: [{from: r1/4, to: r2/4, rate: 28Mbit, start: 8s, stop: 16s, proto: udp}]")
	s.Artifact.Size = 96e6
	r := run(t, s, sim.Options{Seed: 1})
	const before, during = 32e6, 4e6
	if u := use(r, 4, 8); u < 0.9*before || u > 1.05*before {
		t.Errorf("%g bits per second before others come, want %g", u, before)
	}
	if u := use(r, 10, 16); u > 1.2*during {
		t.Errorf("%g bits per second beside others, want %g", u, during)
	}
	if u := use(r, 19, 22); u < 0.9*before {
		t.Errorf("%g bits per second when others have gone, want %g", u, before)
	}
}

// While nobody knows how much others use, agents fall back to the floor.
func TestSilentDeviceLeavesTheFloor(t *testing.T) {
	s := aware(t, "faults: [{at: 5s, snmp: r2, says: nothing}]")
	s.Artifact.Size = 200e6
	r := run(t, s, sim.Options{Seed: 1})
	const floor = 0.8e6
	if u := use(r, 24, 34); u > 1.2*floor || u < 0.5*floor {
		t.Errorf("%g bits per second 20 s after the device was heard last, want %g", u, floor)
	}
}

// Without the store agents cannot agree on shares.
func TestWithoutTheStoreTheFloorCounts(t *testing.T) {
	s := aware(t, "faults: [{at: 5s, kill: store}]")
	s.Artifact.Size = 200e6
	r := run(t, s, sim.Options{Seed: 1})
	const floor, members = 0.8e6, 4
	if u := use(r, 12, 20); u > members*floor || u < 0.5*floor {
		t.Errorf("%g bits per second without the store, want %g for each of at most %d", u, floor, members)
	}
}
