package api

// Current reports whether n is about what d wants now, rather than about an
// older generation or another artifact.
func (d Distribution) Current(n NodeStatus) bool {
	return n.Generation == d.Generation && (n.Digest == d.Digest || d.State == StateAbsent)
}

// Converged reports whether n says that the node has what d wants now: the
// content, or nothing if it is to be absent. Server and clients count by it. It
// does not ask for the verification that VerifyGeneration counts, nor whether
// the node is still reachable.
func (d Distribution) Converged(n NodeStatus) bool {
	switch {
	case !d.Current(n) || n.Phase == PhasePending || n.Phase == PhaseFailed:
		return false
	case d.State == StateAbsent:
		return n.Phase == PhaseRemoved
	}
	return n.Installed == d.Digest && !n.Drifted
}

// Needs reports whether d wants an artifact, or has the nodes keep it for a
// rollback: as long as it does, the artifact stays published.
func (d Distribution) Needs(digest string) bool {
	return d.State != StateAbsent && (d.Digest == digest || d.KeepPrevious && d.Previous == digest)
}

// Starves reports whether n waits for what it will not get without help: no peer
// has it, and a source of the artifact is not what was published any more.
func (s Status) Starves(n NodeStatus) bool {
	return n.Waiting != "" && s.Artifact != nil && len(s.Artifact.Troubles) > 0
}
