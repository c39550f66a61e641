package restore

import "github.com/rackswarm/rackswarm/core/api"

// Next is the operation that brings a part nearer to its goal. The goal may
// change at any moment, to any other.
func Next(j Journal, goal api.PartGoal) Op {
	return OpNone
}

// PinName is what the source's hold on the log is called: letters, digits and
// '_', at most 63 of them, in lower case.
func PinName(run string) string {
	return ""
}

// MemberName is what a member is called among those that follow one primary:
// letters, digits and '_', at most 63 of them, in lower case. It is the same in
// every run.
func MemberName(node, database string) string {
	return ""
}
