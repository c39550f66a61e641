package storetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/store"
)

const (
	short = 150 * time.Millisecond // a lease that the test lets expire
	long  = time.Hour
)

func nodesExpire(t *testing.T, b Backend) {
	s, c := b.open(t), ctx(t)
	seen := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	n := api.Node{Name: "b", Location: "ams1/rsn-1", Labels: map[string]string{"role": "web"}, DataAddr: "b:1", LastSeen: seen}
	must(t, s.PutNode(c, n, short))
	must(t, s.PutNode(c, api.Node{Name: "a"}, long))
	alive := func() map[string]bool {
		nodes, err := s.Nodes(c)
		must(t, err)
		all := map[string]bool{}
		for _, n := range nodes {
			all[n.Name] = n.Alive
		}
		return all
	}
	eventually(t, "alive", map[string]bool{"a": true, "b": false}, alive)
	nodes, err := s.Nodes(c)
	must(t, err)
	equal(t, "last record, after a", nodes[1], n)
	must(t, s.PutNode(c, n, long))
	equal(t, "alive again", alive(), map[string]bool{"a": true, "b": true})
	must(t, s.RemoveNode(c, "a"))
	equal(t, "signed off", alive(), map[string]bool{"a": false, "b": true})
}

func nodesForgotten(t *testing.T, b Backend) {
	s, c := b.open(t), ctx(t)
	must(t, s.PutNode(c, api.Node{Name: "a"}, long))
	must(t, s.ForgetNode(c, "a"))
	nodes, err := s.Nodes(c)
	must(t, err)
	equal(t, "nodes", nodes, []api.Node{})
	wantNotFound(t, s.ForgetNode(c, "a"), "a")
	var apiErr *api.Error
	if err := s.PutNode(c, api.Node{Name: `a"]`}, long); !errors.As(err, &apiErr) || apiErr.Code != api.CodeInvalid {
		t.Fatalf("a name that needs quoting: got %v", err)
	}
}

func wantNotFound(t *testing.T, err error, subject string) {
	t.Helper()
	var apiErr *api.Error
	if !errors.Is(err, store.ErrNotFound) || !errors.As(err, &apiErr) {
		t.Fatalf("got %v, want ErrNotFound", err)
	}
	equal(t, "code and subject", []string{apiErr.Code, apiErr.Subject}, []string{api.CodeNotFound, subject})
}

func artifacts(t *testing.T, b Backend) {
	s, c := b.open(t), ctx(t)
	one := api.Artifact{Digest: digest("1").String(), Name: "one", SizeBytes: 1 << 40, Seeds: []string{"x", "y"}, Source: "/srv/one"}
	two := api.Artifact{Digest: digest("2").String(), Name: "two", Seeds: []string{}}
	_, err := s.Artifact(c, one.Digest)
	wantNotFound(t, err, one.Digest)
	must(t, s.PutArtifact(c, two))
	must(t, s.PutArtifact(c, one))
	got, err := s.Artifact(c, one.Digest)
	must(t, err)
	equal(t, "artifact", got, one)
	all, err := s.Artifacts(c)
	must(t, err)
	equal(t, "artifacts", all, []api.Artifact{one, two})
	must(t, s.DeleteArtifact(c, one.Digest))
	wantNotFound(t, s.DeleteArtifact(c, one.Digest), one.Digest)
	all, err = s.Artifacts(c)
	must(t, err)
	equal(t, "what is left", all, []api.Artifact{two})
}

func seeds(t *testing.T, b Backend) {
	s, c := b.open(t), ctx(t)
	a := api.Artifact{Digest: digest("1").String(), Seeds: []string{"z", "y"}}
	wantNotFound(t, s.AddSeed(c, a.Digest, "x"), a.Digest)
	must(t, s.PutArtifact(c, a))
	for _, node := range []string{"a", "z", "b"} {
		must(t, s.AddSeed(c, a.Digest, node))
	}
	get := func() []string {
		got, err := s.Artifact(c, a.Digest)
		must(t, err)
		return got.Seeds
	}
	equal(t, "in the order they came", get(), []string{"z", "y", "a", "b"})
	must(t, s.RemoveSeed(c, a.Digest, "y"))
	must(t, s.RemoveSeed(c, a.Digest, "nobody"))
	a.Seeds = []string{"b"}
	must(t, s.PutArtifact(c, a))
	equal(t, "published again by b", get(), []string{"b", "z", "a"})
}

func seedTroubles(t *testing.T, b Backend) {
	s, c := b.open(t), ctx(t)
	a := api.Artifact{Digest: digest("1").String(), Seeds: []string{"z", "y"}}
	changed := func(node string) api.SeedTrouble {
		return api.SeedTrouble{Node: node, Error: api.Error{Code: api.CodeSourceUnsuited, Subject: "/srv/" + node}}
	}
	must(t, s.PutArtifact(c, a))
	wantNotFound(t, s.PutSeedTrouble(c, a.Digest, changed("x")), "x")
	for _, node := range []string{"z", "y"} {
		must(t, s.PutSeedTrouble(c, a.Digest, changed(node)))
	}
	get := func() []api.SeedTrouble {
		one, err := s.Artifact(c, a.Digest)
		must(t, err)
		all, err := s.Artifacts(c)
		must(t, err)
		equal(t, "in the list", all[0].Troubles, one.Troubles)
		return one.Troubles
	}
	equal(t, "by name", get(), []api.SeedTrouble{changed("y"), changed("z")})
	must(t, s.PutSeedTrouble(c, a.Digest, api.SeedTrouble{Node: "z"}))
	equal(t, "z is mended", get(), []api.SeedTrouble{changed("y")})
	a.Troubles = []api.SeedTrouble{changed("z")} // as read before
	must(t, s.PutArtifact(c, a))
	equal(t, "recorded again", get(), []api.SeedTrouble{changed("y")})
	must(t, s.RemoveSeed(c, a.Digest, "y"))
	equal(t, "withdrawn", len(get()), 0)
	must(t, s.PutSeedTrouble(c, a.Digest, changed("z")))
	must(t, s.DeleteArtifact(c, a.Digest))
	must(t, s.PutArtifact(c, a))
	equal(t, "deleted with the artifact", len(get()), 0)
}

func distributions(t *testing.T, b Backend) {
	s, c := b.open(t), ctx(t)
	put := func(names ...string) store.Update {
		return func(map[string]api.Distribution) (out []api.Distribution, _ []string, _ error) {
			for _, name := range names {
				out = append(out, api.Distribution{Name: name, Path: "/srv/" + name})
			}
			return out, nil, nil
		}
	}
	must(t, s.UpdateDistributions(c, put("b", "a", "c")))
	must(t, s.UpdateDistributions(c, func(all map[string]api.Distribution) ([]api.Distribution, []string, error) {
		d := all["a"]
		d.Generation++
		return []api.Distribution{d}, []string{"b"}, nil
	}))
	got, err := s.Distributions(c)
	must(t, err)
	equal(t, "distributions", got, []api.Distribution{{Name: "a", Path: "/srv/a", Generation: 1}, {Name: "c", Path: "/srv/c"}})
	refuse := &api.Error{Code: api.CodeConflict, Subject: "x"}
	err = s.UpdateDistributions(c, func(map[string]api.Distribution) ([]api.Distribution, []string, error) {
		return nil, []string{"a"}, refuse
	})
	if err != error(refuse) { //nolint:errorlint // the same error, not one around it
		t.Fatalf("the update's own error: got %v", err)
	}
	got, err = s.Distributions(c)
	must(t, err)
	equal(t, "number after a refused update", len(got), 2)
}

// updatesAreTransactions counts up from many sides: none is lost.
func updatesAreTransactions(t *testing.T, b Backend) {
	s, c := b.open(t), ctx(t)
	const writers, each = 6, 5
	increment := func(all map[string]api.Distribution) ([]api.Distribution, []string, error) {
		return []api.Distribution{{Name: "n", Generation: all["n"].Generation + 1}}, nil, nil
	}
	var wg sync.WaitGroup
	errs := make([]error, writers)
	for i := range writers {
		wg.Go(func() {
			for range each {
				errs[i] = errors.Join(errs[i], s.UpdateDistributions(c, increment))
			}
		})
	}
	wg.Wait()
	must(t, errors.Join(errs...))
	got, err := s.Distributions(c)
	must(t, err)
	equal(t, "count", got[0].Generation, int64(writers*each))
}

func statuses(t *testing.T, b Backend) {
	s, c := b.open(t), ctx(t)
	for i, node := range []string{"c", "a", "b"} {
		must(t, s.PutStatus(c, "one", api.NodeStatus{Node: node, Location: fmt.Sprint("r", i/2)}))
	}
	must(t, s.PutStatus(c, "one", api.NodeStatus{Node: "c", Location: "r0", BytesDone: 7}))
	must(t, s.PutStatus(c, "two", api.NodeStatus{Node: "a"}))
	names := func(dist string) []string {
		all, err := s.Statuses(c, dist)
		must(t, err)
		return slices.Collect(func(yield func(string) bool) {
			for _, st := range all {
				if !yield(fmt.Sprint(st.Location, "/", st.Node, " ", st.BytesDone)) {
					return
				}
			}
		})
	}
	equal(t, "by location, then name", names("one"), []string{"r0/a 0", "r0/c 7", "r1/b 0"})
	must(t, s.DeleteStatuses(c, "one"))
	equal(t, "deleted", len(names("one")), 0)
	equal(t, "the other", len(names("two")), 1)
}

func statusHints(t *testing.T, b Backend) {
	s, c := b.open(t), ctx(t)
	one, other := s.StatusHints(c, "one"), s.StatusHints(c, "other")
	hinted := func(hints <-chan struct{}, dist string) {
		eventually(t, "a hint of "+dist, true, func() bool {
			must(t, s.AnnounceStatus(c, dist)) // until it is subscribed
			select {
			case <-hints:
				return true
			default:
				return false
			}
		})
	}
	hinted(one, "one")
	select {
	case <-other:
		t.Error("a hint of another distribution")
	default:
	}
	hinted(other, "other")
	for range 3 { // more than are kept
		must(t, s.AnnounceStatus(c, "one"))
	}
	hinted(one, "one")
}

func pendingExpires(t *testing.T, b Backend) {
	s, c := b.open(t), ctx(t)
	d := digest("d")
	must(t, s.SetPending(c, d, "b", "ams1", short))
	must(t, s.SetPending(c, d, "a", "ams1/rsn-1", long))
	must(t, s.SetPending(c, d, "c", "", long))
	must(t, s.SetPending(c, digest("other"), "x", "", long))
	must(t, s.ClearPending(c, d, "c"))
	must(t, s.ClearPending(c, d, "nobody"))
	eventually(t, "pending", []store.PendingNode{{Node: "a", Location: "ams1/rsn-1"}}, func() []store.PendingNode {
		got, err := s.Pending(c, d)
		must(t, err)
		return got
	})
}

func prefixesAreApart(t *testing.T, b Backend) {
	one, two, c := b.open(t), b.openPrefix(t, "rackswarm:other"), ctx(t)
	k := group(t, "ams1")
	w := watch(t, two)
	w.AddGroup(k)
	w.await("empty group", func(v *viewer) bool { return len(v.groups) == 1 })
	must(t, one.PutNode(c, api.Node{Name: "a"}, long))
	must(t, one.PutArtifact(c, api.Artifact{Digest: digest("1").String()}))
	must(t, one.SetPending(c, k.Digest, "a", "", long))
	must(t, one.JoinGroup(c, k, member("a", 0), long))
	nodes, err := two.Nodes(c)
	must(t, err)
	all, err := two.Artifacts(c)
	must(t, err)
	pending, err := two.Pending(c, k.Digest)
	must(t, err)
	g, err := two.Group(c, k)
	must(t, err)
	equal(t, "what the other sees", len(nodes)+len(all)+len(pending)+len(g.Members), 0)
	must(t, two.JoinGroup(c, k, member("b", 0), long))
	w.await("its own member", func(v *viewer) bool { return len(v.groups[k].Members) == 1 })
	equal(t, "demand heard", len(w.demand), 0)
}
