package provider

import (
	"context"
	"path/filepath"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-log/tflog"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/paths"
)

// logInterval is the least time between two lines of progress. Terraform shows
// none of its own for resources: these are in its log, at level info.
const logInterval = 5 * time.Second

// logPublishing returns what logs the progress of a publication.
func logPublishing(ctx context.Context, source string) func(api.Progress) {
	last := time.Now()
	return func(p api.Progress) {
		if time.Since(last) < logInterval {
			return
		}
		last = time.Now()
		tflog.Info(ctx, "publishing", map[string]any{"source": source, "stage": p.Stage, "bytes_done": p.Done, "bytes_total": p.Total, "files": p.Files})
	}
}

// distributionLog logs how a distribution goes on.
type distributionLog struct {
	last      time.Time
	converged int
	held      string
}

// show logs the status if nodes have become ready, or from time to time.
func (l *distributionLog) show(ctx context.Context, st api.Status) {
	s := st.Summary
	l.showHolds(ctx, st)
	if s.Converged == l.converged && time.Since(l.last) < logInterval {
		return
	}
	l.last, l.converged = time.Now(), s.Converged
	var done, total, rate int64
	for _, n := range st.Nodes {
		done, total, rate = done+n.BytesDone, total+n.BytesTotal, rate+n.Rate
	}
	tflog.Info(ctx, "distributing", map[string]any{
		"distribution": st.Distribution.Name, "nodes_done": s.Converged, "nodes": s.Targets, "failed": s.Failed, "down": s.Offline,
		"bytes_done": done, "bytes_total": total, "bytes_per_second": rate,
	})
}

// showHolds warns that an operator has paused or stopped what is waited for, once, and
// says when it goes on.
func (l *distributionLog) showHolds(ctx context.Context, st api.Status) {
	held := ""
	for _, h := range st.Holds {
		held += h.String() + "; " + h.Reason().Fix + ". "
	}
	if held == l.held {
		return
	}
	l.held = held
	if held == "" {
		tflog.Info(ctx, "the distribution goes on", map[string]any{"distribution": st.Distribution.Name})
		return
	}
	tflog.Warn(ctx, "the distribution is held; waiting goes on while it is paused", map[string]any{"distribution": st.Distribution.Name, "held": strings.TrimSpace(held)})
}

// within reports whether an absolute path is dir, which may be a relative one, or below it.
func within(path, dir string) bool {
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	return paths.Contains(dir, path)
}
