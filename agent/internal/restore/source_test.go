package restore

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/pluginapi"
)

func TestSourceIsCapturedAndLeftAsItWas(t *testing.T) {
	w := newWorld(t)
	w.install(toyData{Cluster: "c1", Content: "new"}, true)
	w.must(os.Chmod(w.data, 0o750))
	before := snapshot(t, w.data)
	w.source()
	w.follow(api.GoalProbe, api.GoalCapture)
	j := w.journal()
	r := j.Report()
	if r.State != api.PartCaptured || r.Digest != digest || r.Size != 7 || r.Pin == "" || r.TakenAt.IsZero() || r.VerifiedAt.IsZero() {
		t.Fatalf("%+v: %v", r, r.Error)
	}
	if got, want := *r.Content, contentNew; got.ClusterID != want.ClusterID || got.Engine != want.Engine || got.Driver != want.Driver {
		t.Errorf("content %+v", got)
	}
	dir := w.served.paths[digest]
	f, err := os.Open(dir)
	w.must(err)
	defer f.Close()
	m, err := readManifest(f)
	w.must(err)
	if m.Content != *r.Content || m.Database != "main" || m.Run != "r1" || m.Node != "db1" || m.Name != "r1" || !m.TakenAt.Equal(r.TakenAt) {
		t.Errorf("manifest %+v", m)
	}
	if d, err := readToy(filepath.Join(dir, "data")); err != nil || d.Content != "new" || modeOf(filepath.Join(dir, "data")).Perm() != 0o750 {
		t.Errorf("captured %+v, %v, mode %v", d, err, modeOf(filepath.Join(dir, "data")))
	}
	w.secretFree()

	w.follow(api.GoalEnd)
	if j := w.journal(); j.State != api.PartEnded || !j.Done() {
		t.Errorf("%s, done %v: %v", j.State, j.Done(), j.Error)
	}
	w.leftNothing()
	w.stands("new", true)
	if after := snapshot(t, w.data); !slices.Equal(before, after) {
		t.Errorf("before: %q\nafter: %q", before, after)
	}
}

// leftNothing checks that a source has let go of everything.
func (w *world) leftNothing() {
	w.Helper()
	if got := append(w.beside(), w.listed("pins")...); len(got) != 0 {
		w.Errorf("left: %q", got)
	}
	if len(w.served.paths) != 0 {
		w.Errorf("still served: %v", w.served.paths)
	}
	if all, err := w.store.Artifacts(w.Context()); err != nil || len(all) != 0 {
		w.Errorf("artifacts of nobody: %+v, %v", all, err)
	}
}

// The agent dies anywhere, and goes on, or is told to end.
func TestSourceOutlivesItsAgent(t *testing.T) {
	for _, goal := range []api.PartGoal{api.GoalCapture, api.GoalEnd} {
		for n := 0; ; n++ {
			over := false
			for _, where := range []cut{prepared, performed, taken} {
				t.Run(fmt.Sprintf("then=%s/operation=%d/cut=%d", goal, n, where), func(t *testing.T) {
					w := newWorld(t)
					w.install(newer, true)
					w.source()
					left := n
					died := w.steps(api.GoalCapture, &left, where) != nil || w.steps(api.GoalEnd, &left, where) != nil
					over = !died
					w.open()
					if goal == api.GoalCapture && len(w.listed("pins")) > 0 {
						w.follow(api.GoalCapture)
						if s := w.journal().State; s != api.PartCaptured && s != api.PartEnded {
							t.Errorf("%s: %v", s, w.journal().Error)
						}
					}
					w.follow(api.GoalEnd)
					if j := w.journal(); j.State != api.PartEnded || !j.Done() {
						t.Errorf("%s, done %v: %v", j.State, j.Done(), j.Error)
					}
					w.leftNothing()
					w.stands("new", true)
				})
			}
			if over {
				break
			}
		}
	}
}

// What a distribution needs stays on record when its source has let go of it.
func TestArtifactOfABackupStays(t *testing.T) {
	w := newWorld(t)
	w.install(newer, true)
	w.source()
	w.follow(api.GoalCapture)
	err := w.store.UpdateDistributions(t.Context(), func(map[string]api.Distribution) ([]api.Distribution, []string, error) {
		return []api.Distribution{{Name: "backup-b1", Digest: digest, Path: "/srv/b1"}}, nil, nil
	})
	w.must(err)
	w.follow(api.GoalEnd)
	a, err := w.store.Artifact(t.Context(), digest)
	if err != nil || len(a.Seeds) != 0 {
		t.Errorf("%+v, %v; want the record without a seed", a, err)
	}
	if got := w.beside(); len(got) != 0 {
		t.Errorf("left: %q", got)
	}
}

// An engine that cannot hold its log is captured all the same.
func TestSourceWithoutPins(t *testing.T) {
	w := newWorld(t)
	w.install(newer, true)
	w.source()
	w.before(func(method string) error {
		if method == "Pin" || method == "Unpin" {
			return &pluginapi.Error{Code: pluginapi.CodeUnsupported, Message: "no such thing"}
		}
		return nil
	})
	w.follow(api.GoalCapture)
	if j := w.journal(); j.State != api.PartCaptured || j.Report().Pin != "" {
		t.Errorf("%s: %v", j.State, j.Error)
	}
	w.follow(api.GoalEnd)
	w.leftNothing()
}

// A log that is given up later ends the part.
func TestPinThatIsLost(t *testing.T) {
	w := newWorld(t)
	w.install(newer, true)
	w.source()
	w.follow(api.GoalCapture)
	for _, pin := range w.listed("pins") {
		w.must(os.Remove(filepath.Join(w.dir, "pins", pin)))
	}
	p := w.part()
	op := p.next()
	p.takeIn(op, p.attempt(t.Context(), op))
	if j := w.journal(); j.State != api.PartFailed || j.Error.Code != api.CodePinLost {
		t.Errorf("%s: %v", j.State, j.Error)
	}
	w.follow(api.GoalEnd)
	w.leftNothing()
}

func TestSourceIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*world)
		code  string
	}{
		"nothing there": {func(*world) {}, api.CodeState},
		"damaged": {func(w *world) {
			w.install(newer, true)
			w.before(func(method string) error {
				if method == "Verify" {
					return &pluginapi.Error{Code: pluginapi.CodeCorrupt, Subject: "base/1", Message: "checksums differ"}
				}
				return nil
			})
		}, api.CodeCorrupt},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c.spoil(w)
			w.source()
			w.follow(api.GoalCapture)
			if j := w.journal(); j.State != api.PartFailed || j.Error == nil || j.Error.Code != c.code {
				t.Errorf("%s: %v", j.State, j.Error)
			}
			w.follow(api.GoalEnd)
			w.leftNothing()
		})
	}
}
