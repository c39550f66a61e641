package api

import "slices"

// Together reports whether the nodes switch together to what d wants.
func (d Distribution) Together() bool { return d.Activate == ActivateTogether }

// MaySwitch reports whether the nodes may switch to what d wants: each as soon
// as it has it, or, where they switch together, once that was decided for this
// generation.
func (d Distribution) MaySwitch() bool {
	return !d.Together() || d.Activated >= d.Generation
}

// Ready reports whether n would switch at once to what d wants, or has: a node
// that nobody has to wait for. One that is unreachable is not.
func (d Distribution) Ready(n NodeStatus) bool {
	return !n.Unreachable && (d.Current(n) && n.Phase == PhaseStaged || d.Converged(n))
}

// SameContent reports whether a and b ask for the same bytes and metadata at the
// same place.
func (d Distribution) SameContent(o Distribution) bool {
	return d.Digest == o.Digest && d.Path == o.Path && d.Owner == o.Owner && d.Group == o.Group && d.Mode == o.Mode
}

// SameTask reports whether a and b ask the same of the same nodes; which state
// they are in does not count, nor how the bytes move, see SameTraffic.
func (d Distribution) SameTask(o Distribution) bool {
	return d.SameContent(o) && d.Overwrite == o.Overwrite && d.Selector.Equal(o.Selector) &&
		d.Together() == o.Together() && d.KeepPrevious == o.KeepPrevious && d.Hooks.Equal(o.Hooks)
}

// Equal reports whether the same hooks are run in the same order.
func (h Hooks) Equal(o Hooks) bool {
	return slices.Equal(h.Before, o.Before) && slices.Equal(h.After, o.After)
}
