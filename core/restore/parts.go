package restore

import (
	"cmp"
	"fmt"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
)

// open reports whether a part is still to reach something.
func open(p api.RunPart) bool { return p.Error == nil && !p.Report.State.Final() }

// failed reports whether a part did not reach what it was to reach.
func failed(p api.RunPart) bool {
	switch p.Report.State {
	case api.PartFailed, api.PartRolledBack, api.PartStuck:
		return true
	}
	return p.Error != nil
}

// switched reports whether a member has the content for good.
func switched(p api.RunPart) bool {
	return p.Report.State == api.PartCommitted || p.Goal == api.GoalCommit && p.Report.State == api.PartHealthy
}

// partError is why a part failed.
func partError(p api.RunPart) *api.Error {
	err := cmp.Or(p.Error, p.Report.Error)
	if p.Report.State == api.PartStuck {
		err = cmp.Or(p.Report.Error, p.Error)
	}
	if err == nil {
		err = &api.Error{Code: api.CodeInternal, Message: fmt.Sprintf("its part ended in state %s, and the agent did not say why", p.Report.State)}
	}
	return at(err, p.Node)
}

// firstError is that of the first member that failed.
func firstError(r api.Run) *api.Error {
	for _, m := range r.Members {
		if failed(m) {
			return partError(m)
		}
	}
	return nil
}

func (s *stepper) anyOpen() bool {
	for _, m := range s.run.Members {
		if open(m) {
			return true
		}
	}
	return false
}

// watchNodes gives up the parts whose nodes are gone, or cannot get the content.
func (s *stepper) watchNodes() {
	for _, p := range s.run.Parts() {
		settled := p.Report.State.Final()
		if s.run.Phase == api.RunCleaning {
			settled = p.Report.Done
		}
		if settled || p.Error != nil {
			continue
		}
		err, patience := s.trouble(*p)
		switch {
		case err == nil:
			p.TroubleSince = time.Time{}
			continue
		case p.TroubleSince.IsZero():
			p.TroubleSince = s.v.Now
		}
		if s.due(p.TroubleSince, patience) {
			s.giveUp(p, err)
		}
	}
}

// trouble is what keeps a part from going on, and how long that is waited for.
func (s *stepper) trouble(p api.RunPart) (*api.Error, time.Duration) {
	if p.Unreachable {
		err := nodeLost(p.Node)
		if s.isSource(p) {
			err.Fix = "start it: it then removes what the run left there, such as its hold on the log"
		}
		return err, LostAfter
	}
	if s.run.Phase != api.RunCopying || s.isSource(p) {
		return nil, 0
	}
	return copyTrouble(s.v.Distributions[stagingName(s.run.ID, p)], p.Node)
}

func (s *stepper) isSource(p api.RunPart) bool {
	return s.run.Source != nil && p.Node == s.run.Source.Node
}

func nodeLost(node string) *api.Error {
	return &api.Error{Code: api.CodeNodeLost, Subject: node, Message: "the agent does not answer any more",
		Fix: "when it is back it brings the old data back by itself, if it had stopped them"}
}

// copyTrouble is why a node does not get a distribution's content.
func copyTrouble(d api.Status, node string) (*api.Error, time.Duration) {
	for _, n := range d.Nodes {
		if n.Node != node || n.Phase != api.PhaseFailed || n.Error == nil {
			continue
		}
		switch n.Error.Code {
		case api.CodeNoSpace, api.CodeQuota, api.CodeForeignContent, api.CodeOutsideRoots, api.CodeUntrusted, api.CodeInvalid:
			return at(n.Error, node), 0
		}
		return at(n.Error, node), copyPatience
	}
	return nil, 0
}

// giveUp goes on without a part. When its node is back, it finds a goal that
// leads back to the old data. What was to be committed has proved well, and stays.
// GoalRevert is also for those that are given up while members switch: it tells
// them from those that were left out before, which do not halt the others.
func (s *stepper) giveUp(p *api.RunPart, err *api.Error) {
	p.Error = at(err, p.Node)
	switch {
	case p.Goal == api.GoalCommit:
	case s.run.Phase == api.RunRolling && !s.isSource(*p):
		s.setGoal(p, api.GoalRevert)
	default:
		s.setGoal(p, api.GoalEnd)
	}
}
