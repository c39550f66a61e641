package restore

import "github.com/rackswarm/rackswarm/core/api"

// Next is the operation that brings a part nearer to its goal. The goal may
// change at any moment, to any other. A goal that is behind what was done does
// not undo it; only GoalRevert and GoalEnd do.
func Next(j Journal, goal api.PartGoal) Op {
	switch {
	case goal == "":
		return OpNone
	case j.Source != nil:
		return nextSource(j, goal)
	case j.Target != nil:
		return nextMember(j, goal)
	}
	return OpNone
}

func nextSource(j Journal, goal api.PartGoal) Op {
	s := j.Source
	switch {
	case goal == api.GoalEnd && s.Holding:
		return OpUnpin
	case goal == api.GoalEnd && s.Writing:
		return OpDropCapture
	case j.State.Final():
		return OpNone
	case goal == api.GoalEnd:
		return OpGiveUp
	case j.State == "":
		return OpProbe
	case goal == api.GoalCapture:
		return nextCapture(j)
	}
	return OpNone
}

func nextCapture(j Journal) Op {
	s := j.Source
	switch {
	case j.State == api.PartProbed && s.Pins:
		return OpPin
	case j.Content == nil:
		return OpCapture
	case s.VerifiedAt.IsZero():
		return OpVerifyCapture
	case s.Digest == "":
		return OpPublish
	case s.Pin != "":
		return OpWatchPin
	}
	return OpNone
}

func nextMember(j Journal, goal api.PartGoal) Op {
	t := j.Target
	switch {
	case j.State.Final():
		return nextFinal(j, goal)
	case t.Exchanging:
		return OpLook
	case t.Committing:
		return OpRemoveOld
	case t.Reverting || goal == api.GoalRevert || goal == api.GoalEnd:
		return nextBack(j)
	}
	return nextForward(j, goal)
}

// nextFinal removes what only the run needed. Nothing is removed of a member that
// is stuck.
func nextFinal(j Journal, goal api.PartGoal) Op {
	t := j.Target
	switch j.State {
	case api.PartCommitted:
		if t.Former != "" {
			return OpDropFormer
		}
	case api.PartFailed, api.PartRolledBack:
		switch {
		case goal != api.GoalEnd:
		case !t.Removed: // before what needs the primary, which may be why it failed
			return OpRemoveStaging
		case t.Configuring:
			return OpCleanup
		}
	}
	return OpNone
}

func nextForward(j Journal, goal api.PartGoal) Op {
	switch j.State {
	case "":
		return OpProbe
	case api.PartProbed:
		if goal != api.GoalProbe && j.Content != nil {
			return OpAwaitRelease
		}
	case api.PartStaged:
		return OpVerify
	case api.PartVerified:
		return OpConfigure
	case api.PartConfigured:
		if goal == api.GoalSwitch || goal == api.GoalCommit {
			return nextStop(j)
		}
	case api.PartStopped:
		switch {
		case !j.stopped:
			return nextStop(j)
		case !j.looked: // it may have been promoted after the look before its stop
			return OpCheckRole
		}
		return OpExchange
	case api.PartSwapped, api.PartStarted, api.PartCatchingUp:
		return nextStart(j)
	case api.PartHealthy:
		switch {
		case j.samples < healthySamples:
			return nextStart(j) // another process of the agent saw it healthy
		case goal == api.GoalCommit:
			return OpRemoveOld
		}
	}
	return OpNone
}

// nextStop never stops what was not looked at by this process.
func nextStop(j Journal) Op {
	if j.checked {
		return OpStop
	}
	return OpCheckRole
}

func nextStart(j Journal) Op {
	if j.started {
		return OpAwaitHealth
	}
	return OpStart
}

// nextBack brings the old database back.
func nextBack(j Journal) Op {
	t := j.Target
	switch {
	case t.Swap != nil && !j.newStopped:
		return OpStopNew
	case t.Swap != nil:
		return OpExchangeBack
	case t.Stopping && t.Running:
		return OpStartOld
	}
	return OpGiveUp
}
