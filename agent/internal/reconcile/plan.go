package reconcile

import (
	"cmp"
	"crypto/ed25519"
	"maps"
	"slices"

	"github.com/rackswarm/rackswarm/agent/internal/hook"
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/artifact"
)

// World is everything the planner looks at.
type World struct {
	Node          api.Node
	Store         string // identity of the store that the distributions are from
	Distributions []api.Distribution
	Records       map[string]*Record      // by distribution
	Artifacts     map[string]api.Artifact // by digest; those that are known
	Trust         []ed25519.PublicKey
	Hooks         hook.Set
	Holds         []api.Hold
}

// Plan says what is to be done, by distribution: for each that selects this
// node, and for each that this node remembers. It depends on nothing else, in
// particular not on the order of the distributions.
func Plan(w World) map[string]Task {
	plan := map[string]Task{}
	for name := range w.Records {
		plan[name] = Forget{}
	}
	claims := newClaims()
	for _, d := range inOrder(w) {
		plan[d.Name] = w.unlessStopped(&d, w.planOne(&d, claims))
	}
	for _, name := range slices.Sorted(maps.Keys(w.Records)) {
		if w.lost(name) && claims.addAll(name, w.Records[name].paths()) {
			plan[name] = Keep{}
		}
	}
	return plan
}

// unlessStopped returns the task, or what is done in its place where an operator has
// stopped what it would fetch.
func (w World) unlessStopped(d *api.Distribution, t Task) Task {
	if _, fetches := needs(t); !fetches {
		return t
	}
	if rec := w.Records[d.Name]; rec != nil && rec.Trial != nil && sameOnDisk(rec.Trial, d) {
		return t // it has switched, and hooks are yet to look
	}
	if h := api.HeldBy(w.Holds, *d, w.Node.Name); h != nil && h.Kind == api.HoldStop {
		return Stopped{d.Generation}
	}
	return t
}

// lost reports whether the record of a distribution is not there since it is
// missing in another store than the one that held it; nobody deleted it.
func (w World) lost(name string) bool {
	rec := w.Records[name]
	return rec.Store != "" && rec.Store != w.Store && !rec.Removed &&
		!slices.ContainsFunc(w.Distributions, func(d api.Distribution) bool { return d.Name == name })
}

// inOrder returns the distributions that select this node, those that come
// first in a quarrel over a path first: content that is on its way out holds its
// path until it is gone; then the earlier one, then the name.
func inOrder(w World) []api.Distribution {
	mine := make([]api.Distribution, 0, len(w.Distributions))
	for _, d := range w.Distributions {
		if d.Selector.Matches(w.Node) {
			mine = append(mine, d)
		}
	}
	slices.SortFunc(mine, func(a, b api.Distribution) int {
		return cmp.Or(
			cmp.Compare(stateRank(&a), stateRank(&b)),
			a.CreatedAt.Compare(b.CreatedAt),
			cmp.Compare(a.Name, b.Name))
	})
	return mine
}

func stateRank(d *api.Distribution) int {
	if d.State == api.StateAbsent {
		return 0
	}
	return 1
}

func (w World) planOne(d *api.Distribution, c *claims) Task {
	rec := w.Records[d.Name]
	if d.State == api.StateAbsent {
		return planAbsent(d, rec, c)
	}
	if other, taken := c.add(d.Name, d.Path); taken {
		if rec != nil && !rec.Removed && rec.Standing != nil {
			c.add(d.Name, rec.Standing.Path) // what stands is kept there
		}
		return Refuse{d.Generation, *conflict(d, other)}
	}
	if rec != nil && !rec.Removed && rec.Standing != nil {
		return w.planStanding(d, rec)
	}
	return w.planSwitch(d, rec, func(digest artifact.Digest) Task { return Place{digest, d.Generation} })
}

// planAbsent removes what stands. A node that holds nothing has only to say so.
func planAbsent(d *api.Distribution, rec *Record, c *claims) Task {
	if rec == nil {
		return Remove{d.Generation}
	}
	for _, path := range rec.paths() {
		c.hold(d.Name, path)
	}
	if rec.Removed && rec.Wanted.Generation == d.Generation {
		return Removed{}
	}
	return Remove{d.Generation}
}

func (w World) planStanding(d *api.Distribution, rec *Record) Task {
	replace := func(digest artifact.Digest) Task { return Replace{digest, d.Generation} }
	switch {
	case !sameOnDisk(rec.Standing, d):
		return w.planSwitch(d, rec, replace)
	case rec.Trial != nil: // it is to come back
		return w.planFetch(d, replace)
	case rec.Standing.Generation != d.Generation || rec.Verified > d.VerifyGeneration:
		return Adopt{d.Generation, min(rec.Verified, d.VerifyGeneration)}
	case rec.Drifted:
		return w.planFetch(d, func(digest artifact.Digest) Task { return Repair{digest, d.Generation} })
	case rec.Verified < d.VerifyGeneration:
		return Verify{d.VerifyGeneration}
	}
	return Check{}
}

// planSwitch returns the task that leads to content that does not stand: now, or
// up to the point from which the nodes go on together. A node that lacks a hook
// does not begin, and one whose hooks refused this generation leaves it at that.
func (w World) planSwitch(d *api.Distribution, rec *Record, now func(artifact.Digest) Task) Task {
	return w.planFetch(d, func(digest artifact.Digest) Task {
		if name := w.Hooks.Lacks(slices.Concat(d.Hooks.Before, d.Hooks.After)...); name != "" {
			return Refuse{d.Generation, lacksHook(name, w.Node.Name)}
		}
		if rec != nil && rec.Refused != nil && rec.Refused.Generation == d.Generation &&
			rec.Refused.Hooks == w.Hooks.Fingerprint(d.Hooks.After...) {
			return Refuse{d.Generation, rec.Refused.Error}
		}
		switch {
		case d.MaySwitch():
			return now(digest)
		case rec != nil && rec.isStaged(d):
			return Wait{d.Generation}
		}
		return Stage{digest, d.Generation}
	})
}

func lacksHook(name, node string) api.Error {
	return api.Error{Code: api.CodeInvalid, Subject: "hook " + name, Message: "the configuration of node " + node + " has no hook of this name",
		Fix: "set hooks." + name + ".command in the agent's configuration there and restart it, or leave the hook out of the distribution"}
}

// planFetch returns the task for the distribution's digest, unless the artifact
// is unknown or not trusted.
func (w World) planFetch(d *api.Distribution, task func(artifact.Digest) Task) Task {
	digest, err := artifact.ParseDigest(d.Digest)
	if err != nil {
		return Refuse{d.Generation, api.Error{Code: api.CodeInvalid, Subject: d.Name,
			Message: "its digest " + d.Digest + " does not parse: " + err.Error(),
			Fix:     "distribute a digest as printed by rackswarm publish"}}
	}
	a, ok := w.Artifacts[digest.String()]
	if !ok {
		return Refuse{d.Generation, api.Error{Code: api.CodeNotFound, Subject: d.Digest,
			Message: "this artifact is not published", Fix: "publish it again, or distribute another one"}}
	}
	if err := checkTrust(digest, a, w.Trust); err != nil {
		return Refuse{d.Generation, *err}
	}
	return task(digest)
}
