package main

import (
	"slices"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/scenario"
	"github.com/rackswarm/rackswarm/core/unit"
)

// Joins and faults happen in the order of their times.
func TestActs(t *testing.T) {
	r := &round{scenario: &scenario.Scenario{
		Receivers: []unit.NodeID{"a/1", "a/2", "b/1"},
		Join:      []time.Duration{0, 2 * time.Second, 5 * time.Second},
		Faults: []scenario.Fault{
			{At: time.Second, Action: scenario.Partition, Location: "a", For: 3 * time.Second},
			{At: 2 * time.Second, Action: scenario.KillStore},
			{At: 3 * time.Second, Action: scenario.Partition, Location: "b"}, // until the end
		},
	}}
	var got []string
	for _, a := range r.acts() {
		got = append(got, a.at.String()+" "+a.what)
	}
	want := []string{"1s partition a", "2s join of a/2", "2s kill store", "3s partition b", "4s end of partition a", "5s join of b/1"}
	if !slices.Equal(got, want) {
		t.Errorf("the acts are %q, want %q", got, want)
	}
}

func TestShareOfALink(t *testing.T) {
	for _, c := range []struct {
		bytes   unit.Bytes
		rate    unit.Rate
		seconds float64
		want    float64
	}{
		{1000, 1000, 1, 1}, {1000, 1000, 2, 0.5}, {1000, unit.Unlimited, 1, 0}, {1000, 0, 1, 0},
	} {
		if got := share(c.bytes, c.rate, c.seconds); got != c.want {
			t.Errorf("%d bytes in %v s over %s are a share of %v, want %v", c.bytes, c.seconds, c.rate, got, c.want)
		}
	}
}
