package restore

import decide "github.com/rackswarm/rackswarm/core/restore"

// finishes reports whether a database may be down until op, or one that follows, is
// done.
func finishes(op decide.Op) bool {
	switch op {
	case decide.OpCheckRole, decide.OpExchange, decide.OpStart, decide.OpLook, decide.OpExchangeBack, decide.OpStartOld:
		return true
	}
	return false
}

// interruptible reports whether op is ended when the run wants something else. The
// others are short, or leave less to repair when they are done.
func interruptible(op decide.Op) bool {
	switch op {
	case decide.OpProbe, decide.OpCapture, decide.OpVerifyCapture, decide.OpPublish, decide.OpWatchPin,
		decide.OpAwaitRelease, decide.OpVerify, decide.OpConfigure, decide.OpAwaitHealth, decide.OpRemoveStaging:
		return true
	}
	return false
}

// leadsBack reports whether op brings the old database back. That is done without a
// journal, too: an agent that then dies finds by the directories what was done.
func leadsBack(op decide.Op) bool {
	return op == decide.OpStopNew || op == decide.OpExchangeBack || op == decide.OpStartOld
}
