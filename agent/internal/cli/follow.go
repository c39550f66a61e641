package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/client"
)

// view shows a distribution while it changes.
type view interface {
	show(st api.Status)
	close() // shows what is left to show, and gives the terminal back
}

// silent shows nothing.
type silent struct{}

func (silent) show(api.Status) {}
func (silent) close()          {}

// follow shows a distribution until the goal is reached, nothing more will come
// of itself, or ctx ends, which is no error. It returns the last status.
func (r *run) follow(ctx context.Context, c *client.Client, name string, g goal, v view) (api.Status, error) {
	defer v.close()
	inner, stop := context.WithCancel(ctx)
	defer stop()
	statuses, ended := c.Statuses(inner, name)
	var last api.Status
	var over <-chan time.Time // when a settled distribution counts as ended
	for {
		select {
		case last = <-statuses:
			v.show(last)
			switch _, all := g.reached(last); {
			case all, g.quorum < 100 && g.enough(last):
				return last, nil
			case !g.settled(last):
				over = nil
			case over == nil:
				over = time.After(r.settle)
			}
		case <-over:
			return last, nil
		case err := <-ended:
			if ctx.Err() != nil && last.Distribution.Name != "" {
				return last, nil
			}
			return last, err
		}
	}
}

// verdict is nil if enough nodes are where they should be, and else the error
// with which the command ends.
func verdict(ctx context.Context, st api.Status, g goal) error {
	name := st.Distribution.Name
	again := "look again with: rackswarm watch " + name
	if errors.Is(ctx.Err(), context.Canceled) {
		return &exitError{exitInterrupted, &api.Error{Code: api.CodeCanceled, Subject: name, Message: "interrupted; the distribution goes on without this command", Fix: again}}
	}
	if g.enough(st) {
		return nil
	}
	n, _ := g.reached(st)
	code := exitFailed
	if n > 0 {
		code = exitPartial
	}
	message := fmt.Sprintf("%d of %d nodes are done", n, len(st.Nodes))
	if st.Summary.Failed > 0 {
		message += fmt.Sprintf(", %d failed", st.Summary.Failed)
	}
	if st.Summary.Offline > 0 {
		message += fmt.Sprintf(", %d down", st.Summary.Offline)
	}
	if st.Summary.Staged > 0 && len(st.Summary.Blockers) > 0 {
		message += fmt.Sprintf(", %d waiting for %s", st.Summary.Staged, few(st.Summary.Blockers))
		again = "mend that, or switch the others with: rackswarm activate " + name
	}
	next := "the agents go on trying; " + again
	for _, h := range st.Holds {
		message += "; it is " + h.String()
		next = h.Reason().Fix
	}
	if refusedForGood(st) {
		next = "see to what the hook asks for, then: rackswarm activate " + name
	}
	if wrong := troubles(st); len(wrong) > 0 {
		message += "; " + strings.Join(wrong, "; ")
		next = "the agents go on trying; " + st.Artifact.Troubles[0].Error.Fix
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		message += " at the end of the time given"
	}
	return &exitError{code, &api.Error{Code: failureCode(st), Subject: name, Message: message, Fix: next}}
}

// refusedForGood reports whether a hook refused after the switch somewhere: what
// stood before is back there, and the node does not try again by itself.
func refusedForGood(st api.Status) bool {
	hooks := st.Distribution.Hooks
	return slices.ContainsFunc(st.Nodes, func(n api.NodeStatus) bool {
		if n.Phase != api.PhaseFailed || n.Error == nil || n.Error.Code != api.CodeRefused {
			return false
		}
		hook, _ := strings.CutPrefix(n.Error.Subject, "hook ")
		return slices.Contains(hooks.After, hook) && !slices.Contains(hooks.Before, hook)
	})
}

// failureCode is that of the first node that failed.
func failureCode(st api.Status) string {
	for _, n := range st.Nodes {
		if n.Phase == api.PhaseFailed && n.Error != nil {
			return n.Error.Code
		}
	}
	if len(troubles(st)) > 0 {
		return st.Artifact.Troubles[0].Error.Code
	}
	return api.CodeCanceled
}
