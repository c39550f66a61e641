package fleet

import (
	"slices"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
)

// revise returns the distribution that stands after wanted is put over old (nil:
// there is none), and whether it differs from old. The generation rises when
// what the nodes have to do changes. That of a new distribution is above any in
// the reports that nodes left under its name.
func revise(old *api.Distribution, wanted api.Distribution, reports []api.NodeStatus, now time.Time) (api.Distribution, bool) {
	next := wanted
	next.State, next.UpdatedAt = api.StatePresent, now
	next.Activated, next.Previous = 0, ""
	if old == nil {
		next.Generation, next.VerifyGeneration, next.CreatedAt = 1, 0, now
		for _, r := range reports {
			next.Generation = max(next.Generation, r.Generation+1)
		}
		return next, true
	}
	next.Generation, next.VerifyGeneration, next.CreatedAt = old.Generation, old.VerifyGeneration, old.CreatedAt
	next.Activated, next.Previous = old.Activated, previous(*old, next.Digest, reports)
	if old.State != next.State || !old.SameTask(next) {
		next.Generation++
		if old.State == api.StatePresent && old.MaySwitch() && old.SameContent(next) {
			next.Activated = next.Generation // there is nothing to switch to
		}
		return next, true
	}
	if old.AllowEmpty != next.AllowEmpty || !old.SameTraffic(next) {
		return next, true
	}
	return *old, false
}

// previous is what a rollback of the next version of old returns to: what old
// wanted, unless the nodes never were to switch to it, or hooks have refused it
// everywhere. Then the version before that is what stands, and is kept.
func previous(old api.Distribution, digest string, reports []api.NodeStatus) string {
	before := old.Previous
	if old.Digest != digest && old.MaySwitch() && !refused(old, reports) {
		before = old.Digest
	}
	if before == digest {
		return ""
	}
	return before
}

// refused reports whether hooks have refused what d wants, and no node says that
// it stands or may come to.
func refused(d api.Distribution, reports []api.NodeStatus) (any bool) {
	for _, r := range reports {
		switch {
		case !d.Current(r):
		case !isRefused(r):
			return false
		default:
			any = true
		}
	}
	return any
}

func isRefused(r api.NodeStatus) bool {
	return r.Phase == api.PhaseFailed && r.Error != nil && r.Error.Code == api.CodeRefused
}

// toPrevious asks for the version before. What is wanted now becomes the
// previous one in turn.
func toPrevious(d api.Distribution, now time.Time) (api.Distribution, error) {
	switch {
	case d.State == api.StateAbsent:
		return d, beingRemoved(d)
	case d.Previous == "":
		return d, &api.Error{Code: api.CodeConflict, Subject: d.Name, Message: "it had no other version before",
			Fix: "distribute the version that you want: rackswarm distribute " + d.Name + " --artifact DIGEST --path " + d.Path}
	}
	wanted := d
	wanted.Digest = d.Previous
	next, _ := revise(&d, wanted, nil, now)
	return next, nil
}

// toActivated lets the nodes switch that have staged what d wants. Where that was
// decided before and hooks have refused it, it asks them once more.
func toActivated(d api.Distribution, reports []api.NodeStatus, now time.Time) (api.Distribution, error) {
	if d.State == api.StateAbsent {
		return d, beingRemoved(d)
	}
	again := slices.ContainsFunc(reports, func(r api.NodeStatus) bool { return d.Current(r) && isRefused(r) })
	switch {
	case !d.MaySwitch():
	case again:
		d.Generation++
	default:
		return d, nil
	}
	d.UpdatedAt = now
	if d.Together() {
		d.Activated = d.Generation
	}
	return d, nil
}

func beingRemoved(d api.Distribution) error {
	return &api.Error{Code: api.CodeConflict, Subject: d.Name, Message: "the distribution is being removed",
		Fix: "put it again if the content shall stay"}
}

// toAbsent asks the nodes to remove the content; again changes nothing.
func toAbsent(d api.Distribution, now time.Time) api.Distribution {
	if d.State == api.StateAbsent {
		return d
	}
	d.State, d.UpdatedAt = api.StateAbsent, now
	d.Generation++
	return d
}

// toVerify asks the nodes to hash everything again.
func toVerify(d api.Distribution, now time.Time) (api.Distribution, error) {
	if d.State == api.StateAbsent {
		return d, beingRemoved(d)
	}
	d.VerifyGeneration++
	d.UpdatedAt = now
	return d, nil
}
