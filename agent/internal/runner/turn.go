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

// turn looks at the run, does what is to be done, and writes the record. next is
// when to look again though nothing has changed. over says that the run has ended,
// or is deleted.
func (l *leader) turn(ctx context.Context) (next time.Duration, over bool, _ error) {
	ctx, cancel := context.WithTimeout(ctx, 2*storeTimeout)
	defer cancel()
	v, err := l.view(ctx)
	if errors.Is(err, store.ErrNotFound) {
		return 0, true, nil
	}
	if err != nil || v.Run.Phase.Finished() {
		return 0, err == nil, err
	}
	l.names = v.Run.Distributions
	run, actions := restore.Advance(v)
	if run, err = l.performAll(ctx, v, run, actions); err != nil {
		return 0, false, err
	}
	if run.Phase.Finished() {
		if err := l.withdrawCapture(ctx, run); err != nil {
			return 0, false, err
		}
	}
	if run.Runner = l.runner.cfg.Self; same(run, v.Run) {
		return l.untilWake(v), false, nil
	}
	return l.write(ctx, v.Run, run)
}

// untilWake is how long nothing happens by itself.
func (l *leader) untilWake(v restore.View) time.Duration {
	wake := restore.Wake(v)
	if wake.IsZero() {
		return l.runner.pace.turn
	}
	return max(0, wake.Sub(l.runner.now()))
}

// write replaces the record old by run. If another has changed it meanwhile,
// everything is decided anew.
func (l *leader) write(ctx context.Context, old, run api.Run) (next time.Duration, over bool, _ error) {
	run.UpdatedAt = l.runner.now()
	_, err := l.runner.cfg.Store.PutRun(ctx, run)
	switch {
	case errors.Is(err, store.ErrContended):
		return 0, false, nil
	case errors.Is(err, store.ErrNotFound):
		return 0, true, nil
	case err != nil:
		return 0, false, err
	}
	l.tell(old, run)
	l.names = run.Distributions
	return 0, run.Phase.Finished(), l.letGo(ctx, old, run)
}

// tell logs what people want to know of a change.
func (l *leader) tell(old, run api.Run) {
	if old.Runner != run.Runner {
		l.log.Info("this agent leads the run", "database", run.Request.Database, "phase", string(run.Phase), "before", old.Runner)
	}
	if old.Phase == run.Phase {
		return
	}
	args := []any{"database", run.Request.Database, "phase", string(run.Phase)}
	if run.Error != nil {
		args = append(args, "error", run.Error)
	}
	if run.Phase == api.RunFailed || run.Phase == api.RunPartial {
		l.log.Warn("run ended", args...)
		return
	}
	l.log.Info("run goes on", args...)
}

// same reports whether two records say the same. What parts report is not in
// the record; the store leaves it out.
func same(a, b api.Run) bool {
	one, err := json.Marshal(a)
	if err != nil {
		return false
	}
	two, err := json.Marshal(b)
	return err == nil && bytes.Equal(one, two)
}

// view reads all that is known of the run.
func (l *leader) view(ctx context.Context) (v restore.View, err error) {
	s := l.runner.cfg.Store
	run, err := s.Run(ctx, l.id)
	if err != nil || run.Phase.Finished() {
		return restore.View{Run: run}, err
	}
	if v.Nodes, err = s.Nodes(ctx); err != nil {
		return v, err
	}
	if v.Distributions, err = l.distributions(ctx, run); err != nil {
		return v, err
	}
	all, err := s.Backups(ctx)
	if err != nil {
		return v, err
	}
	v.Backups = slices.DeleteFunc(all, func(b api.Backup) bool { return b.Database != run.Request.Database })
	runs, err := s.Runs(ctx)
	if err != nil {
		return v, err
	}
	v.InUse = func(backup string) bool { return restore.User(runs, backup, run.ID) != "" }
	v.Run, v.Now = restore.Merge(run, reports(run), v.Nodes), l.runner.now()
	return v, nil
}

// reports are those that came with the run.
func reports(run api.Run) []api.PartReport {
	var all []api.PartReport
	for _, p := range run.Parts() {
		if p.Report.Node != "" {
			all = append(all, p.Report)
		}
	}
	return all
}

// distributions are those of the run that stand. One whose removal has ended
// does not.
func (l *leader) distributions(ctx context.Context, run api.Run) (map[string]api.Status, error) {
	stand := map[string]api.Status{}
	if len(run.Distributions) == 0 {
		return stand, nil
	}
	all, err := l.runner.cfg.Store.Distributions(ctx)
	if err != nil {
		return nil, err
	}
	for _, d := range all {
		if !slices.Contains(run.Distributions, d.Name) {
			continue
		}
		st, err := l.runner.fleet.StatusOf(ctx, d)
		if err != nil {
			return nil, err
		}
		if d.State != api.StateAbsent || !st.Summary.Done {
			stand[d.Name] = st
		}
	}
	return stand, nil
}

// performAll does what was decided with run. A distribution that is refused for
// good ends the run instead.
func (l *leader) performAll(ctx context.Context, v restore.View, run api.Run, actions []restore.Action) (api.Run, error) {
	for _, a := range actions {
		err := l.perform(ctx, a)
		if err == nil {
			continue
		}
		refusal, ok := errors.AsType[*api.Error](err)
		if !ok || temporary(err) || a.PutDistribution == nil {
			return run, fmt.Errorf("%s: %w", describe(a), err)
		}
		l.log.Warn("the run cannot go on", "doing", describe(a), "error", err)
		return restore.Fail(v.Run, refusal), nil
	}
	return run, nil
}

// temporary reports whether trying again may help.
func temporary(err error) bool {
	return errors.Is(err, store.ErrUnreachable) || errors.Is(err, store.ErrRefused) || errors.Is(err, store.ErrContended) || errors.Is(err, errBusy) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

func describe(a restore.Action) string {
	switch {
	case a.PutDistribution != nil:
		return "put distribution " + a.PutDistribution.Name
	case a.DeleteDistribution != "":
		return "forget distribution " + a.DeleteDistribution
	case a.RemoveDistribution != "":
		return "remove distribution " + a.RemoveDistribution
	case a.PutBackup != nil:
		return "record backup " + a.PutBackup.ID
	}
	return "delete backup " + a.DeleteBackup
}

// perform does one action. Doing it again changes nothing more.
func (l *leader) perform(ctx context.Context, a restore.Action) error {
	r := l.runner
	switch {
	case a.PutDistribution != nil:
		return l.put(ctx, *a.PutDistribution)
	case a.DeleteDistribution != "":
		return unlessGone(r.fleet.Forget(ctx, a.DeleteDistribution))
	case a.RemoveDistribution != "":
		_, err := r.fleet.Remove(ctx, a.RemoveDistribution)
		return unlessGone(err)
	case a.PutBackup != nil:
		return r.cfg.Store.PutBackup(ctx, *a.PutBackup)
	}
	return l.deleteBackup(ctx, a.DeleteBackup)
}

// put makes a distribution. A lease may be lost without notice: if the run has
// gone on elsewhere and needs it no more, it is taken back. As letGo looks after
// the record is written, one of the two sees the other.
func (l *leader) put(ctx context.Context, d api.Distribution) error {
	if err := d.Validate(); err != nil {
		return err
	}
	if _, err := l.runner.fleet.Put(ctx, d); err != nil {
		return err
	}
	run, err := l.runner.cfg.Store.Run(ctx, l.id)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if err == nil && slices.Contains(run.Distributions, d.Name) {
		return nil
	}
	return unlessGone(l.runner.fleet.Forget(ctx, d.Name))
}

// letGo forgets distributions that the run has just done with, should another
// agent have put them again. The one of a backup stays.
func (l *leader) letGo(ctx context.Context, old, run api.Run) error {
	for _, name := range old.Distributions {
		if slices.Contains(run.Distributions, name) || run.Backup != nil && run.Backup.Distribution == name {
			continue
		}
		if err := unlessGone(l.runner.fleet.Forget(ctx, name)); err != nil {
			return err
		}
	}
	return nil
}

// deleteBackup removes a backup that is not needed, unless a run has come
// meanwhile that needs it.
func (l *leader) deleteBackup(ctx context.Context, id string) error {
	return l.runner.exclusively(ctx, func(ctx context.Context) error {
		err := l.runner.deleteBackup(ctx, id, l.id)
		if e, ok := errors.AsType[*api.Error](err); ok && e.Code == api.CodeInUse {
			l.log.Info("the backup is needed and stays", "backup", id, "error", err)
			return nil
		}
		return unlessGone(err)
	})
}

// withdrawCapture forgets the artifact of a capture that no backup keeps.
func (l *leader) withdrawCapture(ctx context.Context, run api.Run) error {
	if run.Source == nil || run.Source.Report.Digest == "" {
		return nil
	}
	digest := run.Source.Report.Digest
	all, err := l.runner.cfg.Store.Backups(ctx)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(all, func(b api.Backup) bool { return b.Digest == digest }) {
		return nil
	}
	return l.runner.withdraw(ctx, digest)
}

// unlessGone takes what is not there for done.
func unlessGone(err error) error {
	if e, ok := errors.AsType[*api.Error](err); ok && e.Code == api.CodeNotFound {
		return nil
	}
	return err
}
