package reconcile

import (
	"context"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/unit"
)

// knowing is a reconciler of node a in ams1/r1 that knows the distributions.
func knowing(all ...api.Distribution) *Reconciler {
	return &Reconciler{
		cfg:     Config{Self: api.Node{Name: "a", Location: "ams1/r1"}, Download: 100, Upload: unit.Unlimited},
		desired: desired{Distributions: all}, dists: map[string]*dist{},
	}
}

// A transfer receives for the distributions of this node and sends for all: one that is
// not held keeps it open.
func TestClosed(t *testing.T) {
	d := artifact.Digest{1}
	here := api.Distribution{Name: "here", Digest: d.String(), Generation: 2, CreatedAt: time.Unix(1, 0)}
	there := api.Distribution{Name: "there", Digest: d.String(), Selector: api.Selector{NodeNames: []string{"b"}}}
	hold := func(kind string, dist api.Distribution) api.Hold {
		return api.Hold{Kind: kind, Distribution: dist.Name, Created: dist.CreatedAt, Generation: dist.Generation}
	}
	older := hold(api.HoldStop, here)
	older.Generation = 1
	alone := hold(api.HoldPause, here)
	alone.Node = "b"
	all := api.Hold{Kind: api.HoldPause, All: true}
	for name, c := range map[string]struct {
		dists         []api.Distribution
		holds         []api.Hold
		receive, send bool
	}{
		"nothing is held":            {[]api.Distribution{here}, nil, false, false},
		"paused":                     {[]api.Distribution{here}, []api.Hold{hold(api.HoldPause, here)}, true, true},
		"stopped":                    {[]api.Distribution{here}, []api.Hold{hold(api.HoldStop, here)}, true, true},
		"an earlier one was stopped": {[]api.Distribution{here}, []api.Hold{older}, false, false},
		"another node alone":         {[]api.Distribution{here}, []api.Hold{alone}, false, false},
		"another one goes on":        {[]api.Distribution{here, there}, []api.Hold{hold(api.HoldPause, here)}, true, false},
		"another one is paused":      {[]api.Distribution{here, there}, []api.Hold{hold(api.HoldPause, there)}, false, false},
		"only served, and paused":    {[]api.Distribution{there}, []api.Hold{hold(api.HoldPause, there)}, true, true},
		"of no distribution":         {nil, []api.Hold{hold(api.HoldPause, here)}, false, false},
		"all of no distribution":     {nil, []api.Hold{all}, true, true},
	} {
		r := knowing(c.dists...)
		r.controls.Holds = c.holds
		if receive, send := r.closed(&transfer{digest: d}); receive != c.receive || send != c.send {
			t.Errorf("%s: closed %v and %v, want %v and %v", name, receive, send, c.receive, c.send)
		}
	}
}

// The lowest of all limits that apply counts, and is named.
func TestCeilings(t *testing.T) {
	d := artifact.Digest{1}
	r := knowing(api.Distribution{Name: "site", Digest: d.String()})
	low, high := int64(10), int64(1000)
	rack := api.Selector{Locations: []string{"ams1/r1"}}
	r.controls.Limits = []api.Limit{
		{Name: "all", Download: &high, Upload: &high},
		{Name: "rack", Selector: rack, Upload: &low, By: "alice", From: "b"},
		{Name: "elsewhere", Selector: api.Selector{Locations: []string{"ams1/r2"}}, Download: &low},
		{Name: "site", Distribution: "site", Download: &low},
		{Name: "other", Distribution: "other", Upload: &low},
		{Name: "site, of an earlier one", Distribution: "site", Created: time.Unix(1, 0), Upload: &low},
	}
	c := r.nodeCeilings()
	if c.down.rate != 100 || c.down.by != "limits.download of its agent.yaml" || c.up.rate != 10 || c.up.by != `limit "rack", set by alice on b` {
		t.Errorf("node: %+v", c)
	}
	if c := r.transferCeilings(d); c.down.rate != 10 || c.up.rate != unit.Unlimited {
		t.Errorf("transfer: %+v", c)
	}
}

// What a stop ends are the tasks that fetch.
func TestPlanOfWhatIsStopped(t *testing.T) {
	d := api.Distribution{Name: "site", Generation: 3}
	w := World{Node: api.Node{Name: "a"}, Holds: []api.Hold{{Kind: api.HoldStop, Distribution: "site", Generation: 3}}}
	for task, want := range map[Task]Task{
		Place{Generation: 3}: Stopped{3}, Stage{Generation: 3}: Stopped{3}, Repair{Generation: 3}: Stopped{3},
		Check{}: Check{}, Wait{3}: Wait{3}, Remove{3}: Remove{3},
	} {
		if got := w.unlessStopped(&d, task); got != want {
			t.Errorf("%#v becomes %#v, want %#v", task, got, want)
		}
	}
	w.Holds[0].Kind = api.HoldPause
	if got := w.unlessStopped(&d, Place{Generation: 3}); got != (Place{Generation: 3}) {
		t.Errorf("paused, it becomes %#v", got)
	}
}

// A stop ends a task that fetches, and lets one end that has begun to switch; other
// work to be done ends both.
func TestStopEndsNoSwitch(t *testing.T) {
	running := Replace{Generation: 3}
	for _, c := range []struct {
		then      Task
		switching bool
		cancelled bool
	}{
		{Stopped{3}, false, true}, {Stopped{3}, true, false}, {running, false, false}, {Remove{4}, true, true},
	} {
		cancelled := false
		x := &dist{task: c.then, switching: c.switching, worker: &worker{task: running, cancel: func() { cancelled = true }}}
		if x.cancelUnwanted(time.Now()); cancelled != c.cancelled {
			t.Errorf("%#v, switching %v: cancelled %v", c.then, c.switching, cancelled)
		}
	}
}

// Whoever begins to switch is told to go on only if nobody gave the task up before.
func TestBeginSwitch(t *testing.T) {
	for _, givenUp := range []bool{false, true} {
		r := knowing()
		r.mail = newMailbox[event]()
		ctx, cancel := context.WithCancel(t.Context())
		w := &worker{name: "site", send: r.mail.put}
		x := &dist{worker: w}
		r.dists = map[string]*dist{"site": x}
		ended := make(chan error)
		go func() { ended <- w.beginSwitch(ctx) }()
		<-r.mail.ready
		if givenUp {
			cancel()
		}
		r.handleMail(r.mail.take())
		if err := <-ended; givenUp != (err != nil) || !x.switching {
			t.Errorf("given up %v: %v, switching %v", givenUp, err, x.switching)
		}
		cancel()
	}
}
