package scenario

import (
	"os"
	"slices"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/topo"
	"github.com/rackswarm/rackswarm/core/unit"
)

const mbit = unit.Rate(1e6 / 8)

func even(r unit.Rate) topo.Link { return topo.Link{Up: r, Down: r} }

func mustParse(t testing.TB, text string) *Scenario {
	t.Helper()
	s, err := Parse("test.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func readFile(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// every-key.yaml is the sample of the format: figure 8 with all that can be said.
func TestEveryKey(t *testing.T) {
	s := mustParse(t, readFile(t, "testdata/every-key.yaml"))
	if s.Name != "figure-8" || s.Artifact != (Artifact{Size: 173e6, Piece: 256 * unit.KiB, Seed: 8, Files: 1}) {
		t.Errorf("%s distributes %+v", s.Name, s.Artifact)
	}
	if len(s.Hosts) != 18 || s.Hosts[0] != (Host{"ams/b-5/1", "ams/b-5", even(100 * mbit)}) || s.Hosts[17].Node != "esy/7b/1" {
		t.Errorf("hosts %v", s.Hosts)
	}
	if len(s.Receivers) != 17 || slices.Contains(s.Receivers, "ams/b-12/1") || !slices.Equal(s.Initial, []unit.NodeID{"ams/b-12/1"}) {
		t.Errorf("%v send to %v", s.Initial, s.Receivers)
	}
	rack := even(10 * mbit)
	if want := []Location{{"ams", even(1000 * mbit), 0, 0}, {"esy", topo.Unlimited, 0, 0},
		{"ams/b-12", rack, 0, 0}, {"ams/b-5", rack, 0, 0}, {"esy/17c", rack, 0, 0}, {"esy/7b", rack, 0, 0}}; !slices.Equal(s.Locations, want) {
		t.Errorf("locations %v, want %v", s.Locations, want)
	}
	if s.Deadline != 40*time.Minute || s.Strategy != (Strategy{true, true, true, true, Stealing}) || *s.Bandwidth != (Bandwidth{0.2, true, time.Second}) || s.Store != Redis || !s.TLS {
		t.Errorf("%+v", s)
	}
	if want := []Flow{{"ams/b-5/1", "ams/b-12/2", 4 * mbit, 5 * time.Second, 20 * time.Second, UDP}}; !slices.Equal(s.Background, want) {
		t.Errorf("background %v", s.Background)
	}
	if want := []Probe{{"ams/b-5/2", "ams/b-12/3", UDP}}; !slices.Equal(s.Probes, want) {
		t.Errorf("probes %v", s.Probes)
	}
	if want := []Fault{
		{At: 2 * time.Second, Action: Corrupt, Node: "ams/b-5/4"},
		{At: 2 * time.Second, Action: Slow, Node: "ams/b-5/4", Rate: 200 << 10},
		{At: 3 * time.Second, Action: SetLink, Location: "ams/b-5", Link: even(5 * mbit)},
		{At: 4 * time.Second, Action: KillStore},
		{At: 5 * time.Second, Action: Kill, Node: "ams/b-5/3"},
		{At: 6 * time.Second, Action: Partition, Location: "ams/b-5", For: 4 * time.Second},
		{At: 7 * time.Second, Action: Move, Node: "ams/b-5/2", To: "esy/7b"},
		{At: 9 * time.Second, Action: Start, Node: "ams/b-5/3"},
	}; !slices.Equal(s.Faults, want) {
		t.Errorf("faults %v", s.Faults)
	}
}

// What goes wrong beside network and agents.
func TestFaultsOfDevicesAndHosts(t *testing.T) {
	s := mustParse(t, `
artifact: {size: 1MB}
locations: {a: {uplink: 10Mbit, hosts: 2}}
bandwidth: {snmp: true}
faults:
  - {at: 1s, snmp: a, says: zeros}
  - {at: 2s, link: a, rate: 5Mbit, silent: true}
  - {at: 3s, cpu: a/1, load: 90%, for: 5s}
  - {at: 4s, disk: a/2}
  - {at: 5s, distribute: 1MB, priority: urgent}
  - {at: 6s, distribute: 2MB}
priority: background
window: {closes: 10s, opens: 2m10s}`)
	if s.Priority != Background || s.Window != (Window{10 * time.Second, 130 * time.Second}) {
		t.Errorf("priority %s, window %v", s.Priority, s.Window)
	}
	if want := []Fault{
		{At: time.Second, Action: Device, Location: "a", Says: Zeros},
		{At: 2 * time.Second, Action: SetLink, Location: "a", Link: even(5 * mbit), Silent: true},
		{At: 3 * time.Second, Action: BusyCPU, Node: "a/1", Load: 0.9, For: 5 * time.Second},
		{At: 4 * time.Second, Action: BusyDisk, Node: "a/2"},
		{At: 5 * time.Second, Action: Distribute, Size: 1e6, Priority: Urgent},
		{At: 6 * time.Second, Action: Distribute, Size: 2e6, Priority: Normal},
	}; !slices.Equal(s.Faults, want) {
		t.Errorf("faults %v, want %v", s.Faults, want)
	}
}
