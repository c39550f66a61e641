package fleet

import (
	"testing"

	"github.com/rackswarm/rackswarm/core/api"
)

// What only the whole shows is added to what a node says.
func TestExplain(t *testing.T) {
	d := api.Distribution{Name: "site", Digest: "x", State: api.StatePresent, Generation: 1}
	limited := []api.Reason{{Code: api.ReasonLimit}, {Code: api.ReasonSenderLimit}}
	node := func(name string, phase api.Phase, reasons ...api.Reason) api.NodeStatus {
		return api.NodeStatus{Node: name, Phase: phase, Digest: "x", Generation: 1, Reasons: reasons}
	}
	done := node("done", api.PhaseInstalled, limited...)
	done.Installed = "x"
	yields := node("yields", api.PhaseInstalled, api.Reason{Code: api.ReasonPriority})
	yields.Installed = "x"
	down := node("down", api.PhaseFetching)
	down.Unreachable = true
	st := api.Status{Distribution: d, Summary: api.Summary{Blockers: []string{"down"}}, Nodes: []api.NodeStatus{
		done, yields, down, node("fetches", api.PhaseFetching, limited...), node("new", api.PhasePending),
		node("asks", api.PhaseManifest), node("begins", api.PhaseFetching), node("checks", api.PhaseVerifying),
		node("staged", api.PhaseStaged, api.Reason{Code: api.ReasonOthers}),
		node("starves", api.PhaseFetching, api.Reason{Code: api.ReasonUnserved}),
	}, Artifact: &api.Artifact{Troubles: []api.SeedTrouble{{Node: "src", Error: api.Error{Message: "changed", Fix: "publish it again"}}}}}
	want := map[string]api.ReasonCode{"done": api.ReasonSenderLimit, "yields": api.ReasonPriority, "down": api.ReasonDown, "fetches": api.ReasonLimit,
		"new": api.ReasonUnheard, "asks": api.ReasonManifest, "begins": api.ReasonFetching, "checks": api.ReasonUnheard, "staged": api.ReasonOthers, "starves": api.ReasonUnserved}
	subjects := map[string]string{"staged": "down", "starves": "src", "down": "down"}
	for _, n := range Explain(st).Nodes {
		if len(n.Reasons) == 0 || n.Reasons[0].Code != want[n.Node] || n.Reasons[0].Subject != subjects[n.Node] {
			t.Errorf("%s: %+v, want %s about %q", n.Node, n.Reasons, want[n.Node], subjects[n.Node])
		}
	}
	if all := Explain(st).Troubles; len(all) != 1 || all[0].Node != "src" {
		t.Errorf("troubles of the artifact: %+v", all)
	}
	finished := st
	finished.Summary.Done = true
	if all := Explain(finished).Troubles; len(all) != 0 {
		t.Errorf("troubles that are nobody's any more: %+v", all)
	}
	st.Holds = []api.Hold{{Kind: api.HoldPause}}
	for _, n := range Explain(st).Nodes {
		if n.Node == "new" && n.Reasons[0].Code != api.ReasonPaused {
			t.Errorf("before it has heard of a pause: %+v", n.Reasons)
		}
	}
}

// Who reads JSON finds a list, also when there is nothing to tell.
func TestExplainNodeHasNoNulls(t *testing.T) {
	x := ExplainNode(api.NodeStatus{Node: "web1"})
	if x.Reasons == nil || x.Top == nil {
		t.Errorf("%+v has lists that are null", x)
	}
}
