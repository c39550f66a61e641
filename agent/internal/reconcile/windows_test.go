package reconcile

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rackswarm/rackswarm/agent/internal/swarmapi"
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/unit"
)

// told is what the swarm was told of a transfer; what holds after Join if nothing.
func (s *memSwarm) told(d artifact.Digest) limits {
	l := unlimited()
	s.with(d, func(m *membership) {
		if m.limits != nil {
			l = *m.limits
		}
	})
	return l
}

// alter changes what is wanted, without work for the nodes.
func (f *fleet) alter(d api.Distribution) {
	f.t.Helper()
	err := f.store.UpdateDistributions(context.Background(), func(map[string]api.Distribution) ([]api.Distribution, []string, error) {
		return []api.Distribution{d}, nil, nil
	})
	if err != nil {
		f.t.Fatalf("alter %s: %v", d.Name, err)
	}
}

// untilTold waits until the swarm was told limits.
func (n *node) untilTold(d artifact.Digest, ok func(limits) bool) {
	n.f.t.Helper()
	n.f.eventually("limits on "+n.api.Name, func() bool { return ok(n.swarm.told(d)) },
		func() string { return fmt.Sprintf("told %+v", n.swarm.told(d)) })
}

// listener is a swarm that moves nothing and knows what it was told of a transfer.
type listener struct {
	swarmapi.Swarm
	limits limits
	stats  swarmapi.Stats
}

func (l *listener) Stats(artifact.Digest) (swarmapi.Stats, bool) { return l.stats, true }

func (l *listener) Join(artifact.Digest, swarmapi.JoinOptions) { l.limits = unlimited() }

func (l *listener) Limit(_ artifact.Digest, rank bandwidth.Rank, download, upload bandwidth.Budget) {
	l.limits = limits{rank, download, upload}
}

// turning is a reconciler in a transfer, on a wall clock that shows a time now. Who
// uses it is its loop.
func turning(t *testing.T, at string, d artifact.Digest, all ...api.Distribution) (*Reconciler, *listener) {
	swarm, off := &listener{}, time.Until(moment(t, at))
	r := knowing()
	r.cfg.Now = func() time.Time { return time.Now().Add(off) }
	r.cfg.Swarm, r.log = swarm, slog.New(slog.DiscardHandler)
	r.transfers = map[artifact.Digest]*transfer{}
	r.setDesired(desired{Distributions: all})
	r.join(d, all[0].Name, false)
	return r, swarm
}

func moment(t *testing.T, at string) time.Time {
	t.Helper()
	m, err := time.Parse(time.RFC3339, at)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// passTo does what the loop does at ticks until a second after the wall clock shows a
// time.
func (r *Reconciler) passTo(t *testing.T, at string) {
	t.Helper()
	for end := moment(t, at).Add(time.Second); r.cfg.Now().Before(end); time.Sleep(tickInterval) {
		r.turnWindows()
	}
}

// A window that opens and closes in the middle of a transfer changes what it may move
// within a second, by the clock of its zone.
func TestWindowsTurn(t *testing.T) {
	type step struct {
		at   string
		rate unit.Rate
	}
	for _, c := range []struct {
		name, from string
		steps      []step
	}{
		{"on a Saturday", "2026-01-17T07:50:00Z", []step{
			{"2026-01-17T07:59:58Z", unit.Unlimited},
			{"2026-01-17T08:00:00Z", 0},
			{"2026-01-17T08:59:58Z", 0},
			{"2026-01-17T09:00:00Z", 1e6},
			{"2026-01-17T10:00:00Z", unit.Unlimited},
		}},
		{"clocks go forward", "2026-03-29T00:50:00Z", []step{
			{"2026-03-29T00:59:58Z", unit.Unlimited},
			{"2026-03-29T01:00:00Z", 1e7}, // it is 03:00, after 01:59
			{"2026-03-29T01:30:00Z", unit.Unlimited},
		}},
		{"clocks go back", "2026-10-25T00:20:00Z", []step{
			{"2026-10-25T00:30:00Z", 1e7}, // 02:30, for the first time
			{"2026-10-25T01:00:00Z", unit.Unlimited},
			{"2026-10-25T01:30:00Z", 1e7}, // for the second time
			{"2026-10-25T02:30:00Z", unit.Unlimited},
		}},
	} {
		synctest.Test(t, func(t *testing.T) {
			digest := artifact.Digest{1}
			r, swarm := turning(t, c.from, digest, api.Distribution{Name: "site", Digest: digest.String(), TimeZone: "Europe/Amsterdam",
				Windows: []string{"sat 09:00-10:00 0", "sat 10:00-11:00 8Mbit", "sun 02:30-03:30 80Mbit"}})
			for _, s := range c.steps {
				r.passTo(t, s.at)
				if l := swarm.limits; l.down.Rate != s.rate || l.up.Rate != s.rate {
					t.Errorf("%s, at %s: %v down and %v up, want %v", c.name, s.at, l.down.Rate, l.up.Rate, s.rate)
				}
			}
		})
	}
}

// Windows of an agent that cannot read them let the floor pass: neither nothing nor
// everything.
func TestUnreadableWindows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		digest := artifact.Digest{1}
		r, swarm := turning(t, "2026-01-17T00:00:00Z", digest, api.Distribution{Name: "site", Digest: digest.String(), Windows: []string{"full moon: 1Mbit"}})
		if l := swarm.limits; l.down.Rate != bandwidth.FloorOf(0) || l.down.Binding.Reason != bandwidth.Window {
			t.Errorf("told %+v", l)
		}
		if by := r.transferCeilings(digest).down.by; !strings.Contains(by, "cannot read") {
			t.Errorf("it says %q", by)
		}
	})
}

// A transfer has the highest priority and the lowest ceilings of the distributions
// that want it; what an operator limits counts beside them.
func TestTrafficOfDistributions(t *testing.T) {
	d := artifact.Digest{1}
	rate := func(n int64) *int64 { return &n }
	site := api.Distribution{Name: "site", Digest: d.String(), Priority: "background", MaxDownload: rate(500), MaxUpload: rate(300)}
	copied := api.Distribution{Name: "copy", Digest: d.String(), Priority: "urgent", MaxDownload: rate(400)}
	gone := api.Distribution{Name: "gone", Digest: d.String(), State: api.StateAbsent, MaxDownload: rate(1)}
	other := api.Distribution{Name: "other", Digest: artifact.Digest{2}.String(), MaxDownload: rate(2)}
	for _, c := range []struct {
		all      []api.Distribution
		rank     bandwidth.Rank
		down, up unit.Rate
		by       string
	}{
		{nil, bandwidth.Normal, unit.Unlimited, unit.Unlimited, ""},
		{[]api.Distribution{gone, other}, bandwidth.Normal, unit.Unlimited, unit.Unlimited, ""},
		{[]api.Distribution{site, gone, other}, bandwidth.Background, 500, 300, "max_download of distribution site"},
		{[]api.Distribution{site, copied}, bandwidth.Urgent, 400, 300, "max_download of distribution copy"},
	} {
		r := knowing(c.all...)
		if l := r.limits(&transfer{digest: d}); l.rank != c.rank || l.down.Rate != c.down || l.up.Rate != c.up {
			t.Errorf("%+v, want %v, %v and %v", l, c.rank, c.down, c.up)
		}
		if by := r.transferCeilings(d).down.by; by != c.by {
			t.Errorf("limited by %q, want %q", by, c.by)
		}
	}
	r := knowing(site)
	r.controls.Limits = []api.Limit{{Name: "site", Distribution: "site", Download: rate(100)}}
	if c := r.transferCeilings(d); c.down.rate != 100 || c.up.rate != 300 {
		t.Errorf("with an operator's limit: %+v", c)
	}
	r.controls.Holds = []api.Hold{{Kind: api.HoldPause, All: true}}
	if l := r.limits(&transfer{digest: d}); l.down.Binding.Reason != bandwidth.Paused || l.down.Rate != 0 || l.up.Rate != 0 {
		t.Errorf("paused: %+v", l)
	}
}

// Explain says which window is closed and until when, and what goes first.
func TestReasonsOfTraffic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		digest := artifact.Digest{1}
		r, _ := turning(t, "2026-01-17T00:00:00Z", digest, api.Distribution{Name: "site", Digest: digest.String(), Priority: "background",
			Windows: []string{"daily 00:00-06:00 0"}})
		x, moving := &dist{name: "site", rec: &Record{Name: "site", Status: api.NodeStatus{Phase: api.PhaseFetching}}}, r.transfers[digest]
		check := func(s swarmapi.Stats, code api.ReasonCode, subject, message, fix string) {
			t.Helper()
			got := r.reasons(x, moving, &s)
			if len(got) != 1 || got[0].Code != code || !strings.Contains(got[0].Subject, subject) || !strings.Contains(got[0].Message, message) || !strings.Contains(got[0].Fix, fix) {
				t.Errorf("%+v, want %s: %s; %s", got, subject, message, fix)
			}
		}
		const window = `the window "daily 00:00-06:00 0" of distribution site`
		check(swarmapi.Stats{}, api.ReasonLimit, window, "0 B/s by "+window, "wait until Sat 06:00 UTC")
		r.passTo(t, "2026-01-17T06:00:00Z")
		yields := swarmapi.Stats{Peers: 1, DownBound: swarmapi.NodeBound, DownBinding: bandwidth.Binding{Reason: bandwidth.Priority}}
		check(yields, api.ReasonPriority, "priority", "its priority is background", "--priority")
		hotfix := &dist{name: "hotfix", rec: &Record{Name: "hotfix", Status: api.NodeStatus{Phase: api.PhaseFetching}}, wanted: &api.Distribution{Name: "hotfix"}}
		r.dists["hotfix"] = hotfix
		check(swarmapi.Stats{Peers: 1}, api.ReasonPriority, "hotfix", "distribution hotfix comes first, which is normal", "--priority")
		hotfix.rec.Status.Phase = api.PhaseInstalled
		check(swarmapi.Stats{Peers: 1}, api.ReasonFetching, "", "no limit of ours binds", "")
	})
}

// A node whose published source sends says what holds that back, though the source is
// no distribution's content, and says so no more when nothing does.
func TestASourceThatSendsSaysWhatHoldsItBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		digest := artifact.Digest{1}
		site := api.Distribution{Name: "site", Digest: digest.String(), Priority: "background"}
		r, swarm := turning(t, "2026-01-17T00:00:00Z", digest, site)
		r.reporter = newReporter(nil, r.log)
		r.transfers[digest].owner = ""
		r.dists["site"] = &dist{name: "site", wanted: &site, rec: &Record{Name: "site", Status: api.NodeStatus{Phase: api.PhaseInstalled, Digest: digest.String()}}}
		for _, held := range []bool{true, false} {
			swarm.stats = swarmapi.Stats{}
			if held {
				swarm.stats = swarmapi.Stats{UpBound: swarmapi.NodeBound, UpBinding: bandwidth.Binding{Reason: bandwidth.Priority}}
			}
			r.reportTraffic()
			s, told := r.reporter.takeQueued()["site"]
			if says := len(s.Reasons) == 1 && s.Reasons[0].Code == api.ReasonPriority && strings.Contains(s.Reasons[0].Message, "what it sends to others waits"); !told || says != held {
				t.Errorf("held back: %v; told: %v, %+v", held, told, s.Reasons)
			}
			r.reportTraffic()
			if again := r.reporter.takeQueued(); len(again) > 0 {
				t.Errorf("nothing is new, and it tells %+v", again)
			}
		}
	})
}

// What is changed of a running distribution reaches the swarm, and the transfer goes
// on: nobody joins again.
func TestTrafficChangesInPlace(t *testing.T) {
	f := newFleet(t)
	seed, web := f.add("seed"), f.add("web")
	digest := seed.publish(bigFiles(4, "content"), "site", publisher).Digest()
	f.net.block(true)
	d := f.want(web.on("site", digest.String()))
	web.until("site", "fetching", func(s api.NodeStatus) bool { return s.Phase == api.PhaseFetching })
	joins := web.swarm.joins(digest)
	most := int64(5 << 20)
	d.Priority, d.MaxDownload, d.Windows = "urgent", &most, []string{"daily 00:00-24:00 1MiB/s"}
	f.alter(d)
	for _, n := range []*node{seed, web} {
		n.untilTold(digest, func(l limits) bool {
			return l.rank == bandwidth.Urgent && l.down.Rate == 1<<20 && l.up.Rate == 1<<20 && l.up.Binding.Reason == bandwidth.Window
		})
	}
	d.Priority, d.Windows = "", nil
	f.alter(d)
	web.untilTold(digest, func(l limits) bool {
		return l.rank == bandwidth.Normal && l.down.Rate == 5<<20 && l.up.Rate == unit.Unlimited
	})
	f.net.block(false)
	web.untilInstalled(d)
	if again := web.swarm.joins(digest); again != joins {
		t.Errorf("it joined %d times, and %d before", again, joins)
	}
}
