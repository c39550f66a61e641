package reconcile

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/bandwidth"
)

// timetable is the time windows of a distribution, or why this agent cannot read
// them: another one took them, with later rules or more time zones.
type timetable struct {
	api.Timetable
	err error
}

// timetables reads those of all distributions that have windows, by name.
func timetables(all []api.Distribution, log *slog.Logger) map[string]timetable {
	tables := map[string]timetable{}
	for _, d := range all {
		if len(d.Windows) == 0 {
			continue
		}
		t, err := d.Timetable()
		if err != nil {
			log.Error("time windows cannot be read; the floor is in force", "distribution", d.Name, "floor", bandwidth.FloorOf(0), "error", err)
		}
		tables[d.Name] = timetable{t, err}
	}
	return tables
}

// bound lowers the ceilings to what the windows of a distribution let pass now.
func (t timetable) bound(c *ceilings, distribution string, now func() time.Time) {
	if t.err != nil {
		floor := bandwidth.FloorOf(0)
		c.lower(floor, floor, ceiling{reason: bandwidth.Window, window: "unreadable",
			by:  fmt.Sprintf("windows of distribution %s, which its agent cannot read (%v)", distribution, t.err),
			fix: "install the same version of rackswarm on all nodes"})
		return
	}
	if !t.Any() {
		return
	}
	at := now()
	b := t.At(at, false)
	to := ceiling{reason: b.Binding.Reason, window: b.Binding.Text, by: fmt.Sprintf("the window %q of distribution %s", b.Binding.Text, distribution),
		fix: "change windows where the distribution is stated: rackswarm distribute, Terraform or Ansible"}
	if until := t.Until(at); until != "" {
		to.fix = fmt.Sprintf("wait until %s, or %s", until, to.fix)
	}
	c.lower(b.Rate, b.Rate, to)
}

// turnWindows makes the windows hold that open or close now: at full minutes of the
// wall clock, whatever that did meanwhile.
func (r *Reconciler) turnWindows() {
	minute := r.cfg.Now().Unix() / 60
	if minute == r.minute || len(r.timetables) == 0 {
		return
	}
	r.minute = minute
	for _, t := range r.sortedTransfers() {
		r.steerOne(t)
	}
}
