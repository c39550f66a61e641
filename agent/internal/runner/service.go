package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/restore"
	"github.com/rackswarm/rackswarm/core/store"
)

const (
	// aloneLease is how long an agent may take to create a run, or to delete a
	// backup; aloneRetry how often others try, and alonePatience how long.
	aloneLease    = 10 * time.Second
	aloneRetry    = 50 * time.Millisecond
	alonePatience = 20 * time.Second
)

// exclusively runs fn while no other agent does: what it finds before it writes
// is still so then. fn must be done in aloneLease. A node takes part in one run of
// a database at a time even if two were created.
func (r *Runner) exclusively(ctx context.Context, fn func(context.Context) error) error {
	const name = "runs"
	ctx, cancel := context.WithTimeout(ctx, alonePatience)
	defer cancel()
	select {
	case r.alone <- struct{}{}:
		defer func() { <-r.alone }()
	case <-ctx.Done():
		return errBusy
	}
	for {
		began := time.Now()
		held, err := r.cfg.Store.Lease(ctx, name, r.cfg.Self, aloneLease)
		switch {
		case err != nil:
			return err
		case held:
			ctx, cancel := context.WithDeadline(ctx, began.Add(aloneLease))
			defer cancel()
			defer r.release(ctx, name)
			return fn(ctx)
		case !wait(ctx, aloneRetry, nil):
			return errBusy
		}
	}
}

func (r *Runner) release(ctx context.Context, name string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer cancel()
	if err := r.cfg.Store.ReleaseLease(ctx, name, r.cfg.Self); err != nil {
		r.cfg.Logger.Debug("the lease is left to expire", "lease", name, "error", err)
	}
}

// errBusy passes.
var errBusy = &api.Error{Code: api.CodeConflict, Subject: "runs", Message: "other agents are creating runs", Fix: "try again"}

// CreateRun starts a run. If one of req.ID with the same request stands, it
// returns that one; with another request it is CodeConflict.
func (r *Runner) CreateRun(ctx context.Context, req api.RunRequest) (api.Run, error) {
	if err := restore.Validate(req); err != nil {
		return api.Run{}, err
	}
	return r.create(ctx, req, req.ID, "")
}

// create makes a run, under an ID of its own if id is "", and has it led. If one
// of that ID stands it returns that one.
func (r *Runner) create(ctx context.Context, req api.RunRequest, id, schedule string) (run api.Run, err error) {
	err = r.exclusively(ctx, func(ctx context.Context) error {
		run, err = r.createAlone(ctx, req, id, schedule)
		return err
	})
	if err == nil && !run.Phase.Finished() {
		r.ask(run.ID)
	}
	return run, err
}

func (r *Runner) createAlone(ctx context.Context, req api.RunRequest, id, schedule string) (api.Run, error) {
	s := r.cfg.Store
	runs, err := s.Runs(ctx)
	if err != nil {
		return api.Run{}, err
	}
	nodes, err := s.Nodes(ctx)
	if err != nil {
		return api.Run{}, err
	}
	backups, err := s.Backups(ctx)
	if err != nil {
		return api.Run{}, err
	}
	now := r.now()
	if id == "" {
		id = freeID(req.Database, now, runs, backups)
	}
	if run, err := s.Run(ctx, id); !errors.Is(err, store.ErrNotFound) {
		if err == nil {
			err = sameRequest(run, req, schedule)
		}
		return restore.Merge(run, reports(run), nodes), err
	}
	run, err := restore.NewRun(req, id, nodes, backups, now)
	if err != nil {
		return api.Run{}, err
	}
	run.Schedule = schedule
	if err := restore.Conflict(run, runs); err != nil {
		return api.Run{}, err
	}
	run, created, err := s.CreateRun(ctx, run)
	if err == nil && !created {
		err = sameRequest(run, req, schedule)
	}
	return run, err
}

// freeID names a run, and so its backup, by database and time.
func freeID(database string, now time.Time, runs []api.Run, backups []api.Backup) string {
	const longest = 40 // of the part that people recognise
	base := restore.ScheduledID(database[:min(len(database), longest)], now)
	taken := func(id string) bool {
		return slices.ContainsFunc(runs, func(r api.Run) bool { return r.ID == id }) ||
			slices.ContainsFunc(backups, func(b api.Backup) bool { return b.ID == id })
	}
	for id, n := base, 2; ; n++ {
		if !taken(id) {
			return id
		}
		id = fmt.Sprintf("%s-%d", base, n)
	}
}

// sameRequest is nil if run is what req asks for.
func sameRequest(run api.Run, req api.RunRequest, schedule string) error {
	req.ID = run.Request.ID // the one who asks may have it in the path, or nowhere
	one, err := json.Marshal(run.Request)
	if err != nil {
		return err
	}
	two, err := json.Marshal(req)
	if err == nil && (run.Schedule != schedule || !bytes.Equal(one, two)) {
		err = &api.Error{Code: api.CodeConflict, Subject: run.ID, Message: "a run of this ID was asked for something else", Fix: "choose another ID"}
	}
	return err
}

// AbortRun asks a run to end, and returns it as it stands then. One that has
// ended, or is ending, stays as it is.
func (r *Runner) AbortRun(ctx context.Context, id string) (api.Run, error) {
	run, err := r.cfg.Store.UpdateRun(ctx, id, func(run api.Run) (api.Run, error) {
		if !run.Aborting && !run.Phase.Finished() && run.Phase != api.RunCleaning {
			run.Aborting, run.UpdatedAt = true, r.now()
		}
		return run, nil
	})
	if err == nil && !run.Phase.Finished() {
		r.ask(id)
	}
	return run, err
}

// DeleteRun forgets a run that has finished; CodeInUse if it has not.
func (r *Runner) DeleteRun(ctx context.Context, id string) error {
	run, err := r.cfg.Store.Run(ctx, id)
	if err != nil {
		return err
	}
	if !run.Phase.Finished() {
		return &api.Error{Code: api.CodeInUse, Subject: id, Message: "the run is under way", Fix: "wait for its end, or abort it first"}
	}
	return r.cfg.Store.DeleteRun(ctx, id)
}

// PutSchedule creates or replaces a schedule, and returns it with what the server
// sets. When it is due next is counted from now.
func (r *Runner) PutSchedule(ctx context.Context, wanted api.Schedule) (api.Schedule, error) {
	if err := restore.ValidateSchedule(wanted); err != nil {
		return wanted, err
	}
	if err := r.knownDatabase(ctx, wanted.Run.Database); err != nil {
		return wanted, err
	}
	now := r.now()
	next, err := restore.NextDue(wanted, now)
	if err != nil {
		return wanted, err
	}
	wanted.NextDue, wanted.UpdatedAt = next, now
	err = r.cfg.Store.UpdateSchedule(ctx, wanted.Name, func(old *api.Schedule) (*api.Schedule, error) {
		wanted.LastRun, wanted.LastDue, wanted.CreatedAt = "", time.Time{}, now
		if old != nil {
			wanted.LastRun, wanted.LastDue, wanted.CreatedAt = old.LastRun, old.LastDue, old.CreatedAt
		}
		put := wanted
		return &put, nil
	})
	return wanted, err
}

// knownDatabase refuses a database that no node has: its schedule would start
// nothing, and nobody would notice.
func (r *Runner) knownDatabase(ctx context.Context, name string) error {
	nodes, err := r.cfg.Store.Nodes(ctx)
	if err != nil {
		return err
	}
	for _, n := range nodes {
		if _, ok := n.Databases[name]; ok {
			return nil
		}
	}
	return &api.Error{Code: api.CodeNotFound, Subject: "run.database", Message: fmt.Sprintf("no node has a database %q", name),
		Fix: "add it under 'databases' in the configuration of the agents, or check its name"}
}

// DeleteSchedule forgets a schedule. Runs that it started go on.
func (r *Runner) DeleteSchedule(ctx context.Context, name string) error {
	return r.cfg.Store.DeleteSchedule(ctx, name)
}

// DeleteBackup removes the copies, the artifact and the record; CodeInUse while a
// run needs them. The record is gone when it returns; the nodes remove the copies
// after that.
func (r *Runner) DeleteBackup(ctx context.Context, id string) error {
	return r.exclusively(ctx, func(ctx context.Context) error { return r.deleteBackup(ctx, id, "") })
}

// deleteBackup deletes the record last, so that it can be repeated. run does not
// count as a user.
func (r *Runner) deleteBackup(ctx context.Context, id, run string) error {
	b, err := r.cfg.Store.Backup(ctx, id)
	if err != nil {
		return err
	}
	runs, err := r.cfg.Store.Runs(ctx)
	if err != nil {
		return err
	}
	if user := restore.User(runs, id, run); user != "" {
		return &api.Error{Code: api.CodeInUse, Subject: id, Message: "run " + user + " needs the backup", Fix: "wait for its end, or abort it first"}
	}
	if _, err := r.fleet.Remove(ctx, b.Distribution); unlessGone(err) != nil {
		return err
	}
	if err := r.withdraw(ctx, b.Digest); err != nil {
		return err
	}
	return r.cfg.Store.DeleteBackup(ctx, id)
}

// withdraw forgets an artifact, unless something else needs it.
func (r *Runner) withdraw(ctx context.Context, digest string) error {
	err := unlessGone(r.fleet.Withdraw(ctx, digest))
	if e, ok := errors.AsType[*api.Error](err); ok && e.Code == api.CodeInUse {
		return nil
	}
	return err
}

// VerifyBackup has all nodes that keep the backup hash it again. It returns the
// backup's distribution, whose status tells how far they are.
func (r *Runner) VerifyBackup(ctx context.Context, id string) (api.Distribution, error) {
	b, err := r.cfg.Store.Backup(ctx, id)
	if err != nil {
		return api.Distribution{}, err
	}
	return r.fleet.Verify(ctx, b.Distribution)
}
