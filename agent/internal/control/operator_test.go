package control_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/rackswarm/rackswarm/agent/internal/control"
	"github.com/rackswarm/rackswarm/agent/internal/pki"
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/client"
)

// loner is a node that knows one distribution and is asked without the store.
type loner struct {
	mu    sync.Mutex
	holds []api.Hold
}

func (l *loner) PauseHere(_ context.Context, h api.Hold) (api.Hold, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	h.Kind, h.Node = api.HoldPause, "web1"
	l.holds = append(l.holds, h)
	return h, nil
}

func (l *loner) ResumeHere(context.Context, string) (ended []api.Hold, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	ended, l.holds = l.holds, nil
	return ended, nil
}

func (l *loner) OperatorHolds(context.Context) ([]api.Hold, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]api.Hold(nil), l.holds...), nil
}

func (l *loner) Report(_ context.Context, name string) (api.Distribution, api.NodeStatus, bool) {
	return api.Distribution{Name: name, Digest: digestOf(1)}, api.NodeStatus{Node: "web1", Phase: api.PhaseFetching}, name == "site"
}

// record is a log that may be read while it is written.
type record struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *record) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *record) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (f *fleet) distributed(names ...string) {
	f.Helper()
	digest := f.artifact(1)
	for _, name := range names {
		_, err := f.client.PutDistribution(f.ctx, api.Distribution{Name: name, Digest: digest, Path: "/srv/" + name, AllowEmpty: true})
		f.must(err)
	}
}

// Who paused what, from where, is recorded, logged and shown; a second operator's
// --all lifts only what --all did.
func TestHolds(t *testing.T) {
	log := &record{}
	f := serve(t, func(c *control.Config) { c.Logger = slog.New(slog.NewTextHandler(log, nil)) })
	f.node("web1", "ams1/r1", nil)
	f.distributed("site", "app")
	made, err := f.client.Hold(f.ctx, api.HoldRequest{Kind: api.HoldPause, Distribution: "site"})
	f.must(err)
	if len(made.Holds) != 1 || made.Holds[0].By == "" || made.Holds[0].From != "web1" || made.Holds[0].At.IsZero() || made.StoreDown {
		t.Fatalf("made %+v", made)
	}
	st, err := f.client.Status(f.ctx, "site")
	f.must(err)
	if len(st.Holds) != 1 || st.Summary.Paused != 1 {
		t.Errorf("status %+v", st)
	}
	_, err = f.client.Hold(f.ctx, api.HoldRequest{Kind: api.HoldStop, All: true})
	f.must(err)
	if st, err = f.client.Status(f.ctx, "site"); err != nil || len(st.Holds) != 2 || st.Summary.Stopped != 1 {
		t.Errorf("status %+v (%v)", st, err)
	}
	out, err := f.client.Release(f.ctx, api.Release{All: true})
	f.must(err)
	if len(out.Released) != 2 || len(out.Left) != 1 || out.Left[0].Distribution != "site" || out.Left[0].All {
		t.Errorf("released %+v", out)
	}
	f.must(f.client.DeleteDistribution(f.ctx, "site", false))
	f.distributed("site")
	if st, err = f.client.Status(f.ctx, "site"); err != nil || len(st.Holds) != 0 {
		t.Errorf("another distribution of that name is held: %+v (%v)", st, err)
	}
	for _, say := range []string{"operator: pause", "operator: stop", "operator: resume", "distribution=site", "from=web1"} {
		if !strings.Contains(log.String(), say) {
			t.Errorf("the log does not say %q:\n%s", say, log)
		}
	}
}

func TestBadHolds(t *testing.T) {
	f := serve(t, nil)
	f.distributed("site")
	for subject, req := range map[string]api.HoldRequest{
		"kind":         {Kind: "sleep", Distribution: "site"},
		"distribution": {Kind: api.HoldPause},
		"here":         {Kind: api.HoldStop, Distribution: "site", Here: true},
	} {
		_, err := f.client.Hold(f.ctx, req)
		wantError(t, err, api.CodeInvalid, subject)
	}
	_, err := f.client.Hold(f.ctx, api.HoldRequest{Kind: api.HoldPause, Distribution: "none"})
	wantError(t, err, api.CodeNotFound, "none")
	_, err = f.client.Release(f.ctx, api.Release{Distribution: "none"})
	wantError(t, err, api.CodeNotFound, "none")
	_, err = f.client.Release(f.ctx, api.Release{Distribution: "site", All: true})
	wantError(t, err, api.CodeInvalid, "distribution")
}

// A reader sees holds and limits, and changes none.
func TestRolesOfOperatorsCalls(t *testing.T) {
	certs := newCertificates(t)
	f := serve(t, certs.listen)
	f.distributed("site")
	reader, operator := certs.as(f, pki.RoleReader), certs.as(f, pki.RoleOperator)
	rate := int64(1 << 20)
	for name, change := range map[string]func(*client.Client) error{
		"pause": func(c *client.Client) error {
			_, err := c.Hold(f.ctx, api.HoldRequest{Kind: api.HoldPause, All: true})
			return err
		},
		"resume": func(c *client.Client) error { _, err := c.Release(f.ctx, api.Release{All: true}); return err },
		"limit": func(c *client.Client) error {
			_, err := c.PutLimit(f.ctx, api.Limit{Name: "all", Upload: &rate})
			return err
		},
		"look": func(c *client.Client) error {
			_, err := c.Holds(f.ctx)
			if err == nil {
				_, err = c.Limits(f.ctx)
			}
			if err == nil {
				_, err = c.Explain(f.ctx, "site")
			}
			return err
		},
	} {
		if got := code(change(reader)); name != "look" && got != api.CodeForbidden || name == "look" && got != "" {
			t.Errorf("a reader's %s ends with %q", name, got)
		}
		f.must(change(operator))
	}
	limits, err := f.client.Limits(f.ctx)
	f.must(err)
	if len(limits) != 1 || limits[0].By != "someone-operator" || !strings.Contains(limits[0].From, "by way of web1") {
		t.Errorf("limits %+v", limits)
	}
}

// Two operators who change one direction each of the same limit at once: none loses
// what the other did.
func TestLimitsAreChangedByDirection(t *testing.T) {
	f := serve(t, nil)
	for round := range 20 {
		name, rates := fmt.Sprintf("node n%d", round), []int64{1 << 20, 2 << 20}
		changes := []api.LimitChange{{Download: &rates[0]}, {Upload: &rates[1]}}
		var both sync.WaitGroup
		for _, c := range changes {
			both.Go(func() {
				if _, err := f.client.ChangeLimit(f.ctx, name, c); err != nil {
					t.Error(err)
				}
			})
		}
		both.Wait()
		l, err := f.client.ChangeLimit(f.ctx, name, api.LimitChange{Unlimited: []string{api.Download}})
		f.must(err)
		if l.Upload == nil || *l.Upload != rates[1] || l.Download != nil {
			t.Fatalf("after both and download unlimited: %+v", l)
		}
		l, err = f.client.ChangeLimit(f.ctx, name, api.LimitChange{Unlimited: []string{api.Upload}})
		f.must(err)
		if l.Limited() {
			t.Fatalf("what was taken away is answered as %+v", l)
		}
	}
	all, err := f.client.Limits(f.ctx)
	f.must(err)
	if len(all) != 0 {
		t.Errorf("left: %+v", all)
	}
}

// A limit of a distribution goes with it, and is not of the next one of that name; nor
// is one that an agent was to take away and did not.
func TestLimitsGoWithTheirDistribution(t *testing.T) {
	f := serve(t, nil)
	rate := int64(1 << 20)
	ofSite, all := api.LimitChange{Distribution: "site", Download: &rate}, api.LimitChange{Upload: &rate}
	change := func(name string, c api.LimitChange) api.Limit {
		t.Helper()
		l, err := f.client.ChangeLimit(f.ctx, name, c)
		f.must(err)
		return l
	}
	want := func(when string, listed, recorded int) {
		t.Helper()
		got, err := f.client.Limits(f.ctx)
		f.must(err)
		records, err := f.store.Limits(f.ctx)
		f.must(err)
		if len(got) != listed || len(records) != recorded {
			t.Errorf("%s: listed %+v of %+v", when, got, records)
		}
	}
	f.distributed("site")
	change("all", all)
	left := change("distribution site", ofSite)
	if left.Created.IsZero() {
		t.Errorf("the limit does not say of which distribution it is: %+v", left)
	}
	want("both stand", 2, 2)
	for _, content := range []bool{false, true} {
		f.must(f.client.DeleteDistribution(f.ctx, "site", content))
		_, err := f.client.Status(f.ctx, "site") // ends a removal that is over
		if content {
			f.must(err)
		}
		want("the distribution is gone", 1, 1)
		f.distributed("site")
		want("another of the name is there", 1, 1)
		change("distribution site", ofSite)
	}

	f.must(f.client.DeleteDistribution(f.ctx, "site", false))
	f.must(f.store.UpdateLimits(f.ctx, func(map[string]api.Limit) ([]api.Limit, []string, error) { return []api.Limit{left}, nil, nil }))
	f.distributed("site")
	want("one is left behind", 1, 2)
	got := change("distribution site", api.LimitChange{Distribution: "site", Upload: &rate})
	if got.Download != nil {
		t.Errorf("a new limit goes on from one that was left behind: %+v", got)
	}
	want("it is replaced", 2, 2)
	f.must(f.store.UpdateLimits(f.ctx, func(map[string]api.Limit) ([]api.Limit, []string, error) { return []api.Limit{left}, nil, nil }))
	change("all", all)
	want("the next change takes it away", 1, 1)
}

func TestBadLimitChanges(t *testing.T) {
	f := serve(t, nil)
	zero, rate := int64(0), int64(1)
	for subject, c := range map[string]api.LimitChange{
		"upload":                {Upload: &zero},
		"download":              {},
		"unlimited":             {Unlimited: []string{"sideways"}},
		"selector.locations[0]": {Download: &rate, Selector: api.Selector{Locations: []string{"a//b"}}},
	} {
		_, err := f.client.ChangeLimit(f.ctx, "x", c)
		wantError(t, err, api.CodeInvalid, subject)
	}
	_, err := f.client.ChangeLimit(f.ctx, "x", api.LimitChange{Upload: &rate, Unlimited: []string{api.Upload}})
	wantError(t, err, api.CodeInvalid, "upload")
	_, err = f.client.ChangeLimit(f.ctx, "x", api.LimitChange{Unlimited: []string{api.Upload}})
	wantError(t, err, api.CodeNotFound, "x")
	_, err = f.client.ChangeLimit(f.ctx, "distribution none", api.LimitChange{Distribution: "none", Upload: &rate})
	wantError(t, err, api.CodeNotFound, "none")
}

func TestBadLimits(t *testing.T) {
	f := serve(t, nil)
	zero, negative, rate := int64(0), int64(-1), int64(1)
	for subject, l := range map[string]api.Limit{
		"upload":                {Name: "all", Upload: &zero},
		"download":              {Name: "all", Download: &negative},
		"selector.locations[0]": {Name: "x", Download: &rate, Selector: api.Selector{Locations: []string{"a//b"}}},
		"name":                  {Name: "a\nb", Download: &rate},
	} {
		_, err := f.client.PutLimit(f.ctx, l)
		e := wantError(t, err, api.CodeInvalid, subject)
		if subject == "upload" && !strings.Contains(e.Fix, "rackswarm pause") {
			t.Errorf("zero is refused with %+v", e)
		}
	}
	_, err := f.client.PutLimit(f.ctx, api.Limit{Name: "distribution none", Distribution: "none", Upload: &rate})
	wantError(t, err, api.CodeNotFound, "none")
	wantError(t, f.client.DeleteLimit(f.ctx, "none"), api.CodeNotFound, "none")
}

// Without the store a caller on the socket pauses the node that is asked, and a caller
// elsewhere is told.
func TestHoldsWithoutStore(t *testing.T) {
	st, e := openStore(t)
	certs := newCertificates(t)
	f := serveOn(t, st, func(c *control.Config) {
		certs.listen(c)
		c.Node = &loner{}
	})
	far := certs.as(f, pki.RoleOperator)
	f.must(e.Close())
	pause := api.HoldRequest{Kind: api.HoldPause, Distribution: "site"}
	if _, err := far.Hold(f.ctx, pause); code(err) != api.CodeStoreDown {
		t.Errorf("from elsewhere: %v", err)
	}
	made, err := f.client.Hold(f.ctx, pause)
	f.must(err)
	if !made.StoreDown || len(made.Holds) != 1 || made.Holds[0].Node != "web1" {
		t.Errorf("made %+v", made)
	}
	_, err = f.client.Hold(f.ctx, api.HoldRequest{Kind: api.HoldStop, All: true})
	wantError(t, err, api.CodeStoreDown, "stop")
	if !strings.Contains(err.Error(), "rackswarm pause --all") {
		t.Errorf("what to do instead: %v", err)
	}
	list, err := f.client.Holds(f.ctx)
	f.must(err)
	if !list.StoreDown || len(list.Holds) != 1 {
		t.Errorf("listed %+v", list)
	}
	x, err := f.client.Explain(f.ctx, "site")
	f.must(err)
	if !x.StoreDown || len(x.Nodes) != 1 || x.Nodes[0].Reasons[0].Code != api.ReasonStoreDown {
		t.Errorf("explained %+v", x)
	}
	if text := x.Nodes[0].Reasons[0].Message; strings.Count(text, "the store does not answer") != 1 || !strings.Contains(text, "what runs goes on") {
		t.Errorf("it says: %s", text)
	}
	if _, err = f.client.Explain(f.ctx, "other"); code(err) != api.CodeStoreDown {
		t.Errorf("what it does not know: %v", err)
	}
	out, err := f.client.Release(f.ctx, api.Release{Distribution: "site"})
	f.must(err)
	if !out.StoreDown || len(out.Released) != 1 {
		t.Errorf("released %+v", out)
	}
}
