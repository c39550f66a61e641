package links

import (
	"maps"
	"slices"
	"time"

	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/store"
	"github.com/rackswarm/rackswarm/core/unit"
)

// What is known of the links on a node's own way to the root is read at each turn
// while something is moved, and now and then otherwise: a link may be declared, or not
// be any more. Links of other locations that data go to matter less, and all others
// not at all but for a store that loses its data.
const (
	pathBusy  = bandwidth.ClaimEvery / 2
	pathIdle  = 5 * time.Second
	farBusy   = time.Second
	wholeBusy = 5 * time.Second
	wholeIdle = 30 * time.Second
	// lookedFor is for how long a link is looked at that somebody asked for.
	lookedFor = 2 * time.Second
	// readAgain is how soon what could not be read is read again at the latest.
	readAgain = time.Second
)

// reads are when the store was last asked what it knows of the links on the node's way,
// of others that are looked at, and of all.
type reads struct{ path, far, whole attempt }

// attempt is when something was read of the store last.
type attempt struct {
	at     unit.Time
	ever   bool
	failed bool
}

func (a attempt) due(now unit.Time, every time.Duration) bool {
	if a.failed {
		every = min(every, readAgain)
	}
	return !a.ever || now.Sub(a.at) >= every
}

// due returns what is to be asked now of a node on whose way the links of path are,
// nothing if it is not time.
func (k *knowledge) due(now unit.Time, busy bool, path []unit.Location) (q store.LinkQuery) {
	k.mu.Lock()
	defer k.mu.Unlock()
	pathEvery, wholeEvery := pathIdle, wholeIdle
	if busy {
		pathEvery, wholeEvery = pathBusy, wholeBusy
	}
	maps.DeleteFunc(k.looked, func(_ unit.Location, at unit.Time) bool { return now.Sub(at) > lookedFor })
	switch {
	case len(path) == 0:
	case k.reads.whole.due(now, wholeEvery):
		q.All = true
	case len(k.looked) > 0 && k.reads.far.due(now, farBusy):
		q.Facts = slices.Compact(slices.Sorted(slices.Values(slices.Concat(path, slices.Collect(maps.Keys(k.looked))))))
	case k.reads.path.due(now, pathEvery):
		q.Facts = path
	}
	return q
}

// changed has what may be another now be asked for at once.
func (k *knowledge) changed() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.reads.path, k.reads.far = attempt{}, attempt{}
}

// asked notes that q was asked at now, and whether it was answered.
func (k *knowledge) asked(now unit.Time, q store.LinkQuery, path []unit.Location, answered bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	a := attempt{at: now, ever: true, failed: !answered}
	k.reads.path = a
	if q.All || len(q.Facts) > len(path) {
		k.reads.far = a
	}
	if q.All {
		k.reads.whole = a
	}
}
