package network

import (
	"testing"

	"github.com/rackswarm/rackswarm/core/scenario"
	"github.com/rackswarm/rackswarm/core/unit"
)

func TestMasksOfProcessors(t *testing.T) {
	for count, want := range map[int]string{1: "1", 4: "f", 31: "7fffffff", 32: "0,ffffffff", 40: "ff,ffffffff", 96: "0,ffffffff,ffffffff,ffffffff"} {
		if got := everyProcessor(count); got != want {
			t.Errorf("the first %d processors are %s, not %s", count, got, want)
		}
	}
	for _, c := range []struct {
		number, count int
		want          string
	}{
		{0, 1, "1"}, {5, 1, "1"},
		{0, 4, "1"}, {3, 4, "8"}, {4, 4, "1"},
		{31, 96, "80000000"}, {32, 96, "1,00000000"}, {70, 96, "40,00000000,00000000"},
	} {
		if got := oneProcessor(c.number, c.count); got != c.want {
			t.Errorf("number %d of %d processors is %s, not %s", c.number, c.count, got, c.want)
		}
	}
}

// Slow racks have a processor for all that is in them. Where a rack moves more than one
// processor can, or nobody says how much, connections are spread over all.
func TestWhichProcessorsReceive(t *testing.T) {
	s, err := scenario.Parse("t.yaml", []byte(`
artifact: {size: 1MB}
locations:
  slow/a: {uplink: 10Mbit, hosts: 8}
  slow/b: {uplink: 10Mbit, hosts: 8}
  fast:   {uplink: 60Mbit, hosts: 15}
  free:   {hosts: 2}
host: {up: 100Mbit, down: 100Mbit}
initial: slow/a/1
receivers: all
`))
	if err != nil {
		t.Fatal(err)
	}
	n, err := layOut(s)
	if err != nil {
		t.Fatal(err)
	}
	n.steer(4)
	a, b := n.Switch("slow/a"), n.Switch("slow/b")
	if a.receives == b.receives || a.receives == "f" || b.receives == "f" {
		t.Errorf("two slow racks receive on processors %s and %s", a.receives, b.receives)
	}
	for host, want := range map[string]string{"slow/a/1": a.receives, "slow/b/8": b.receives, "fast/1": "f"} {
		if got := n.hosts[unit.NodeID(host)].receives; got != want {
			t.Errorf("%s receives on processors %s, not %s", host, got, want)
		}
	}
}
