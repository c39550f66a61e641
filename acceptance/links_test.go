package acceptance

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/fleet"
)

// crossed is what the nodes of a rack have received from other racks of their
// datacenter, of a distribution.
func crossed(f *fleet.Fleet, dist, rack string) (sum int64) {
	for _, n := range status(f, dist).Nodes {
		if n.Location == rack && len(n.Received.ByLevel) > 1 {
			sum += n.Received.ByLevel[1]
		}
	}
	return sum
}

// Three agents behind one uplink take no more of it together than its capacity less
// the reserve, though each fetches a file of its own, nor does one of them alone. How
// near they come to it depends on the machine: the lab measures that.
func TestThreeAgentsShareAnUplink(t *testing.T) {
	t.Parallel()
	const budget, size = 48e6 / 8 * 0.8, 9 << 20 // together they take 6 s
	nodes := append(fleet.Racks("ams1/r1", 1), fleet.Racks("ams1/r2", 3)...)
	f := fleet.Start(t, fleet.Options{Nodes: nodes, Env: []string{"RACKSWARM_LINKS={ams1/r2: {up: 48Mbit, down: 48Mbit}}"}})
	dir := t.TempDir()
	fetch := func(names ...string) (rate float64) {
		t.Helper()
		for _, name := range names {
			random(t, filepath.Join(dir, name), size, 0o644)
			f.CLI("publish", filepath.Join(dir, name))
		}
		began := time.Now()
		for i, name := range names {
			f.CLI("distribute", name, "--source", filepath.Join(dir, name), "--path", filepath.Join(f.Root, name), "--node", f.Agents()[1+i].Name)
		}
		fleet.Eventually(t, patience, "all have theirs", func() error {
			var sum int64
			for _, name := range names {
				sum += crossed(f, name, "ams1/r2")
			}
			if sum < int64(len(names)*size) {
				return fmt.Errorf("%d bytes crossed", sum)
			}
			return nil
		})
		return float64(len(names)*size) / time.Since(began).Seconds()
	}
	together := fetch("a", "b", "c")
	alone := fetch("d")
	t.Logf("payload of three together: %.1f Mbit/s, of one alone: %.1f Mbit/s", together*8e-6, alone*8e-6)
	if together > budget || alone > budget {
		t.Errorf("more than %.1f Mbit/s", budget*8e-6)
	}
}
