package cli

import "github.com/rackswarm/rackswarm/core/api"

// holding reports whether the node has the content that is wanted. No node has
// that of a removal, whose end is that of the distribution.
func holding(d api.Distribution, n api.NodeStatus) bool {
	return d.State != api.StateAbsent && d.Converged(n)
}

// stuck reports whether the node will not go on without help: it failed and
// waits before it tries again, or is down.
func stuck(n api.NodeStatus) bool { return n.Phase == api.PhaseFailed || n.Unreachable }

// stopped reports whether an operator has ended what the node would fetch.
func stopped(st api.Status, n api.NodeStatus) bool {
	h := n.Held
	if h == nil {
		h = api.HeldBy(st.Holds, st.Distribution, n.Node)
	}
	return h != nil && h.Kind == api.HoldStop && n.Phase != api.PhaseStaged
}

// settled reports whether every node either meets the condition or is stuck, or
// hopeless (nil for none), or waits for one that is.
func settled(st api.Status, ok, hopeless func(api.NodeStatus) bool) bool {
	anyStuck, waiting := false, false
	for _, n := range st.Nodes {
		switch {
		case ok(n):
		case stuck(n), stopped(st, n), st.Starves(n), hopeless != nil && hopeless(n):
			anyStuck = true
		case n.Phase == api.PhaseStaged && len(st.Summary.Blockers) > 0:
			waiting = true
		default:
			return false
		}
	}
	return anyStuck || !waiting
}

// count is how many nodes meet the condition.
func count(st api.Status, ok func(api.NodeStatus) bool) int {
	n := 0
	for _, s := range st.Nodes {
		if ok(s) {
			n++
		}
	}
	return n
}

// goal is what a command waits for.
type goal struct {
	// node reports whether one node is where it should be.
	node func(api.Distribution, api.NodeStatus) bool
	// generation and verify are the distribution's that are waited for: an
	// agent may still answer with an older one.
	generation, verify int64
	quorum             int // percent of the targets that suffice; 100 waits for all
	// patient waits for nodes that are stuck, for as long as it takes.
	patient bool
	// hopeless reports whether a node counts as stuck although it tries; nil is no.
	hopeless func(api.NodeStatus) bool
}

// installed waits for the content of generation, or of whatever is wanted.
func installed(generation int64, quorum int) goal {
	return goal{node: holding, generation: generation, quorum: quorum}
}

// verified waits for all content being hashed again.
func verified(d api.Distribution) goal {
	return goal{
		node: func(now api.Distribution, n api.NodeStatus) bool {
			return holding(now, n) && n.Verified >= d.VerifyGeneration
		},
		generation: d.Generation, verify: d.VerifyGeneration, quorum: 100,
	}
}

// stale reports whether the status is of an older state than that waited for.
func (g goal) stale(st api.Status) bool {
	return st.Distribution.Generation < g.generation || st.Distribution.VerifyGeneration < g.verify
}

// reached is how many nodes are where they should be, and whether all are.
func (g goal) reached(st api.Status) (n int, all bool) {
	n = count(st, func(s api.NodeStatus) bool { return g.node(st.Distribution, s) })
	return n, n == len(st.Nodes) && !g.stale(st)
}

// enough reports whether the quorum is reached; without nodes it is.
func (g goal) enough(st api.Status) bool {
	n, _ := g.reached(st)
	return !g.stale(st) && n*100 >= g.quorum*len(st.Nodes)
}

// settled reports whether nothing more will come of itself.
func (g goal) settled(st api.Status) bool {
	return !g.patient && !g.stale(st) && settled(st, func(s api.NodeStatus) bool { return g.node(st.Distribution, s) }, g.hopeless)
}
