package control_test

import (
	"slices"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
)

// A node that is down is listed with the roots that it told last, until it is forgotten: who
// looks for where content may be installed can tell it from one that is alive.
func TestRootsOfNodesThatAreDown(t *testing.T) {
	f := serve(t, nil)
	for name, roots := range map[string][]string{"web1": {"/srv/app", "/srv/www"}, "web2": {"/srv/app"}, "web3": nil} {
		f.must(f.store.PutNode(f.ctx, api.Node{Name: name, Location: "ams1/r1", DataAddr: "127.0.0.1:1", LastSeen: time.Now(), Roots: roots}, time.Hour))
	}
	f.must(f.store.RemoveNode(f.ctx, "web1"))
	wantNodes := func(want ...api.Node) {
		t.Helper()
		nodes, err := f.client.Nodes(f.ctx)
		f.must(err)
		if !slices.EqualFunc(nodes, want, func(a, b api.Node) bool {
			return a.Name == b.Name && a.Alive == b.Alive && slices.Equal(a.Roots, b.Roots)
		}) {
			t.Errorf("listed %+v, want %+v", nodes, want)
		}
	}
	up, untold := api.Node{Name: "web2", Alive: true, Roots: []string{"/srv/app"}}, api.Node{Name: "web3", Alive: true}
	wantNodes(api.Node{Name: "web1", Roots: []string{"/srv/app", "/srv/www"}}, up, untold)
	f.must(f.client.ForgetNode(f.ctx, "web1"))
	wantNodes(up, untold)
}
