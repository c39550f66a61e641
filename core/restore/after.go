package restore

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
)

// healthySamples is how often in a row a database must be found healthy: one
// that just started may stream for a moment and then not.
const healthySamples = 3

// defaultHealthTimeout is what Restore.HealthTimeout is if it is 0.
const defaultHealthTimeout = 300 * time.Second

// Before says what must be on the disk before op is performed. changed says that
// the journal must be written first. swap is needed for OpExchange only: the
// directories' inode numbers.
func (j Journal) Before(op Op, swap Swap) (_ Journal, changed bool) {
	j = j.clone()
	switch op {
	case OpPin:
		j.Source.Holding = true
	case OpCapture:
		j.Source.Writing, j.State = true, api.PartCapturing
	case OpConfigure:
		j.Target.Configuring = true
	case OpStop:
		j.Target.Stopping = true
	case OpExchange:
		j.Target.Swap, j.Target.Exchanging = &swap, true
	case OpExchangeBack:
		j.Target.Exchanging, j.Target.Reverting = true, true
	case OpStopNew, OpStartOld:
		j.Target.Reverting = true
	case OpRemoveOld:
		j.Target.Committing = true
	default:
		return j, false
	}
	return j, true
}

// clone copies what Before and After change. What else is pointed to is never
// changed.
func (j Journal) clone() Journal {
	if j.Source != nil {
		s := *j.Source
		j.Source = &s
	}
	if j.Target != nil {
		t := *j.Target
		j.Target = &t
	}
	return j
}

// After takes in how op ended.
func (j Journal) After(op Op, r Result) Journal {
	j = j.clone()
	switch {
	case r.Removed && r.Err != nil:
		return j.abandon(r.Err)
	case r.Err != nil:
		return j.failed(op, r)
	}
	if op == j.Failing || op != OpLook && op != OpCheckRole {
		// These two precede a try that failed, and do not say that it goes better.
		j = j.untroubled()
	}
	if j.Source != nil {
		return j.afterSource(op, r)
	}
	if j.Target != nil {
		return j.afterMember(op, r)
	}
	return j
}

func (j Journal) untroubled() Journal {
	j.Failing, j.FailingSince, j.Trouble = "", time.Time{}, nil
	return j
}

func (j Journal) afterSource(op Op, r Result) Journal {
	s := j.Source
	switch op {
	case OpProbe:
		j.Probe, j.State = r.Probe, api.PartProbed
		if err := CheckSource(probed(r)); err != nil {
			return j.end(api.PartFailed, at(err, j.Node))
		}
	case OpPin, OpWatchPin:
		if r.PinLost {
			return j.end(api.PartFailed, pinLost(j.Node))
		}
		if op == OpPin {
			s.Pin, j.State = r.Pin, api.PartPinned
		}
	case OpCapture:
		j.Content, s.TakenAt = r.Content, r.TakenAt
	case OpVerifyCapture:
		s.VerifiedAt = r.At
	case OpPublish:
		s.Digest, s.Size, j.State = r.Digest, r.Size, api.PartCaptured
	case OpUnpin:
		s.Holding = false
	case OpDropCapture:
		s.Writing = false
	case OpGiveUp:
		j.State = api.PartEnded
	}
	return j
}

func (j Journal) afterMember(op Op, r Result) Journal {
	t := j.Target
	switch op {
	case OpProbe:
		return j.afterProbe(probed(r))
	case OpAwaitRelease:
		if !r.Wait {
			j.State = api.PartStaged
		}
	case OpVerify:
		j.State = api.PartVerified
	case OpConfigure:
		j.State = api.PartConfigured
	case OpCheckRole:
		return j.afterCheckRole(probed(r))
	case OpStop:
		j.State, j.stopped = api.PartStopped, true
	case OpExchange:
		j.State, t.Exchanging = api.PartSwapped, false
	case OpStart:
		if j.State == api.PartSwapped {
			j.State = api.PartStarted
		}
		j.started, t.StartedAt = true, r.At
	case OpAwaitHealth:
		return j.afterHealth(r)
	case OpRemoveOld:
		j.State, t.Swap, t.Removed = api.PartCommitted, nil, true
	case OpDropFormer:
		t.Former = ""
	case OpLook, OpStopNew, OpExchangeBack, OpStartOld, OpGiveUp:
		return j.afterBack(op, r)
	case OpCleanup:
		t.Configuring = false
	case OpRemoveStaging:
		t.Removed = !r.Wait
	}
	return j
}

// probed is what was found; a driver that found nothing is not trusted to have
// looked.
func probed(r Result) api.DatabaseState {
	if r.Probe == nil {
		return api.DatabaseState{Kind: api.DatabaseForeign}
	}
	return *r.Probe
}

func (j Journal) afterProbe(p api.DatabaseState) Journal {
	j.Probe, j.State = &p, api.PartProbed
	r := j.Target.Restore
	if Skips(p, r) {
		j.State = api.PartSkipped
		return j
	}
	if err := checkPlace(p, r); err != nil {
		return j.end(api.PartFailed, at(err, j.Node))
	}
	return j
}

// afterCheckRole is the last look before the old database is stopped, and the one
// after that: between the two somebody may have promoted it. One that may have been
// stopped by us before is expected to be as we left it.
func (j Journal) afterCheckRole(p api.DatabaseState) Journal {
	t := j.Target
	runs := p.Kind == api.DatabasePrimary || p.Kind == api.DatabaseReplica
	var err *api.Error
	switch {
	case j.stopped && runs:
		return j.revert(at(&api.Error{Code: api.CodeState, Subject: p.DataDir, Message: "was stopped, and runs again: something else starts it",
			Fix: "have 'commands' of the database stop and start it by what looks after it, such as its unit"}, j.Node))
	case p.Kind == api.DatabaseStopped && t.stoppedBy(j.Probe):
		if followed(*j.Probe) && !p.WasReplica {
			err = &api.Error{Code: api.CodeState, Subject: p.DataDir, Message: "was a replica, and is none any more",
				Fix: "somebody promoted it meanwhile: look at it before you try again"}
		} else {
			err = checkContent(p, t.Restore, *j.Content)
		}
	default:
		if err = checkPlace(p, t.Restore); err == nil {
			err = checkContent(p, t.Restore, *j.Content)
		}
		j.Probe = &p
	}
	switch {
	case err == nil:
		j.checked, j.looked = true, j.stopped
		t.Running = t.Running || runs
	case t.Stopping && t.Running && !runs:
		j.Error, t.Reverting = at(err, j.Node), true
	default:
		return j.end(api.PartFailed, at(err, j.Node))
	}
	return j
}

// stoppedBy reports whether a database that was found as first, and does not run
// now, may have been stopped by this part.
func (t *TargetJournal) stoppedBy(first *api.DatabaseState) bool {
	return t.Stopping && first != nil && (t.Running || first.Kind == api.DatabaseStopped)
}

func followed(p api.DatabaseState) bool { return p.Kind == api.DatabaseReplica || p.WasReplica }

func (j Journal) afterHealth(r Result) Journal {
	t := j.Target
	h := api.DatabaseHealth{Message: "the driver says nothing of its health"}
	if r.Health != nil {
		h = *r.Health
	}
	t.Health = &h
	replica := t.Restore.As == api.AsReplica
	switch {
	case replica && h.Writable:
		return j.revert(unhealthy(j, "it takes writes and should follow"))
	case h.Healthy && (h.Replicating || !replica):
		j.samples++
		if j.samples >= healthySamples {
			j.State = api.PartHealthy
			return j
		}
	case r.Final:
		return j.revert(unhealthy(j, cmp.Or(h.Message, h.Fault, "the driver says that it will not become healthy")))
	default:
		j.samples = 0
		if r.At.Sub(t.StartedAt) >= healthTimeout(t.Restore) {
			return j.revert(unhealthy(j, fmt.Sprintf("not healthy %v after its start: %s",
				healthTimeout(t.Restore), cmp.Or(h.Message, h.Fault, "no fault is known"))))
		}
	}
	if j.State != api.PartHealthy {
		j.State = api.PartCatchingUp
	}
	return j
}

func healthTimeout(r api.Restore) time.Duration {
	if r.HealthTimeout <= 0 {
		return defaultHealthTimeout
	}
	return time.Duration(r.HealthTimeout * float64(time.Second))
}

func unhealthy(j Journal, message string) *api.Error {
	return &api.Error{Code: api.CodeUnhealthy, Subject: j.Node, Message: "the restored database: " + message,
		Fix: "look at its log; the old data are brought back"}
}

func pinLost(node string) *api.Error {
	return &api.Error{Code: api.CodePinLost, Subject: node,
		Message: "the source gave up the log that restored replicas need to catch up",
		Fix:     "raise what it may keep (max_slot_wal_keep_size of PostgreSQL) or run it when less is written, and start the run again"}
}

// revert begins the way back, for err.
func (j Journal) revert(err *api.Error) Journal {
	j.Target.Reverting = true
	if j.Error == nil {
		j.Error = err
	}
	return j
}

func (j Journal) afterBack(op Op, r Result) Journal {
	t := j.Target
	switch op {
	case OpLook:
		return j.afterLook(r.Side)
	case OpStopNew:
		j.newStopped = true
	case OpExchangeBack:
		t.Exchanging, t.Swap = false, nil
		j.State, j.newStopped = api.PartStopped, false
		if !t.Running {
			return j.end(api.PartRolledBack, aborted(j.Node))
		}
	case OpStartOld:
		return j.end(api.PartRolledBack, aborted(j.Node))
	case OpGiveUp:
		state := api.PartFailed
		if t.Reverting {
			state = api.PartRolledBack
		}
		return j.end(state, aborted(j.Node))
	}
	return j
}

func (j Journal) afterLook(side Side) Journal {
	t := j.Target
	t.Exchanging = false
	switch side {
	case SideOld:
		j.State, t.Swap = api.PartStopped, nil
	case SideNew:
		j.State = api.PartSwapped
	default:
		return j.stuck(&api.Error{Code: api.CodeState, Subject: j.Node,
			Message: fmt.Sprintf("neither the old nor the new data stand where the exchange of run %s left them", j.Run)})
	}
	return j
}

func aborted(node string) *api.Error {
	return &api.Error{Code: api.CodeAborted, Subject: node, Message: "the run ended before this node was done"}
}

// end is a state that the part stays in. The first error is the one that counts.
func (j Journal) end(state api.PartState, err *api.Error) Journal {
	j.State = state
	if j.Error == nil {
		j.Error = err
	}
	return j
}

// stuck: nothing is deleted, and nothing more is tried.
func (j Journal) stuck(err *api.Error) Journal {
	message := err.Message
	if j.Error != nil {
		message = fmt.Sprintf("%s; the way back failed: %s", j.Error.Message, err.Message)
	}
	j.State, j.Target.Exchanging = api.PartStuck, false
	j.Error = &api.Error{Code: err.Code, Subject: j.Node, Message: message,
		Fix: fmt.Sprintf("nothing was deleted: the data directory and .rackswarm.%s beside it hold both databases; start one by hand", j.Run)}
	return j
}

// failed takes in an error.
func (j Journal) failed(op Op, r Result) Journal {
	if j.Failing != op {
		j.Failing, j.FailingSince = op, r.At
	}
	j.Trouble = r.Err
	j.checked, j.looked, j.samples = false, false, 0
	if op == OpPin && r.Err.Code == api.CodeUnsupported {
		j.Source.Holding, j.State = false, api.PartPinned // an engine without such a log
		return j.untroubled()
	}
	if op.tireless() || r.Hold && j.midway() || r.Retry && r.At.Sub(j.since(op)) < j.limit(op) {
		return j
	}
	j = j.untroubled()
	err := at(r.Err, j.Node)
	switch op {
	case OpStop, OpExchange, OpStart, OpAwaitHealth:
		return j.revert(err)
	case OpCheckRole:
		if j.Target.Stopping {
			return j.revert(err)
		}
	case OpLook, OpStopNew, OpExchangeBack, OpStartOld:
		return j.stuck(err)
	}
	return j.end(api.PartFailed, err)
}

// midway reports whether the old database may be stopped, or replaced, and the old
// data not yet removed: giving up would leave it to a person.
func (j Journal) midway() bool {
	return j.Target != nil && !j.State.Final() && (j.Target.Stopping || j.Target.Swap != nil)
}

// abandon ends a part whose database the node is not to touch any more, for err.
// What it cannot remove without is named.
func (j Journal) abandon(err *api.Error) Journal {
	var left []string
	if s := j.Source; s != nil && s.Holding {
		left, s.Holding = append(left, PinName(j.Run)), false
	}
	if t := j.Target; t != nil {
		if t.Configuring {
			left = append(left, MemberName(j.Run, j.Node))
		}
		if t.Former != "" {
			left = append(left, t.Former)
		}
		t.Configuring, t.Former = false, ""
	}
	err = at(err, j.Node)
	if len(left) > 0 {
		advice := strings.Join(left, " and ") + " may be left on the primary and hold its log: drop what is there"
		err.Fix = strings.TrimPrefix(err.Fix+"; "+advice, "; ")
	}
	switch j = j.untroubled(); {
	case j.State.Final():
		return j.end(j.State, err)
	case j.midway():
		j = j.stuck(err)
		j.Error.Fix += "; " + err.Fix
		return j
	}
	return j.end(api.PartFailed, err)
}

// since is from when the patience with op counts.
func (j Journal) since(op Op) time.Time {
	if op == OpAwaitHealth {
		return j.Target.StartedAt
	}
	return j.FailingSince
}

func (j Journal) limit(op Op) time.Duration {
	if op == OpAwaitHealth {
		return healthTimeout(j.Target.Restore)
	}
	return op.patience()
}

// at names the node in an error, as the run shows errors of many.
func at(err *api.Error, node string) *api.Error {
	e := *err
	switch {
	case e.Subject == "":
		e.Subject = node
	case e.Subject != node && !strings.HasPrefix(e.Subject, node+": "):
		e.Subject = node + ": " + e.Subject
	}
	return &e
}
