package provider

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"

	"github.com/rackswarm/rackswarm/core/api"
)

// maxListed bounds how many nodes a diagnostic lists.
const maxListed = 20

// outcome is how waiting for a distribution ended.
type outcome struct {
	want   api.Distribution
	status api.Status // zero if no agent told any
	stuck  bool       // nodes that do not hold the content have failed or are down
	err    error      // why waiting ended early, if it did
}

// report adds what the outcome means for an apply. An error when Terraform
// creates makes it destroy and create again, so that is one only if the content
// neither stands nor moves anywhere.
func (o outcome) report(diags *diag.Diagnostics, m distributionModel, creating bool) {
	ok := o.err == nil && enough(o.status, m.MinSuccessPercent.ValueInt64())
	if ok && o.status.Summary.Done {
		return
	}
	mild := ok || m.OnPartial.ValueString() == partialWarn || errors.Is(o.err, context.Canceled) ||
		creating && !(o.stuck && o.status.Summary.Converged == 0 && !o.staged())
	summary, detail := o.summary(), o.detail()
	if mild {
		diags.AddWarning(summary, detail)
	} else {
		diags.AddError(summary, detail)
	}
}

// staged reports whether some node has the content beside its destination.
func (o outcome) staged() bool {
	return slices.ContainsFunc(o.status.Nodes, func(n api.NodeStatus) bool { return n.Phase == api.PhaseStaged })
}

func (o outcome) summary() string {
	s := o.status.Summary
	if o.status.Nodes == nil {
		return o.want.Name + ": not known how many nodes hold the content"
	}
	return fmt.Sprintf("%s: %d of %d nodes hold the content", o.want.Name, s.Converged, s.Targets)
}

func (o outcome) detail() string {
	var lines []string
	if o.err != nil {
		lines = append(lines, o.interruption(), "")
	}
	lines = append(lines, o.troubles()...)
	late := 0
	for _, n := range o.status.Nodes {
		if holds(o.want, n) {
			continue
		}
		if late++; late <= maxListed {
			lines = append(lines, n.Node+": "+reason(n))
		}
	}
	if late > maxListed {
		lines = append(lines, fmt.Sprintf("and %d more", late-maxListed))
	}
	return strings.Join(append(lines, "", "The agents go on by themselves, and the next apply waits for them again, in place."), "\n")
}

// troubles say what is wrong with the artifact's sources.
func (o outcome) troubles() (lines []string) {
	if o.status.Artifact == nil {
		return nil
	}
	for _, t := range o.status.Artifact.Troubles {
		lines = append(lines, fmt.Sprintf("The source on %s: %s", t.Node, t.Error.Error()), "")
	}
	return lines
}

func (o outcome) interruption() string {
	var e *api.Error
	switch {
	case errors.Is(o.err, context.Canceled):
		return "Interrupted."
	case errors.Is(o.err, context.DeadlineExceeded):
		return "Not done within the timeout."
	case errors.As(o.err, &e):
		return text(e)
	}
	return o.err.Error()
}
