package reconcile

import (
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
)

func TestUpkeepOfWhatStands(t *testing.T) {
	_, one, two := theWorld(t)
	standing := wants("web", one)
	newer, elsewhere := wants("web", two), wants("web", one)
	elsewhere.Path = "/srv/elsewhere"
	taken, untrusted := Refuse{Error: api.Error{Code: api.CodeConflict}}, Refuse{Error: api.Error{Code: api.CodeUntrusted}}
	for _, c := range []struct {
		name    string
		task    Task
		wanted  api.Distribution
		drifted bool
		waits   bool
		want    Task
	}{
		{"path is taken", taken, elsewhere, false, true, Check{}},
		{"path is taken, damaged", taken, elsewhere, true, true, Repair{one, 1}},
		{"refused while its next try is due", taken, elsewhere, true, false, Repair{one, 1}},
		{"new version is refused, damaged", untrusted, newer, true, true, Repair{one, 1}},
		{"refused itself, damaged", untrusted, standing, true, true, Check{}},
		{"move waits, damaged", Replace{one, 2}, elsewhere, true, true, Repair{one, 1}},
		{"move is due", Replace{one, 2}, elsewhere, true, false, nil},
		{"new version waits for another try", Replace{two, 2}, newer, true, true, Repair{one, 1}},
		{"new version is to be staged", Stage{two, 2}, newer, true, false, nil},
		{"staging waits for another try", Stage{two, 2}, newer, false, true, Check{}},
		{"staged", Wait{2}, newer, false, false, Check{}},
		{"staged, damaged meanwhile", Wait{2}, newer, true, false, Repair{one, 1}},
		{"nothing else is wanted", Check{}, standing, false, true, nil},
		{"on its way out", Remove{2}, standing, false, true, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := recall(stands(standing))
			x.task, x.wanted, x.rec.Drifted = c.task, &c.wanted, c.drifted
			if c.waits {
				x.retryAt = epoch.Add(time.Second)
			}
			if got := x.upkeep(epoch); got != c.want {
				t.Errorf("upkeep is %T%+v, want %T%+v", got, got, c.want, c.want)
			}
		})
	}
}

func TestWhatStandsIsKeptWhileItsMoveIsRefused(t *testing.T) {
	for _, c := range []struct {
		name, code string
		to         func(t *testing.T, other api.Distribution) string
	}{
		{"taken", api.CodeConflict, func(_ *testing.T, other api.Distribution) string { return filepath.Join(other.Path, "dir0") }},
		{"outside", api.CodeOutsideRoots, func(t *testing.T, _ api.Distribution) string { return filepath.Join(t.TempDir(), "site") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFleet(t)
			seed, web := f.add("seed"), f.add("web")
			tree := bigFiles(3, "content")
			m := seed.publish(tree, "site", publisher)
			other := f.want(web.on("other", m.Digest().String()))
			web.untilInstalled(other)
			d := f.want(web.on("site", m.Digest().String()))
			web.untilInstalled(d)
			before := d.Path
			d.Path = c.to(t, other)
			d = f.want(d)
			web.untilFailed("site", c.code)

			web.damageAndWait(before, tree)
			web.until("site", "a repair is reported", func(s api.NodeStatus) bool {
				return s.Repaired >= 1 && !s.Drifted && s.Phase == api.PhaseFailed && s.Error.Code == c.code && s.Generation == d.Generation
			})
			web.restart()
			web.damageAndWait(before, tree)

			d.Path = before
			web.untilInstalled(f.want(d))
			mustStand(t, web, before, tree)
			mustStand(t, web, other.Path, tree)
		})
	}
}

func (n *node) damageAndWait(dir string, tree files) {
	n.f.t.Helper()
	if err := os.Remove(filepath.Join(dir, "dir1/file1")); err != nil {
		n.f.t.Fatal(err)
	}
	n.f.eventually("what stands is repaired", func() bool { return maps.Equal(at(n.f.t, dir), tree) })
}
