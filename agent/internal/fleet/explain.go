package fleet

import (
	"context"
	"slices"
	"strings"

	"github.com/rackswarm/rackswarm/core/api"
)

// Explain says what each node of a distribution waits for.
func (f *Fleet) Explain(ctx context.Context, name string) (api.Explanation, error) {
	st, err := f.Status(ctx, name)
	if err != nil {
		return api.Explanation{}, err
	}
	return Explain(st), nil
}

// Explain says what a status means for each node: what the node itself reports, and
// what only the whole shows.
func Explain(st api.Status) api.Explanation {
	e := api.Explanation{Distribution: st.Distribution.Name, Digest: st.Distribution.Digest, Nodes: []api.NodeExplanation{}}
	if st.Artifact != nil && !st.Summary.Done {
		e.Troubles = st.Artifact.Troubles
	}
	for _, n := range st.Nodes {
		x := ExplainNode(n)
		x.Reasons = reasonsFor(st, n)
		e.Nodes = append(e.Nodes, x)
	}
	return e
}

// ExplainNode is what a node's own report says.
func ExplainNode(n api.NodeStatus) api.NodeExplanation {
	return api.NodeExplanation{
		Node: n.Node, Location: n.Location, Phase: n.Phase, BytesDone: n.BytesDone, Bytes: n.BytesTotal, Rate: n.Rate,
		Reasons: append([]api.Reason{}, n.Reasons...), Top: append([]api.PeerRate{}, n.Top...), // never null
		ReportedAt: n.UpdatedAt,
	}
}

func reasonsFor(st api.Status, n api.NodeStatus) []api.Reason {
	d := st.Distribution
	held := api.HeldBy(st.Holds, d, n.Node)
	switch {
	case n.Unreachable && !d.Converged(n):
		return []api.Reason{{Code: api.ReasonDown, Subject: n.Node, Message: "its agent does not answer; this is its last report",
			Fix: "start the agent there, and see that it reaches the store; or, if it is gone for good: rackswarm rm --node " + n.Node}}
	case d.Converged(n): // it can only be that it sends less than others want
		return only(n.Reasons, api.ReasonSenderLimit, api.ReasonPriority)
	case n.Held == nil && held != nil && n.Phase != api.PhaseStaged:
		return []api.Reason{held.Reason()}
	case len(n.Reasons) == 0:
		return []api.Reason{unexplained(n.Phase)}
	}
	reasons := slices.Clone(n.Reasons)
	for i, r := range reasons {
		switch {
		case r.Code == api.ReasonOthers && len(st.Summary.Blockers) > 0:
			reasons[i].Subject = strings.Join(st.Summary.Blockers, ", ")
			reasons[i].Message = "it has staged the content and waits for " + reasons[i].Subject
		case r.Code == api.ReasonUnserved && st.Artifact != nil && len(st.Artifact.Troubles) > 0:
			trouble := st.Artifact.Troubles[0]
			reasons[i].Subject, reasons[i].Fix = trouble.Node, trouble.Error.Fix
			reasons[i].Message += "; the source on " + trouble.Node + ": " + trouble.Error.Message
		}
	}
	return append([]api.Reason{}, reasons...)
}

// unexplained is why a node does not have what is wanted that gives no reason itself,
// or not yet.
func unexplained(p api.Phase) api.Reason {
	switch p {
	case api.PhaseManifest:
		return api.Reason{Code: api.ReasonManifest, Message: "it begins to fetch the manifest"}
	case api.PhaseFetching:
		return api.Reason{Code: api.ReasonFetching, Message: "it begins to fetch"}
	}
	return api.Reason{Code: api.ReasonUnheard, Message: "it has not begun, or not reported yet",
		Fix: "if that lasts: see its agent's log, and whether it reaches the store"}
}

// only keeps the reasons of some codes.
func only(all []api.Reason, codes ...api.ReasonCode) []api.Reason {
	kept := []api.Reason{}
	for _, r := range all {
		if slices.Contains(codes, r.Code) {
			kept = append(kept, r)
		}
	}
	return kept
}
