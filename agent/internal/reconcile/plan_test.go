package reconcile

import (
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rackswarm/rackswarm/agent/internal/hook"
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/paths"
)

var (
	publisher = ed25519.NewKeyFromSeed([]byte("a publisher key of thirty-two by"))
	stranger  = ed25519.NewKeyFromSeed([]byte("a strangers key of thirty-two by"))
	epoch     = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
)

// planned returns an artifact without content, signed by the publisher.
func planned(t testing.TB, name string) *artifact.Manifest {
	t.Helper()
	b := artifact.NewBuilder(name, artifact.KindTree, artifact.MinPieceLength)
	b.AddDir("", 0o755)
	m, err := b.Build()
	if err != nil {
		t.Fatalf("build manifest %s: %v", name, err)
	}
	return artifact.Sign(m, publisher)
}

// recordOf is what control puts into the store when m is published.
func recordOf(m *artifact.Manifest) api.Artifact {
	return api.Artifact{
		Digest: m.Digest().String(), Name: m.Name(), Kind: m.Kind().String(),
		SizeBytes: int64(m.Size()), ManifestSize: int64(len(m.Encode())),
		Publisher: base64.StdEncoding.EncodeToString(m.Publisher()),
		Signature: base64.StdEncoding.EncodeToString(m.Signature()),
	}
}

// theWorld is a node that trusts the publisher, and artifacts one and two.
func theWorld(t testing.TB) (w World, one, two artifact.Digest) {
	a, b := planned(t, "one"), planned(t, "two")
	return World{
		Node:      api.Node{Name: "web1", Location: "ams1/rsn-1", Labels: map[string]string{"role": "web"}},
		Records:   map[string]*Record{},
		Artifacts: map[string]api.Artifact{a.Digest().String(): recordOf(a), b.Digest().String(): recordOf(b)},
		Trust:     []ed25519.PublicKey{publisher.Public().(ed25519.PublicKey)},
	}, a.Digest(), b.Digest()
}

func wants(name string, d artifact.Digest) api.Distribution {
	return api.Distribution{Name: name, Digest: d.String(), Path: "/srv/" + name, State: api.StatePresent,
		Generation: 1, CreatedAt: epoch}
}

func stands(d api.Distribution) *Record {
	return &Record{Name: d.Name, Wanted: d, Standing: &d, Verified: d.VerifyGeneration}
}

func TestPlanOfOneDistribution(t *testing.T) {
	world, one, two := theWorld(t)
	for _, c := range []struct {
		name   string
		change func(w *World, d *api.Distribution, rec *Record) *Record // nil: no record
		want   Task
	}{
		{"new", func(w *World, d *api.Distribution, rec *Record) *Record { return nil }, Place{one, 1}},
		{"begun before a restart", func(w *World, d *api.Distribution, rec *Record) *Record {
			rec.Standing = nil
			return rec
		}, Place{one, 1}},
		{"stands", func(w *World, d *api.Distribution, rec *Record) *Record { return rec }, Check{}},
		{"new version", func(w *World, d *api.Distribution, rec *Record) *Record {
			d.Digest, d.Generation = two.String(), 2
			return rec
		}, Replace{two, 2}},
		{"new path", func(w *World, d *api.Distribution, rec *Record) *Record {
			d.Path, d.Generation = "/srv/elsewhere", 2
			return rec
		}, Replace{one, 2}},
		{"new mode", func(w *World, d *api.Distribution, rec *Record) *Record {
			d.Mode, d.Generation = "0700", 2
			return rec
		}, Replace{one, 2}},
		{"only the selector is another", func(w *World, d *api.Distribution, rec *Record) *Record {
			d.Selector.Labels, d.Generation = map[string]string{"role": "web"}, 2
			return rec
		}, Adopt{2, 0}},
		{"drifted", func(w *World, d *api.Distribution, rec *Record) *Record {
			rec.Drifted = true
			return rec
		}, Repair{one, 1}},
		{"verify asked for", func(w *World, d *api.Distribution, rec *Record) *Record {
			d.VerifyGeneration = 3
			return rec
		}, Verify{3}},
		{"verify of an earlier distribution of this name", func(w *World, d *api.Distribution, rec *Record) *Record {
			rec.Verified = 7
			return rec
		}, Adopt{1, 0}},
		{"absent", func(w *World, d *api.Distribution, rec *Record) *Record {
			d.State, d.Generation = api.StateAbsent, 2
			return rec
		}, Remove{2}},
		{"absent, never seen", func(w *World, d *api.Distribution, rec *Record) *Record {
			d.State = api.StateAbsent
			return nil
		}, Remove{1}},
		{"absent and removed", func(w *World, d *api.Distribution, rec *Record) *Record {
			d.State = api.StateAbsent
			rec.Standing, rec.Removed = nil, true
			return rec
		}, Removed{}},
		{"wanted again after removal", func(w *World, d *api.Distribution, rec *Record) *Record {
			d.Generation = 2
			rec.Standing, rec.Removed = nil, true
			return rec
		}, Place{one, 2}},
		{"selects others only", func(w *World, d *api.Distribution, rec *Record) *Record {
			d.Selector.NodeNames = []string{"web2"}
			return rec
		}, Forget{}},
		{"selects others only, never seen", func(w *World, d *api.Distribution, rec *Record) *Record {
			d.Selector.Locations = []string{"ams1/rsn-10"}
			return nil
		}, nil},
		{"artifact not trusted any more, but it stands", func(w *World, d *api.Distribution, rec *Record) *Record {
			w.Trust = nil
			return rec
		}, Check{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, d := world, wants("web", one)
			w.Records = map[string]*Record{}
			before := d
			if rec := c.change(&w, &d, stands(before)); rec != nil {
				w.Records[d.Name] = rec
			}
			w.Distributions = []api.Distribution{d}
			if got := Plan(w)[d.Name]; got != c.want {
				t.Errorf("plan is %T%+v, want %T%+v", got, got, c.want, c.want)
			}
		})
	}
}

// What is switched to together is staged and waits; repairs and adoptions never
// do.
func TestPlanOfNodesThatSwitchTogether(t *testing.T) {
	world, one, two := theWorld(t)
	for _, c := range []struct {
		name   string
		change func(d *api.Distribution, rec *Record) *Record // of what stands in generation 1; nil: no record
		want   Task
	}{
		{"new", func(d *api.Distribution, _ *Record) *Record { return nil }, Stage{one, 1}},
		{"new, decided", func(d *api.Distribution, _ *Record) *Record {
			d.Activated = 1
			return nil
		}, Place{one, 1}},
		{"stands", func(_ *api.Distribution, rec *Record) *Record { return rec }, Check{}},
		{"drifted", func(_ *api.Distribution, rec *Record) *Record {
			rec.Drifted = true
			return rec
		}, Repair{one, 1}},
		{"verify", func(d *api.Distribution, rec *Record) *Record {
			d.VerifyGeneration = 2
			return rec
		}, Verify{2}},
		{"only the selector is another", func(d *api.Distribution, rec *Record) *Record {
			d.Generation = 2
			return rec
		}, Adopt{2, 0}},
		{"new version", func(d *api.Distribution, rec *Record) *Record {
			d.Digest, d.Generation = two.String(), 2
			return rec
		}, Stage{two, 2}},
		{"new version, decided", func(d *api.Distribution, rec *Record) *Record {
			d.Digest, d.Generation, d.Activated = two.String(), 2, 2
			return rec
		}, Replace{two, 2}},
		{"staged", func(d *api.Distribution, rec *Record) *Record {
			d.Digest, d.Generation = two.String(), 2
			staged := *d
			rec.staged = &staged
			return rec
		}, Wait{2}},
		{"staged in the generation before", func(d *api.Distribution, rec *Record) *Record {
			d.Digest, d.Generation = two.String(), 2
			staged := *d
			rec.staged, d.Generation = &staged, 3
			return rec
		}, Wait{3}},
		{"staged, decided", func(d *api.Distribution, rec *Record) *Record {
			d.Digest, d.Generation, d.Activated = two.String(), 2, 2
			staged := *d
			rec.staged = &staged
			return rec
		}, Replace{two, 2}},
		{"another one is staged", func(d *api.Distribution, rec *Record) *Record {
			d.Digest, d.Generation = two.String(), 2
			staged := *d
			rec.staged, staged.Digest = &staged, one.String()
			return rec
		}, Stage{two, 2}},
		{"staged before there was a hook", func(d *api.Distribution, rec *Record) *Record {
			d.Digest, d.Generation = two.String(), 2
			staged := *d
			rec.staged, d.Hooks.Before = &staged, []string{"drain"}
			return rec
		}, Stage{two, 2}},
		{"on trial when it was given up", func(d *api.Distribution, rec *Record) *Record {
			trial := *d
			trial.Digest = two.String()
			rec.Trial = &trial
			return rec
		}, Replace{one, 1}},
		{"absent", func(d *api.Distribution, rec *Record) *Record {
			d.State, d.Generation = api.StateAbsent, 2
			return rec
		}, Remove{2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, d := world, wants("web", one)
			w.Records, w.Hooks = map[string]*Record{}, hook.Set{"drain": {}}
			before := d
			d.Activate = api.ActivateTogether
			if rec := c.change(&d, stands(before)); rec != nil {
				w.Records[d.Name] = rec
			}
			w.Distributions = []api.Distribution{d}
			if got := Plan(w)[d.Name]; got != c.want {
				t.Errorf("plan is %T%+v, want %T%+v", got, got, c.want, c.want)
			}
		})
	}
}

func TestPlanOfHooks(t *testing.T) {
	world, one, two := theWorld(t)
	world.Hooks = hook.Set{"drain": {Argv: []string{"/bin/true"}}, "check": {Argv: []string{"/bin/true"}}}
	d := wants("web", two)
	d.Generation, d.Hooks = 2, api.Hooks{Before: []string{"drain"}, After: []string{"check"}}
	world.Distributions = []api.Distribution{d}
	plan := func(set hook.Set, rec *Record) Task {
		w := world
		w.Hooks, w.Records = set, map[string]*Record{"web": rec}
		return Plan(w)["web"]
	}
	if got := plan(world.Hooks, stands(wants("web", one))); got != (Replace{two, 2}) {
		t.Errorf("plan is %T%+v", got, got)
	}
	refusal, ok := plan(hook.Set{"drain": {}}, stands(wants("web", one))).(Refuse)
	if !ok || refusal.Error.Code != api.CodeInvalid || refusal.Error.Subject != "hook check" ||
		!strings.Contains(refusal.Error.Message, "web1") || !strings.Contains(refusal.Error.Fix, "hooks.check.command") {
		t.Errorf("without a hook: %+v", refusal)
	}
	standing := d
	if got := plan(nil, stands(standing)); got != (Check{}) {
		t.Errorf("what stands needs no hooks: %T%+v", got, got)
	}
	rec := stands(wants("web", one))
	rec.Refused = &Refusal{2, world.Hooks.Fingerprint("check"), api.Error{Code: api.CodeRefused, Message: "no"}}
	if got := plan(world.Hooks, rec); got != (Refuse{2, rec.Refused.Error}) {
		t.Errorf("refused: %T%+v", got, got)
	}
	mended := hook.Set{"drain": world.Hooks["drain"], "check": {Argv: []string{"/bin/echo"}}}
	if got := plan(mended, rec); got != (Replace{two, 2}) {
		t.Errorf("refused by another hook: %T%+v", got, got)
	}
	rec.Refused.Generation = 1
	if got := plan(world.Hooks, rec); got != (Replace{two, 2}) {
		t.Errorf("refused the generation before: %T%+v", got, got)
	}
}

func TestPlanForgetsWhatIsNotDesired(t *testing.T) {
	w, one, _ := theWorld(t)
	w.Records["old"] = stands(wants("old", one))
	if got := Plan(w)["old"]; got != (Forget{}) {
		t.Errorf("plan is %T, want Forget", got)
	}
}

func TestPlanRefuses(t *testing.T) {
	world, one, _ := theWorld(t)
	resigned := func(change func(a *api.Artifact)) func(w *World, d *api.Distribution) {
		return func(w *World, d *api.Distribution) {
			a := w.Artifacts[d.Digest]
			change(&a)
			w.Artifacts = map[string]api.Artifact{d.Digest: a}
		}
	}
	strangerKey := base64.StdEncoding.EncodeToString(stranger.Public().(ed25519.PublicKey))
	for _, c := range []struct {
		name    string
		change  func(w *World, d *api.Distribution)
		code    string
		subject string
	}{
		{"unknown artifact", func(w *World, d *api.Distribution) { w.Artifacts = nil }, api.CodeNotFound, one.String()},
		{"no digest", func(w *World, d *api.Distribution) { d.Digest = "md5:1" }, api.CodeInvalid, "web"},
		{"unsigned", resigned(func(a *api.Artifact) { a.Publisher = "" }), api.CodeUntrusted, one.String()},
		{"stranger", resigned(func(a *api.Artifact) { a.Publisher = strangerKey }), api.CodeUntrusted, one.String()},
		{"forged", resigned(func(a *api.Artifact) {
			sig := ed25519.Sign(stranger, []byte("x"))
			a.Signature = base64.StdEncoding.EncodeToString(sig)
		}), api.CodeUntrusted, one.String()},
		{"nobody is trusted", func(w *World, d *api.Distribution) { w.Trust = nil }, api.CodeUntrusted, one.String()},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, d := world, wants("web", one)
			c.change(&w, &d)
			w.Distributions = []api.Distribution{d}
			refusal, ok := Plan(w)["web"].(Refuse)
			if !ok {
				t.Fatalf("plan is %T, want Refuse", Plan(w)["web"])
			}
			if e := refusal.Error; e.Code != c.code || e.Subject != c.subject || e.Fix == "" {
				t.Errorf("error is %+v, want code %s, subject %s and a fix", e, c.code, c.subject)
			}
		})
	}
}

func TestPlanSettlesQuarrelsOverPaths(t *testing.T) {
	world, one, _ := theWorld(t)
	at := func(name, path string, age int) api.Distribution {
		d := wants(name, one)
		d.Path, d.CreatedAt = path, epoch.Add(-time.Duration(age)*time.Hour)
		return d
	}
	for _, c := range []struct {
		name    string
		all     []api.Distribution
		refused map[string]string // name → the winner that is named
	}{
		{"same path, the earlier wins", []api.Distribution{at("a", "/srv/x", 1), at("b", "/srv/x", 2)}, map[string]string{"a": "b"}},
		{"same age, the name decides", []api.Distribution{at("b", "/srv/x", 1), at("a", "/srv/x", 1)}, map[string]string{"b": "a"}},
		{"inside", []api.Distribution{at("a", "/srv/x", 2), at("b", "/srv/x/y/z", 1)}, map[string]string{"b": "a"}},
		{"around", []api.Distribution{at("a", "/srv/x/y", 2), at("b", "/srv", 1)}, map[string]string{"b": "a"}},
		{"beside", []api.Distribution{at("a", "/srv/x", 2), at("b", "/srv/xy", 1)}, nil},
		{"a loser claims nothing", []api.Distribution{at("a", "/srv/x", 3), at("b", "/srv", 2), at("c", "/srv/y", 1)}, map[string]string{"b": "a"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := world
			w.Distributions = c.all
			for name, task := range Plan(w) {
				refusal, refused := task.(Refuse)
				winner, want := c.refused[name]
				if refused != want {
					t.Errorf("%s: refused is %v, want %v", name, refused, want)
				}
				if refused && refusal.Error.Message != conflict(&api.Distribution{Name: name}, winner).Message {
					t.Errorf("%s: message %q does not name %s", name, refusal.Error.Message, winner)
				}
			}
		})
	}
}

func TestContentOnItsWayOutHoldsItsPath(t *testing.T) {
	w, one, two := theWorld(t)
	leaving, coming := wants("leaving", one), wants("coming", two)
	leaving.State, leaving.CreatedAt = api.StateAbsent, epoch.Add(time.Hour)
	coming.Path = leaving.Path
	w.Distributions = []api.Distribution{coming, leaving}
	w.Records["leaving"] = stands(wants("leaving", one))
	if r, ok := Plan(w)["coming"].(Refuse); !ok || r.Error.Code != api.CodeConflict {
		t.Errorf("plan is %+v, want a conflict", Plan(w)["coming"])
	}
	w.Records["leaving"] = &Record{Name: "leaving", Wanted: leaving, Removed: true}
	if got := Plan(w)["coming"]; got != (Place{two, 1}) {
		t.Errorf("plan is %+v once the path is free, want Place", got)
	}
}

// genWorld draws distributions whose paths collide often, and records of some.
func genWorld(t *rapid.T, w World, digests ...artifact.Digest) World {
	n := rapid.IntRange(0, 12).Draw(t, "distributions")
	for i := range n {
		d := wants(fmt.Sprintf("d%d", i), rapid.SampledFrom(digests).Draw(t, "digest"))
		d.Path = rapid.SampledFrom([]string{"/srv", "/srv/a", "/srv/a/b", "/srv/ab", "/srv/c", "/opt/c"}).Draw(t, "path")
		d.CreatedAt = epoch.Add(time.Duration(rapid.IntRange(0, 3).Draw(t, "age")) * time.Minute)
		d.State = rapid.SampledFrom([]string{api.StatePresent, api.StatePresent, api.StateAbsent}).Draw(t, "state")
		if rapid.Bool().Draw(t, "others") {
			d.Selector.NodeNames = []string{rapid.SampledFrom([]string{"web1", "web2"}).Draw(t, "node")}
		}
		w.Distributions = append(w.Distributions, d)
		if rapid.Bool().Draw(t, "recorded") {
			rec := stands(wants(d.Name, rapid.SampledFrom(digests).Draw(t, "standing")))
			rec.Drifted = rapid.Bool().Draw(t, "drifted")
			w.Records[d.Name] = rec
		}
	}
	return w
}

func TestPlanProperties(t *testing.T) {
	world, one, two := theWorld(t)
	rapid.Check(t, func(t *rapid.T) {
		w := world
		w.Records = map[string]*Record{}
		w = genWorld(t, w, one, two)
		plan := Plan(w)

		shuffled := w
		shuffled.Distributions = slices.Clone(w.Distributions)
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		rng.Shuffle(len(shuffled.Distributions), func(i, j int) {
			l := shuffled.Distributions
			l[i], l[j] = l[j], l[i]
		})
		for name, task := range Plan(shuffled) {
			if plan[name] != task {
				t.Fatalf("%s: the order of distributions decides between %+v and %+v", name, plan[name], task)
			}
		}
		checkPlan(t, w, plan)
	})
}

// checkPlan checks what every plan must hold to.
func checkPlan(t *rapid.T, w World, plan map[string]Task) {
	var holders []api.Distribution
	for _, d := range w.Distributions {
		task, has := plan[d.Name]
		mine := d.Selector.Matches(w.Node)
		switch {
		case !mine && has && task != (Forget{}):
			t.Fatalf("%s does not select this node, but is to be %T", d.Name, task)
		case mine && !has:
			t.Fatalf("%s selects this node and has no task", d.Name)
		case !mine || d.State == api.StateAbsent:
			continue
		}
		if _, refused := task.(Refuse); !refused {
			holders = append(holders, d)
		}
	}
	for i, a := range holders {
		for _, b := range holders[:i] {
			if paths.Overlap(a.Path, b.Path) {
				t.Fatalf("%s and %s both hold %s and %s", a.Name, b.Name, a.Path, b.Path)
			}
		}
	}
	for name, rec := range w.Records {
		if _, has := plan[name]; !has {
			t.Fatalf("%s is recorded (%+v) and has no task", name, rec)
		}
	}
}
