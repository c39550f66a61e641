package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/overlay"
	"github.com/rackswarm/rackswarm/core/store"
	"github.com/rackswarm/rackswarm/core/unit"
)

// viewer is a Watcher and what it has told. Touched by the test's goroutine only.
type viewer struct {
	*store.Watcher
	t      *testing.T
	up     bool
	ups    int
	down   error
	sets   int // DistributionsChanged
	turns  int // ControlsChanged
	links  int // LinksChanged
	demand []artifact.Digest
	groups map[store.GroupKey]overlay.Group
	// moved and reported count by run.
	moved, reported map[string]int
}

// watch starts a watcher and waits until it is up.
func watch(t *testing.T, s *store.Store) *viewer {
	t.Helper()
	v := newViewer(t, s)
	v.await("up", func(v *viewer) bool { return v.up })
	return v
}

func newViewer(t *testing.T, s *store.Store) *viewer {
	return &viewer{
		Watcher: s.Watch(ctx(t)), t: t, groups: map[store.GroupKey]overlay.Group{},
		moved: map[string]int{}, reported: map[string]int{},
	}
}

// await takes events until the condition holds.
func (v *viewer) await(what string, holds func(*viewer) bool) {
	v.t.Helper()
	timeout := time.After(deadline)
	for !holds(v) {
		select {
		case ev := <-v.Events():
			v.take(ev)
		case <-timeout:
			v.t.Fatalf("%s: not told in time; up %v (%v), groups %+v, runs %v, reports %v", what, v.up, v.down, v.groups, v.moved, v.reported)
		}
	}
}

func (v *viewer) take(ev store.Event) {
	switch ev := ev.(type) {
	case store.Up:
		v.up, v.ups = true, v.ups+1
	case store.Down:
		v.up, v.down = false, ev.Err
	case store.DistributionsChanged:
		v.sets++
	case store.ControlsChanged:
		v.turns++
	case store.LinksChanged:
		v.links++
	case store.Demand:
		v.demand = append(v.demand, ev.Digest)
	case store.RunMoved:
		v.moved[ev.Run]++
	case store.ReportsMoved:
		v.reported[ev.Run]++
	case store.GroupChanged:
		v.groups[store.GroupKey{Digest: ev.Digest, Location: ev.Group.Location}] = ev.Group
	}
}

func demandIsTold(t *testing.T, b Backend) {
	s, c := b.open(t), ctx(t)
	w := watch(t, s)
	d, last := digest("d"), digest("last")
	set := func(i int) { must(t, s.SetPending(c, d, unit.NodeID(fmt.Sprint("n", i)), "", long)) }
	set(0)
	w.await("needed", func(v *viewer) bool { return len(v.demand) == 1 })
	set(1)
	w.await("needed by more than one", func(v *viewer) bool { return len(v.demand) == 2 })
	for i := range 5 {
		set(i)
	}
	for i := range 4 {
		must(t, s.ClearPending(c, d, unit.NodeID(fmt.Sprint("n", i))))
	}
	w.await("needed by one", func(v *viewer) bool { return len(v.demand) == 3 })
	must(t, s.ClearPending(c, d, "n4"))
	must(t, s.SetPending(c, last, "a", "", long))
	w.await("not needed", func(v *viewer) bool { return len(v.demand) == 5 })
	told := map[artifact.Digest]int{} // shards of a Cluster keep no common order
	for _, digest := range w.demand {
		told[digest]++
	}
	equal(t, "times demand was told", told, map[artifact.Digest]int{d: 4, last: 1})
	equal(t, "sets", w.sets, 0)
	must(t, s.UpdateDistributions(c, func(map[string]api.Distribution) ([]api.Distribution, []string, error) {
		return []api.Distribution{{Name: "a"}}, nil, nil
	}))
	w.await("a changed set", func(v *viewer) bool { return v.sets == 1 })
}

// manyJoins: whatever the order in which deltas and snapshots came, all
// watchers end with the same.
func manyJoins(t *testing.T, b Backend) {
	s, c := b.open(t), ctx(t)
	k := group(t, "ams1/rsn-1")
	const members, watchers = 200, 6
	early := make([]*viewer, watchers)
	for i := range early {
		early[i] = watch(t, s)
		if i%2 == 0 {
			early[i].AddGroup(k)
		}
	}
	errs := make([]error, members)
	var wg sync.WaitGroup
	for i := range members {
		wg.Go(func() { errs[i] = crowd(c, s, k, i) })
	}
	for i := range early {
		early[i].AddGroup(k)
	}
	wg.Wait()
	must(t, errors.Join(errs...))
	want := read(t, s, k)
	equal(t, "members", len(want.Members), members-members/10)
	for _, w := range early {
		w.await("the last version", func(v *viewer) bool { return v.groups[k].Version >= want.Version })
		equal(t, "snapshot", w.groups[k], want)
	}
}

// crowd is what the i-th of many members does: every tenth leaves again, some
// take slots.
func crowd(c context.Context, s *store.Store, k store.GroupKey, i int) error {
	node := unit.NodeID(fmt.Sprintf("n%03d", i))
	err := errors.Join(s.JoinGroup(c, k, member(node, 0), long), s.JoinGroup(c, k, member(node, i), long))
	if i%7 == 0 {
		_, _, claimErr := s.ClaimSlot(c, k, node, 5, long)
		err = errors.Join(err, claimErr)
	}
	if i%10 == 0 {
		err = errors.Join(err, s.LeaveGroup(c, k, node))
	}
	return err
}

// watchedGroupsExpire: nobody touches the group, and yet the watcher hears who
// is gone.
func watchedGroupsExpire(t *testing.T, b Backend) {
	s, c := b.open(t), ctx(t)
	k := group(t, "ams1")
	w := watch(t, s)
	w.AddGroup(k)
	must(t, s.JoinGroup(c, k, member("a", 0), long))
	must(t, s.JoinGroup(c, k, member("b", 0), 2*time.Second))
	_, _, err := s.ClaimSlot(c, k, "b", 1, 2*time.Second)
	must(t, err)
	w.await("both", func(v *viewer) bool { return len(v.groups[k].Members) == 2 && len(v.groups[k].Slots) == 1 })
	w.await("one", func(v *viewer) bool { return len(v.groups[k].Members) == 1 && len(v.groups[k].Slots) == 0 })
}

func removedGroupsAreSilent(t *testing.T, b Backend) {
	s, c := b.open(t), ctx(t)
	k, other := group(t, "ams1"), group(t, "ams2")
	w := watch(t, s)
	w.AddGroup(k)
	w.AddGroup(other)
	w.await("both", func(v *viewer) bool { return len(v.groups) == 2 })
	w.RemoveGroup(k)
	delete(w.groups, k)
	must(t, s.JoinGroup(c, k, member("a", 0), long))
	must(t, s.JoinGroup(c, other, member("a", 0), long))
	w.await("the other", func(v *viewer) bool { return len(v.groups[other].Members) == 1 })
	equal(t, "groups told", len(w.groups), 1)
	w.RemoveGroup(other)
	w.AddGroup(other)
	w.AddGroup(k)
	delete(w.groups, other)
	w.await("both again", func(v *viewer) bool { return len(v.groups) == 2 })
	must(t, s.JoinGroup(c, other, member("b", 0), long))
	w.await("a change", func(v *viewer) bool { return len(v.groups[other].Members) == 2 })
}

// slowReceiver takes nothing while much happens: others are not held up, and it
// gets the latest in the end.
func slowReceiver(t *testing.T, b Backend) {
	s, c := b.open(t), ctx(t)
	k := group(t, "ams1")
	idle, busy := watch(t, s), watch(t, s)
	idle.AddGroup(k)
	busy.AddGroup(k)
	for i := range 50 {
		must(t, s.JoinGroup(c, k, member("a", i), long))
		must(t, s.SetPending(c, k.Digest, "a", "", long))
		must(t, s.ClearPending(c, k.Digest, "a"))
	}
	want := read(t, s, k)
	latest := func(v *viewer) bool { return v.groups[k].Version == want.Version }
	busy.await("the latest", latest)
	idle.await("the latest", latest)
}

func watchEnds(t *testing.T, b Backend) {
	s := b.open(t)
	c, cancel := context.WithCancel(t.Context())
	w := s.Watch(c)
	w.AddGroup(group(t, ""))
	if ev := <-w.Events(); ev != (store.Up{}) {
		t.Fatalf("first event: %#v", ev)
	}
	cancel()
	timeout := time.After(deadline)
	for {
		select {
		case _, open := <-w.Events():
			if !open {
				return
			}
		case <-timeout:
			t.Fatal("the channel is not closed")
		}
	}
}
