package reconcile

import (
	"os"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
)

// A node that fetched nothing but the manifest, as its content stood already,
// offers that content to who needs it.
func TestAdoptedContentIsOffered(t *testing.T) {
	f := newFleet(t)
	seed, web := f.add("seed"), f.add("web")
	tree := bigFiles(3, "content")
	m := seed.publish(tree, "site", publisher)
	d := f.want(web.on("site", m.Digest().String()))
	web.untilInstalled(d)
	web.stop()
	if err := os.RemoveAll(web.state); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	web.start()
	web.until("site", "installed again", func(s api.NodeStatus) bool {
		return s.Phase == api.PhaseInstalled && s.UpdatedAt.After(began)
	})
	seed.stop()
	late := f.add("late")
	other := f.want(late.on("other", m.Digest().String()))
	late.untilInstalled(other)
	mustStand(t, late, other.Path, tree)
}
