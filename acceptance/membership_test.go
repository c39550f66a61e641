package acceptance

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/fleet"
	"github.com/rackswarm/rackswarm/core/api"
)

// A fleet knows its nodes: those that are up, and those that are down but were
// there.
func TestMembership(t *testing.T) {
	for name, o := range map[string]fleet.Options{
		"embedded store": {},
		"Redis":          {Redis: true},
		"without TLS":    {Plain: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o.Nodes = slices.Concat(fleet.Racks("ams1/r1", 2), fleet.Racks("ams1/r2", 1))
			f := fleet.Start(t, o)
			last := f.Agent("ams1-r2-1")
			if got := nodes(f); len(got) != 3 || got[2].Location != "ams1/r2" || got[2].DataAddr != last.DataAddr {
				t.Fatalf("nodes are %+v", got)
			}
			last.Kill()
			fleet.Eventually(t, time.Minute, "a killed node is listed as down", func() error {
				if n := nodes(f)[2]; n.Alive {
					return fmt.Errorf("%+v is alive", n)
				}
				return nil
			})
			last.Restart()
			if got := nodes(f); len(got) != 3 {
				t.Fatalf("after the restart, nodes are %+v", got)
			}
		})
	}
}

func nodes(f *fleet.Fleet) []api.Node {
	var list api.NodeList
	f.JSON(&list, "nodes")
	return list.Nodes
}
