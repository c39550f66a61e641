package acceptance

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
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

// An operator's ceiling of a rack's uplink holds for all nodes of the rack together, is
// listed and explained, outlives what the store knows, and goes when it is taken away.
func TestACeilingOfAnUplink(t *testing.T) {
	t.Parallel()
	const ceiling, size = 8e6 / 8, 5 << 20 // which takes 5 s
	nodes := append(fleet.Racks("ams1/r1", 1), fleet.Racks("ams1/r2", 3)...)
	f := fleet.Start(t, fleet.Options{Nodes: nodes, Redis: true, Forgetful: true})
	f.CLI("links", "set", "ams1/r2", "--max-down", "8Mbit")
	listed := func() error {
		if out := f.CLI("links"); !strings.Contains(out, "Link of ams1/r2: at most 976.6 KiB/s down for the fleet") {
			return errors.New(out)
		}
		return nil
	}
	must(t, listed())
	src := filepath.Join(t.TempDir(), "data")
	random(t, src, size, 0o644)
	f.CLI("publish", src)
	began := time.Now()
	f.CLI("distribute", "data", "--source", src, "--path", filepath.Join(f.Root, "data"))
	fleet.Eventually(t, patience, "the ceiling is explained", func() error {
		out := f.CLI("explain", "data")
		if !strings.Contains(out, "uplink of ams1/r2, down") || !strings.Contains(out, "an operator set") {
			return errors.New(out)
		}
		return nil
	})
	for _, a := range f.Agents()[1:] {
		awaitSame(t, src, filepath.Join(f.Root, "data"), a)
	}
	if rate := size / time.Since(began).Seconds(); rate > ceiling {
		t.Errorf("%.1f Mbit/s of payload crossed a link of 8 Mbit/s", rate*8e-6)
	}
	f.Redis.Kill()
	f.Redis.Restart() // without what it had
	f.WaitRegistered()
	fleet.Eventually(t, patience, "the ceiling is listed by the new store", listed)
	f.CLI("links", "set", "ams1/r2", "--max-down", "unlimited")
	if out := f.CLI("links"); !strings.Contains(out, "No link of a location is declared") {
		t.Error(out)
	}
}
