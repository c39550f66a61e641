package links

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/store"
	"github.com/rackswarm/rackswarm/core/unit"
)

// Somebody asks for a link's claims all the while, as who asks its device does: the
// first node that wants something finds no claim but its own, and has all of the link
// without waiting until others have heard of it. The second one waits, and both never
// have more than there is, but for its floor.
func TestTheFirstNeedNotWait(t *testing.T) {
	t.Parallel()
	const capacity, budget = 100 * mbit, 80 * mbit
	_, open := openStore(t)
	kept := askAlways(t, open())
	movers := []*mover{{}, {}}
	var mu sync.Mutex
	var most unit.Rate
	waited := false
	for i, m := range movers {
		m.seen = func() {
			mu.Lock()
			defer mu.Unlock()
			first, _ := movers[0].rates()
			second, _ := movers[1].rates()
			most = max(most, first+second)
			b := movers[0].binding(1)
			waited = waited || b.Reason == bandwidth.Joining && b.Users > 0 // and not only the floor of who wants nothing
		}
		start(t, open(), unit.NodeID(fmt.Sprint("n", i)), m, func(c *Config) {
			c.Links = map[unit.Location]Link{"ams/r1": {Up: capacity, Down: capacity}}
		})
	}
	eventually(t, "claims that are kept", func() bool { return kept() >= settledFor })
	movers[0].wants(1000 * mbit)
	eventually(t, "the whole link", func() bool {
		first, _ := movers[0].rates()
		return onLink(first) > budget*98/100
	})
	movers[1].wants(1000 * mbit)
	eventually(t, "two shares", func() bool { return even(movers) })
	mu.Lock()
	defer mu.Unlock()
	if waited {
		t.Error("the first node waited until others had heard of it")
	}
	if over := onLink(most); over > budget+bandwidth.FloorOf(capacity) {
		t.Errorf("%v at once over a link that leaves %v", over, unit.Rate(budget))
	}
}

// askAlways asks for a link's claims until the test ends, and says for how long they
// have been kept.
func askAlways(t *testing.T, s *store.Store) (kept func() time.Duration) {
	var mu sync.Mutex
	var now time.Duration
	ctx := t.Context()
	var asking sync.WaitGroup
	t.Cleanup(asking.Wait)
	asking.Go(func() {
		for ctx.Err() == nil {
			a, err := s.AskLinks(ctx, store.LinkQuery{Claims: []unit.Location{"ams/r1"}})
			if err == nil {
				mu.Lock()
				now = a.Kept["ams/r1"]
				mu.Unlock()
			}
			time.Sleep(claimsEvery)
		}
	})
	return func() time.Duration {
		mu.Lock()
		defer mu.Unlock()
		return now
	}
}
