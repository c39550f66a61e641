package provider

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/rackswarm/rackswarm/core/api"
)

// statusOf is of a distribution of generation 1 whose nodes are in the phases.
func statusOf(phases ...api.Phase) api.Status {
	st := api.Status{Distribution: api.Distribution{Name: "site", Digest: "d", Generation: 1}, Nodes: []api.NodeStatus{}}
	for i, p := range phases {
		n := api.NodeStatus{Node: fmt.Sprintf("n%d", i), Phase: p, Digest: "d", Generation: 1}
		if p == api.PhaseInstalled {
			n.Installed = "d"
			st.Summary.Converged++
		}
		if p == api.PhaseFailed {
			n.Error = &api.Error{Code: api.CodeNoSpace, Message: "no space"}
		}
		st.Nodes = append(st.Nodes, n)
	}
	st.Summary.Targets = len(phases)
	st.Summary.Done = st.Summary.Converged == len(phases)
	return st
}

// The table of DESIGN.md: what an apply says, by how waiting ended.
func TestOutcome(t *testing.T) {
	const in, fail, busy = api.PhaseInstalled, api.PhaseFailed, api.PhaseFetching
	const nothing, warning, failure = "nothing", "warning", "error"
	interrupted := fmt.Errorf("watch: %w", context.Canceled)
	late := fmt.Errorf("watch: %w", context.DeadlineExceeded)
	for _, c := range []struct {
		name           string
		status         api.Status
		stuck          bool
		err            error
		partial        string
		minimum        int64
		create, update string
	}{
		{"all", statusOf(in, in), false, nil, partialError, 100, nothing, nothing},
		{"nobody to ask", statusOf(), false, nil, partialError, 100, nothing, nothing},
		{"enough", statusOf(in, fail), true, nil, partialError, 50, warning, warning},
		{"one failed", statusOf(in, fail), true, nil, partialError, 100, warning, failure},
		{"one failed, to warn of", statusOf(in, fail), true, nil, partialWarn, 100, warning, warning},
		{"all failed", statusOf(fail, fail), true, nil, partialError, 100, failure, failure},
		{"all failed, to warn of", statusOf(fail, fail), true, nil, partialWarn, 100, warning, warning},
		{"no time left", statusOf(busy, busy), false, late, partialError, 100, warning, failure},
		{"interrupted", statusOf(in, busy), false, interrupted, partialError, 100, warning, warning},
		{"interrupted at once", api.Status{}, false, interrupted, partialError, 100, warning, warning},
		{"the agent is gone", api.Status{}, false, errors.New("gone"), partialError, 100, warning, failure},
	} {
		for _, creating := range []bool{true, false} {
			want := c.update
			if creating {
				want = c.create
			}
			t.Run(fmt.Sprintf("%s, creating %v", c.name, creating), func(t *testing.T) {
				var diags diag.Diagnostics
				m := distributionModel{OnPartial: types.StringValue(c.partial), MinSuccessPercent: types.Int64Value(c.minimum)}
				outcome{want: statusOf().Distribution, status: c.status, stuck: c.stuck, err: c.err}.report(&diags, m, creating)
				got := nothing
				if diags.WarningsCount() > 0 {
					got = warning
				}
				if diags.HasError() {
					got = failure
				}
				if got != want {
					t.Errorf("%s, not %s: %v", got, want, diags)
				}
			})
		}
	}
}

// A diagnostic names the nodes and their errors, and not too many.
func TestOutcomeNames(t *testing.T) {
	phases := make([]api.Phase, maxListed+5)
	for i := range phases {
		phases[i] = api.PhaseFailed
	}
	phases[0] = api.PhaseInstalled
	o := outcome{want: statusOf().Distribution, status: statusOf(phases...)}
	text := o.detail()
	if !strings.Contains(text, "n1: no space") || strings.Contains(text, "n0:") || !strings.Contains(text, "and 4 more") {
		t.Errorf("detail is:\n%s", text)
	}
}

// A node is waited for unless it is down or failed since the waiting began.
func TestWaiterCount(t *testing.T) {
	w := waiter{want: statusOf().Distribution}
	count := func(st api.Status, holding, waiting int) {
		t.Helper()
		if h, n := w.count(st); h != holding || n != waiting {
			t.Errorf("%d hold and %d are at work, not %d and %d", h, n, holding, waiting)
		}
	}
	st := statusOf(api.PhaseInstalled, api.PhaseFailed, api.PhaseFetching, api.PhaseFetching)
	st.Nodes[3].Unreachable = true
	count(st, 1, 2) // the failure is an old one
	st.Nodes[1].UpdatedAt = time.Now()
	count(st, 1, 1) // now it has failed again
	st.Nodes[2] = st.Nodes[0]
	count(st, 2, 0)
	w.want.VerifyGeneration = 1
	count(st, 0, 2) // to be hashed again
}

// Who has staged the content is at work as long as nobody who is waited for is
// stuck.
func TestWaiterCountsStaged(t *testing.T) {
	for _, c := range []struct {
		name             string
		phases           []api.Phase
		down             int // this node, if not negative
		holding, waiting int
	}{
		{"others are fetching", []api.Phase{api.PhaseStaged, api.PhaseFetching}, -1, 0, 2},
		{"all have staged", []api.Phase{api.PhaseStaged, api.PhaseStaged}, -1, 0, 2},
		{"one is down", []api.Phase{api.PhaseStaged, api.PhaseStaged}, 1, 0, 0},
		{"one has failed", []api.Phase{api.PhaseStaged, api.PhaseStaged, api.PhaseFailed}, -1, 0, 0},
		{"one has failed, one is fetching", []api.Phase{api.PhaseStaged, api.PhaseFetching, api.PhaseFailed}, -1, 0, 1},
		{"one has switched", []api.Phase{api.PhaseInstalled, api.PhaseStaged}, -1, 1, 1},
	} {
		st := statusOf(c.phases...)
		w := waiter{want: st.Distribution, before: map[string]time.Time{}}
		for i := range st.Nodes {
			st.Nodes[i].Unreachable = i == c.down
			if st.Nodes[i].Phase == api.PhaseFailed {
				st.Nodes[i].UpdatedAt = time.Now()
			}
		}
		if h, n := w.count(st); h != c.holding || n != c.waiting {
			t.Errorf("%s: %d hold and %d are at work, not %d and %d", c.name, h, n, c.holding, c.waiting)
		}
	}
}

// A create that one node holds back is no failure: the others have staged the
// content, and what a create fails on is destroyed.
func TestOutcomeOfStaged(t *testing.T) {
	st := statusOf(api.PhaseStaged, api.PhaseFailed)
	m := distributionModel{MinSuccessPercent: types.Int64Value(100), OnPartial: types.StringValue(partialError)}
	var diags diag.Diagnostics
	outcome{want: st.Distribution, status: st, stuck: true}.report(&diags, m, true)
	if diags.HasError() || diags.WarningsCount() != 1 || !strings.Contains(diags[0].Detail(), "waits for the others") {
		t.Errorf("a create says %v", diags)
	}
	outcome{want: st.Distribution, status: st, stuck: true}.report(&diags, m, false)
	if !diags.HasError() {
		t.Error("an update does not fail")
	}
}

// What others do to a distribution while it is waited for does not go unseen,
// and what an agent says that is behind is not believed.
func TestWaiterGenerations(t *testing.T) {
	w := waiter{want: statusOf().Distribution}
	behind, ahead := statusOf(), statusOf()
	behind.Distribution.Generation, ahead.Distribution.Generation = 0, 2
	if !w.stale(behind) || w.stale(ahead) || w.stale(statusOf()) {
		t.Error("staleness is wrong")
	}
	if w.superseded(statusOf()) != nil || !hasCode(w.superseded(ahead), api.CodeConflict) {
		t.Error("a change by others is not told")
	}
}

// Nodes that wait for a part of the source that nobody has any more are stuck, and
// the diagnostic names the file.
func TestOutcomeOfAChangedSource(t *testing.T) {
	st := statusOf(api.PhaseInstalled, api.PhaseFetching)
	st.Nodes[1].Waiting = "no peer has 2 of 6 spans"
	w := &waiter{want: st.Distribution}
	if _, waiting := w.count(st); waiting != 1 {
		t.Errorf("a node that waits for peers counts as stuck")
	}
	st.Artifact = &api.Artifact{Troubles: []api.SeedTrouble{{Node: "n9", Error: api.Error{Subject: "/srv/src/a", Message: "changed", Fix: "publish it again"}}}}
	if _, waiting := w.count(st); waiting != 0 {
		t.Errorf("a node that waits for a source that changed counts as at work")
	}
	detail := outcome{want: st.Distribution, status: st, stuck: true}.detail()
	for _, want := range []string{"The source on n9: /srv/src/a: changed (publish it again)", "n1: still fetching, waiting: no peer has 2 of 6 spans"} {
		if !strings.Contains(detail, want) {
			t.Errorf("%q is not in:\n%s", want, detail)
		}
	}
}
