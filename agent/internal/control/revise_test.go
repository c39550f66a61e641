package control

import (
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
)

func TestRevise(t *testing.T) {
	then, now := time.Unix(100, 0), time.Unix(200, 0)
	old := api.Distribution{Name: "app", Digest: "d1", Path: "/srv/app", State: api.StatePresent, Generation: 5, VerifyGeneration: 2,
		Selector: api.Selector{Locations: []string{"ams1", "fra1"}, Labels: map[string]string{"role": "web"}}, CreatedAt: then, UpdatedAt: then}
	for _, c := range []struct {
		name       string
		change     func(*api.Distribution)
		changed    bool
		generation int64
	}{
		{"nothing", func(*api.Distribution) {}, false, 5},
		{"what the server sets", func(d *api.Distribution) { d.Generation, d.VerifyGeneration, d.State = 99, 99, "x" }, false, 5},
		{"order of locations", func(d *api.Distribution) { d.Selector.Locations = []string{"fra1", "ams1"} }, false, 5},
		{"allow_empty", func(d *api.Distribution) { d.AllowEmpty = true }, true, 5},
		{"digest", func(d *api.Distribution) { d.Digest = "d2" }, true, 6},
		{"path", func(d *api.Distribution) { d.Path = "/srv/b" }, true, 6},
		{"locations", func(d *api.Distribution) { d.Selector.Locations = nil }, true, 6},
		{"labels", func(d *api.Distribution) { d.Selector.Labels = nil }, true, 6},
		{"node names", func(d *api.Distribution) { d.Selector.NodeNames = []string{"web1"} }, true, 6},
		{"owner", func(d *api.Distribution) { d.Owner = "www" }, true, 6},
		{"group", func(d *api.Distribution) { d.Group = "www" }, true, 6},
		{"mode", func(d *api.Distribution) { d.Mode = "0755" }, true, 6},
		{"overwrite", func(d *api.Distribution) { d.Overwrite = true }, true, 6},
	} {
		t.Run(c.name, func(t *testing.T) {
			wanted := old
			c.change(&wanted)
			next, changed := revise(&old, wanted, nil, now)
			if changed != c.changed || next.Generation != c.generation || next.State != api.StatePresent ||
				next.VerifyGeneration != 2 || !next.CreatedAt.Equal(then) {
				t.Errorf("changed %v: %+v", changed, next)
			}
			if stamp := map[bool]time.Time{true: now, false: then}[changed]; !next.UpdatedAt.Equal(stamp) {
				t.Errorf("updated at %v", next.UpdatedAt)
			}
		})
	}
}

func TestReviseNewAndAbsent(t *testing.T) {
	now := time.Unix(200, 0)
	d, changed := revise(nil, api.Distribution{Name: "app", Generation: 7, VerifyGeneration: 7}, nil, now)
	if !changed || d.Generation != 1 || d.VerifyGeneration != 0 || !d.CreatedAt.Equal(now) {
		t.Errorf("new: %+v", d)
	}
	gone := toAbsent(d, now)
	if gone.Generation != 2 || gone.State != api.StateAbsent {
		t.Errorf("absent: %+v", gone)
	}
	if again := toAbsent(gone, now.Add(time.Hour)); again.Generation != 2 || !again.UpdatedAt.Equal(now) {
		t.Errorf("absent again: %+v", again)
	}
	if _, err := toVerify(gone, now); err == nil {
		t.Error("what is being removed can be verified")
	}
	if back, changed := revise(&gone, d, nil, now); !changed || back.Generation != 3 || back.State != api.StatePresent {
		t.Errorf("put again: %+v", back)
	}
}
