package control

import (
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
	if old == nil {
		next.Generation, next.VerifyGeneration, next.CreatedAt = 1, 0, now
		for _, r := range reports {
			next.Generation = max(next.Generation, r.Generation+1)
		}
		return next, true
	}
	next.Generation, next.VerifyGeneration, next.CreatedAt = old.Generation, old.VerifyGeneration, old.CreatedAt
	if !sameTask(*old, next) {
		next.Generation++
		return next, true
	}
	if old.AllowEmpty != next.AllowEmpty {
		return next, true
	}
	return *old, false
}

// sameTask reports whether a and b ask the same of the nodes.
func sameTask(a, b api.Distribution) bool {
	return a.Digest == b.Digest && a.Path == b.Path && a.State == b.State && a.Overwrite == b.Overwrite &&
		a.Owner == b.Owner && a.Group == b.Group && a.Mode == b.Mode && a.Selector.Equal(b.Selector)
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
		return d, &api.Error{Code: api.CodeConflict, Subject: d.Name, Message: "the distribution is being removed",
			Fix: "put it again if the content shall stay"}
	}
	d.VerifyGeneration++
	d.UpdatedAt = now
	return d, nil
}
