package node_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/node"
	"github.com/rackswarm/rackswarm/core/swarm"
	"github.com/rackswarm/rackswarm/core/unit"
)

// figure8 is the thesis's test bed: four racks with uplinks of 10 Mbit/s, the
// initial seeder in one of them.
func figure8(strategy node.Strategy, spans int) *fleet {
	const mbit = unit.Rate(125e3)
	lengths := make([]int32, spans)
	for i := range lengths {
		lengths[i] = 256 << 10
	}
	f := newFleet(8, lengths)
	f.strategy = strategy
	for rack, hosts := range map[unit.Location]int{"ams/b-12": 5, "ams/b-5": 5, "esy/17c": 7, "esy/7b": 1} {
		f.uplinks[rack] = &uplink{rate: 10 * mbit}
		for i := range hosts {
			id := unit.NodeID(fmt.Sprintf("%s-%d", rack[len("ams/"):], i+1))
			f.add(&host{id: id, location: rack, up: 100 * mbit, initial: id == "b-12-1"})
		}
	}
	return f
}

// Each of the thesis's steps spares the initial seeder (figure 10): one group of
// all, then the overlay, division, and stealing.
func TestStepsSpareTheSeeder(t *testing.T) {
	plain := node.Strategy{LowLatency: true, Picker: swarm.Stealing}
	overlay := plain
	overlay.Overlay = true
	division := overlay
	division.Division = true
	before := math.Inf(1)
	for _, strategy := range []node.Strategy{plain, overlay, division, node.DefaultStrategy()} {
		f := figure8(strategy, 60)
		f.play(unit.Time(5 * time.Minute))
		if !f.complete() {
			t.Fatalf("%+v: not complete\n%s", strategy, f.describe())
		}
		ratio := (&scenario{fleet: f}).seeding()
		t.Logf("%+v: seeding ratio %.2f", strategy, ratio)
		if ratio >= before {
			t.Errorf("%+v: seeding ratio %.2f, before %.2f", strategy, ratio, before)
		}
		before = ratio
	}
}
