package topo

import (
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

func TestFlatBounds(t *testing.T) {
	ten := func(up, down unit.Rate) []Link {
		links := make([]Link, 10)
		for i := range links {
			links[i] = Link{up, down}
		}
		return links
	}
	for _, c := range []struct {
		name      string
		up        unit.Rate
		receivers []Link
		cs, p2p   time.Duration
	}{
		{"nobody", 100, nil, 0, 0},
		{"the server's uplink", 100, ten(100, 1000), 100 * time.Second, 10 * time.Second},
		{"one slow receiver", 1000, append(ten(1000, 1000), Link{1000, 10}), 100 * time.Second, 100 * time.Second},
		{"all uploads together", 100, ten(10, 1000), 100 * time.Second, 50 * time.Second},
		{"no limit", unit.Unlimited, ten(unit.Unlimited, unit.Unlimited), 0, 0},
	} {
		if got := ClientServer(1000, c.up, c.receivers); got != c.cs {
			t.Errorf("%s: client and server %v, want %v", c.name, got, c.cs)
		}
		if got := PeerToPeer(1000, c.up, c.receivers); got != c.p2p {
			t.Errorf("%s: peer to peer %v, want %v", c.name, got, c.p2p)
		}
	}
}

func TestEqualLinks(t *testing.T) {
	for _, c := range []struct {
		receivers, pieces int
		want              time.Duration
	}{
		{1, 1, 10 * time.Second},
		{2, 1, 20 * time.Second}, // the first receiver has to have it before it passes it on
		{3, 1, 20 * time.Second},
		{7, 1, 30 * time.Second},
		{1023, 100, 10900 * time.Millisecond},
		{0, 1, 0}, {1, 0, 0},
	} {
		if got := EqualLinks(1000, 100, c.receivers, c.pieces); got != c.want {
			t.Errorf("%d receivers, %d pieces: %v, want %v", c.receivers, c.pieces, got, c.want)
		}
	}
}
