package fleet

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
		{"what the server sets", func(d *api.Distribution) {
			d.Generation, d.VerifyGeneration, d.State, d.Activated, d.Previous = 99, 99, "x", 99, "d9"
		}, false, 5},
		{"order of locations", func(d *api.Distribution) { d.Selector.Locations = []string{"fra1", "ams1"} }, false, 5},
		{"allow_empty", func(d *api.Distribution) { d.AllowEmpty = true }, true, 5},
		{"priority", func(d *api.Distribution) { d.Priority = "urgent" }, true, 5},
		{"normal is the default", func(d *api.Distribution) { d.Priority = "normal" }, false, 5},
		{"windows", func(d *api.Distribution) { d.Windows = []string{"daily 08:00-18:00 1Mbit"} }, true, 5},
		{"digest", func(d *api.Distribution) { d.Digest = "d2" }, true, 6},
		{"path", func(d *api.Distribution) { d.Path = "/srv/b" }, true, 6},
		{"locations", func(d *api.Distribution) { d.Selector.Locations = nil }, true, 6},
		{"labels", func(d *api.Distribution) { d.Selector.Labels = nil }, true, 6},
		{"node names", func(d *api.Distribution) { d.Selector.NodeNames = []string{"web1"} }, true, 6},
		{"owner", func(d *api.Distribution) { d.Owner = "www" }, true, 6},
		{"group", func(d *api.Distribution) { d.Group = "www" }, true, 6},
		{"mode", func(d *api.Distribution) { d.Mode = "0755" }, true, 6},
		{"overwrite", func(d *api.Distribution) { d.Overwrite = true }, true, 6},
		{"each is the default", func(d *api.Distribution) { d.Activate = api.ActivateEach }, false, 5},
		{"together", func(d *api.Distribution) { d.Activate = api.ActivateTogether }, true, 6},
		{"keep_previous", func(d *api.Distribution) { d.KeepPrevious = true }, true, 6},
		{"hooks before", func(d *api.Distribution) { d.Hooks.Before = []string{"drain"} }, true, 6},
		{"hooks after", func(d *api.Distribution) { d.Hooks.After = []string{"check"} }, true, 6},
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

// The versions of a distribution one after the other: what may be switched to,
// and what a rollback returns to.
func TestVersionsInTurn(t *testing.T) {
	now := time.Unix(200, 0)
	d := api.Distribution{Name: "app", Digest: "a", Path: "/srv/app", State: api.StatePresent, Generation: 1}
	put := func(change func(*api.Distribution)) func(api.Distribution) (api.Distribution, error) {
		return func(d api.Distribution) (api.Distribution, error) {
			wanted := d
			change(&wanted)
			next, _ := revise(&d, wanted, nil, now)
			return next, nil
		}
	}
	version := func(digest string) func(api.Distribution) (api.Distribution, error) {
		return put(func(d *api.Distribution) { d.Digest = digest })
	}
	activate := func(d api.Distribution) (api.Distribution, error) { return toActivated(d, nil, now) }
	rollback := func(d api.Distribution) (api.Distribution, error) { return toPrevious(d, now) }
	for _, step := range []struct {
		name             string
		do               func(api.Distribution) (api.Distribution, error)
		digest, previous string
		generation       int64
		may              bool
	}{
		{"b", version("b"), "b", "a", 2, true},
		{"back", rollback, "a", "b", 3, true},
		{"and forth", rollback, "b", "a", 4, true},
		{"together from now on", put(func(d *api.Distribution) { d.Activate = api.ActivateTogether }), "b", "a", 5, true},
		{"more nodes", put(func(d *api.Distribution) { d.Selector.Locations = []string{"ams1"} }), "b", "a", 6, true},
		{"c is staged", version("c"), "c", "b", 7, false},
		{"on more nodes", put(func(d *api.Distribution) { d.Selector.Locations = nil }), "c", "b", 8, false},
		{"d overtakes it", version("d"), "d", "b", 9, false},
		{"activated", activate, "d", "b", 9, true},
		{"again", activate, "d", "b", 9, true},
		{"e is staged", version("e"), "e", "d", 10, false},
		{"given up", rollback, "d", "", 11, false},
		{"activated too", activate, "d", "", 11, true},
		{"f is staged", version("f"), "f", "d", 12, false},
		{"not together any more", put(func(d *api.Distribution) { d.Activate = "" }), "f", "d", 13, true},
	} {
		next, err := step.do(d)
		if err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if next.Digest != step.digest || next.Previous != step.previous || next.Generation != step.generation || next.MaySwitch() != step.may {
			t.Fatalf("%s: %+v, may switch %v; want %+v", step.name, next, next.MaySwitch(), step)
		}
		d = next
	}
	if _, err := toPrevious(api.Distribution{Name: "app", State: api.StatePresent}, now); err == nil {
		t.Error("a distribution without a version before was rolled back")
	}
	gone := toAbsent(d, now)
	if _, err := toPrevious(gone, now); err == nil {
		t.Error("what is being removed was rolled back")
	}
	if _, err := toActivated(gone, nil, now); err == nil {
		t.Error("what is being removed was activated")
	}
}

// A version that hooks refused everywhere never stood: what is put after it has
// the one before as its previous version, which the nodes keep.
func TestRefusedVersionIsNoPrevious(t *testing.T) {
	good := api.Distribution{Name: "app", Digest: "bad", Previous: "good", Path: "/srv/app", State: api.StatePresent, Generation: 4}
	refused := func(node string, generation int64) api.NodeStatus {
		return api.NodeStatus{Node: node, Digest: "bad", Generation: generation, Phase: api.PhaseFailed, Error: &api.Error{Code: api.CodeRefused}}
	}
	stands := api.NodeStatus{Node: "c", Digest: "bad", Generation: 4, Phase: api.PhaseInstalled}
	broken := api.NodeStatus{Node: "c", Digest: "bad", Generation: 4, Phase: api.PhaseFailed, Error: &api.Error{Code: api.CodeIO}}
	for _, c := range []struct {
		name    string
		reports []api.NodeStatus
		want    string
	}{
		{"nobody says anything", nil, "bad"},
		{"refused everywhere", []api.NodeStatus{refused("a", 4), refused("b", 4)}, "good"},
		{"it stands somewhere", []api.NodeStatus{refused("a", 4), stands}, "bad"},
		{"it may stand somewhere", []api.NodeStatus{refused("a", 4), broken}, "bad"},
		{"refused before it was asked for again", []api.NodeStatus{refused("a", 3)}, "bad"},
	} {
		wanted := good
		wanted.Digest = "next"
		if next, _ := revise(&good, wanted, c.reports, time.Unix(200, 0)); next.Previous != c.want {
			t.Errorf("%s: the previous version is %q, want %q", c.name, next.Previous, c.want)
		}
	}
}

// Nodes where a hook refused are asked again, and nobody else is disturbed.
func TestActivateAsksOnceMore(t *testing.T) {
	now := time.Unix(200, 0)
	d := api.Distribution{Name: "app", Digest: "a", State: api.StatePresent, Generation: 4}
	refusal := api.NodeStatus{Node: "web1", Digest: "a", Generation: 4, Phase: api.PhaseFailed, Error: &api.Error{Code: api.CodeRefused}}
	if next, _ := toActivated(d, []api.NodeStatus{{Phase: api.PhaseInstalled, Digest: "a", Generation: 4}}, now); next.Generation != 4 {
		t.Errorf("nothing was refused: %+v", next)
	}
	if next, _ := toActivated(d, []api.NodeStatus{refusal}, now); next.Generation != 5 || next.Activated != 0 {
		t.Errorf("refused: %+v", next)
	}
	d.Activate = api.ActivateTogether
	if next, _ := toActivated(d, []api.NodeStatus{refusal}, now); next.Generation != 4 || next.Activated != 4 {
		t.Errorf("refused before the switch: %+v", next)
	}
	d.Activated = 4
	if next, _ := toActivated(d, []api.NodeStatus{refusal}, now); next.Generation != 5 || next.Activated != 5 {
		t.Errorf("refused after the switch: %+v", next)
	}
	refusal.Generation = 3
	if next, _ := toActivated(d, []api.NodeStatus{refusal}, now); next.Generation != 4 {
		t.Errorf("refused the generation before: %+v", next)
	}
}
