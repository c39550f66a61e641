package runner

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/restore"
)

// fire starts what is due until ctx ends.
func (r *Runner) fire(ctx context.Context) {
	for {
		next, err := r.fireDue(ctx)
		if err != nil && ctx.Err() == nil {
			r.cfg.Logger.Log(ctx, outageLevel(err), "not all schedules are looked at; trying again", "error", err)
			next = r.pace.retry
		}
		if !wait(ctx, next+rand.N(max(1, r.pace.scatter)), nil) {
			return
		}
	}
}

// fireDue starts what is due now, and returns for how long nothing is.
func (r *Runner) fireDue(ctx context.Context) (next time.Duration, _ error) {
	reading, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	all, err := r.cfg.Store.Schedules(reading)
	if err != nil {
		return 0, err
	}
	next = r.pace.schedules
	for _, s := range all {
		if !slices.Contains(r.cfg.Databases, s.Run.Database) {
			continue
		}
		due, thisErr := r.fireOne(ctx, s)
		if thisErr != nil {
			err = thisErr
			continue
		}
		if !due.IsZero() && !s.Paused {
			next = min(next, max(0, due.Sub(r.now())))
		}
	}
	return next, err
}

// fireOne does what one schedule asks for now, and returns when it is due next.
// The error is one that may pass.
func (r *Runner) fireOne(ctx context.Context, s api.Schedule) (next time.Time, _ error) {
	f, err := restore.Fire(s, r.now())
	if err != nil {
		r.complain(s, err)
		return time.Time{}, nil
	}
	started := ""
	if !f.Due.IsZero() {
		if started, err = r.start(ctx, s, f.Due); err != nil {
			return time.Time{}, err
		}
	}
	if f.Next.Equal(s.NextDue) {
		return f.Next, nil
	}
	return f.Next, r.note(ctx, s, f, started)
}

// complain says once what is wrong with a schedule.
func (r *Runner) complain(s api.Schedule, err error) {
	if told, known := r.malformed[s.Name]; !known || !told.Equal(s.UpdatedAt) {
		r.cfg.Logger.Error("the schedule is malformed and starts nothing", "schedule", s.Name, "error", err)
	}
	r.malformed[s.Name] = s.UpdatedAt
}

// start starts the run that was due then, if no agent has. It returns the run's
// ID, "" if it is left out. The error is one that may pass.
func (r *Runner) start(ctx context.Context, s api.Schedule, due time.Time) (run string, _ error) {
	ctx, cancel := context.WithTimeout(ctx, alonePatience+storeTimeout)
	defer cancel()
	id := restore.ScheduledID(s.Name, due)
	log := r.cfg.Logger.With("schedule", s.Name, "due", due)
	runs, err := r.cfg.Store.Runs(ctx)
	if err != nil {
		return "", err
	}
	if slices.ContainsFunc(runs, func(r api.Run) bool { return r.ID == id && r.Schedule == s.Name }) {
		return id, nil // another agent was faster
	}
	if before := restore.Overlap(runs, s.Name); before != "" {
		log.Warn("the schedule starts nothing, as its last run is under way", "run", before)
		return "", nil
	}
	_, err = r.create(ctx, s.Run, id, s.Name)
	switch {
	case err == nil:
		log.Info("the schedule has started a run", "run", id)
		return id, nil
	case temporary(err):
		return "", err
	}
	log.Warn("the schedule starts nothing", "error", err)
	return "", nil
}

// note writes what a schedule has done, unless another agent did or somebody
// changed it.
func (r *Runner) note(ctx context.Context, s api.Schedule, f restore.Firing, started string) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	mine := false
	err := r.cfg.Store.UpdateSchedule(ctx, s.Name, func(old *api.Schedule) (*api.Schedule, error) {
		mine = old != nil && old.NextDue.Equal(s.NextDue) && old.UpdatedAt.Equal(s.UpdatedAt)
		if !mine {
			return nil, nil //nolint:nilnil // nothing is to be changed
		}
		next := *old
		next.NextDue = f.Next
		if started != "" {
			next.LastRun, next.LastDue = started, f.Due
		}
		return &next, nil
	})
	if err == nil && mine && !f.Missed.IsZero() {
		r.cfg.Logger.Warn("the schedule was due while no agent could start its run; that is left out",
			"schedule", s.Name, "since", f.Missed, "next", f.Next)
	}
	return err
}
