package main

import (
	"net"
	"testing"
	"testing/synctest"

	"github.com/rackswarm/rackswarm/core/unit"
)

// A START goes ahead of blocks that wait already, and blocks are asked for again and
// again once they were.
func TestStartGoesAheadOfBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, y := net.Pipe()
		heard := make(chan string, 2)
		sender := newLane(x, 16<<10, func([]byte) {})
		receiver := newLane(y, 16<<10, func(body []byte) { heard <- string(body) })
		sender.blocks = []int{16 << 10, 16 << 10}
		sender.start([]byte("span 1"))
		if frames := sender.next(); frames[0] != frameStart {
			t.Errorf("the first frame is of kind %d", frames[0])
		}
		sender.start([]byte("span 2"))
		ended := make(chan bool, 2)
		for _, l := range []*lane{sender, receiver} {
			go func() { l.run(); ended <- true }()
		}
		receiver.request(64 << 10)
		if got := <-heard; got != "span 2" {
			t.Errorf("heard %q", got)
		}
		x.Close()
		<-ended
		<-ended
	})
}

func TestPaceFollowsTheRate(t *testing.T) {
	for _, c := range []struct {
		rate          unit.Rate
		window, block int
	}{
		{1_250_000, 35714, 16 << 10},
		{12_500_000, 357142, 48 << 10},
		{1_250_000_000, 512 << 10, 256 << 10},
	} {
		if window, block := pace(c.rate); window != c.window || block != c.block {
			t.Errorf("%s: %d bytes at a time of %d, not %d of %d", c.rate, block, window, c.block, c.window)
		}
	}
}
