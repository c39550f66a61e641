package restore

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	decide "github.com/rackswarm/rackswarm/core/restore"
)

// part is this node's part in one run. Its goroutine performs one operation after
// another; the worker tells it what the run wants.
type part struct {
	w       *Worker
	id      string // of the run
	log     *slog.Logger
	reports *reporter
	wake    chan struct{} // holds a token when something may have changed

	// Touched only by run.
	attempts  int       // of the operation that fails now
	written   []byte    // the note on the disk
	unwritten bool      // it is older than note
	lockSince time.Time // when the part began to wait for its instance

	mu       sync.Mutex
	note     note      // its journal is changed only by run; guarded by mu
	finished bool      // the run is; guarded by mu
	gone     time.Time // since when the store knows no such run, zero if it does; guarded by mu
	lost     bool      // the run is gone with the store's data, not by itself; guarded by mu
	op       decide.Op // under way; guarded by mu
	cancel   func()    // ends op because the goal changed; guarded by mu
}

func newPart(w *Worker, e note) *part {
	log := w.cfg.Logger.With("run", e.journal.Run, "database", e.journal.Database)
	p := &part{w: w, id: e.journal.Run, log: log, note: e, wake: make(chan struct{}, 1)}
	put := func(ctx context.Context, r api.PartReport) error {
		r.Node = w.cfg.Self
		return w.cfg.Store.PutPartReport(ctx, p.id, r)
	}
	p.reports = newReporter(put, log, w.cfg.Now, p.kick)
	return p
}

func (p *part) kick() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// update takes in what the run says now, in the store of this identity.
func (p *part) update(r api.Run, mine api.RunPart, store string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.learn(r, mine)
	p.note.Store = store
	p.goneBy(time.Time{})
	p.reports.heard(mine.Report)
}

// missing is called when the store of this identity knows no such run, or this
// node has no part in it.
func (p *part) missing(store string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	since := p.gone
	if since.IsZero() {
		since = p.w.cfg.Now()
	}
	p.lost = p.lost || store != p.note.Store
	p.goneBy(since)
}

// goneBy notes since when the run is missing, and gives it up. mu is held.
func (p *part) goneBy(since time.Time) {
	p.gone = since
	if since.IsZero() {
		p.lost = false
	} else if p.w.cfg.Now().Sub(since) >= goneAfter {
		p.note.Goal, p.finished = p.goalWithout(), true
	}
	if p.cancel != nil && decide.Next(p.note.journal, p.note.Goal) != p.op {
		p.cancel()
	}
	p.kick()
}

// goalWithout is the goal of a part whose run is gone. If somebody deleted that, it
// is over. If the store lost it, nobody wanted the member to go back: what was
// being switched goes on, and is committed when it is healthy, as the run would
// have had it. mu is held.
func (p *part) goalWithout() api.PartGoal {
	switching := p.note.Goal == api.GoalSwitch || p.note.Goal == api.GoalCommit
	j := p.note.journal
	switch {
	case !p.lost || !switching || j.Target == nil || j.Target.Reverting || j.Target.Swap == nil || j.State.Final():
		return api.GoalEnd
	case j.State == api.PartHealthy:
		return api.GoalCommit
	}
	return p.note.Goal
}

// learn takes from a run what the part goes by. mu is held, or p is new.
func (p *part) learn(r api.Run, mine api.RunPart) {
	p.finished = r.Phase.Finished()
	p.note.Goal = mine.Goal
	p.note.journal = p.note.journal.Learn(r)
	switch {
	case r.Backup != nil && r.Backup.ID != "":
		p.note.Name = r.Backup.ID
	case r.Request.Copies != nil && r.Request.Copies.Name != "":
		p.note.Name = r.Request.Copies.Name
	default:
		p.note.Name = r.ID
	}
	if r.Source != nil && r.Source.Report.Pin != "" {
		p.note.Pin = decide.PinName(r.ID)
	}
}

// run performs operations until ctx ends. While the database is down it goes on
// until hard ends. It reports whether nothing is left to do, ever.
func (p *part) run(ctx, hard context.Context) (settled bool) {
	telling, quiet := context.WithCancel(context.WithoutCancel(ctx))
	var reporter sync.WaitGroup
	reporter.Go(func() { p.reports.run(telling) })
	defer func() { quiet(); reporter.Wait() }()
	for {
		op := p.next()
		switch {
		case op == decide.OpNone && p.settled():
			return p.close()
		case op == decide.OpNone:
			p.say(op, nil)
			if !p.rest(ctx, restInterval(p.unwritten)) {
				return false
			}
			p.flush()
		case ctx.Err() == nil:
			p.step(ctx, hard, op)
		case hard.Err() == nil && finishes(op):
			p.step(hard, hard, op)
		default:
			return false
		}
	}
}

// next is what comes now.
func (p *part) next() decide.Op {
	p.mu.Lock()
	defer p.mu.Unlock()
	return decide.Next(p.note.journal, p.note.Goal)
}

// step performs one operation and takes its result in.
func (p *part) step(ctx, hard context.Context, op decide.Op) {
	working, cancel := context.WithCancel(ctx)
	if finishes(op) || op == decide.OpStop || op == decide.OpStopNew {
		cancel()
		working, cancel = context.WithCancel(hard)
	}
	defer cancel()
	interrupted := p.watch(op, cancel)
	r := p.attempt(working, op)
	if r.Err != nil && (interrupted() || working.Err() != nil) {
		return // what it has done is in the journal: it may be done again
	}
	p.takeIn(op, r)
	p.pause(ctx, hard, op, r)
}

// watch has cancel called when the run wants something else than op, and returns
// what ends that and reports whether it was.
func (p *part) watch(op decide.Op, cancel func()) (interrupted func() bool) {
	was := false
	p.mu.Lock()
	defer p.mu.Unlock()
	p.op = op
	if interruptible(op) {
		p.cancel = func() { was = true; cancel() }
	}
	return func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.op, p.cancel = "", nil
		return was
	}
}

// attempt notes on the disk what must be known if the agent dies meanwhile, and
// performs op.
func (p *part) attempt(ctx context.Context, op decide.Op) (r decide.Result) {
	p.say(op, nil)
	j := &job{part: p, op: op}
	err := j.open(ctx)
	if err == nil {
		err = p.prepare(j)
	}
	if err == nil {
		r, err = j.perform(ctx)
	}
	r.At = p.w.cfg.Now()
	if err != nil {
		r.Err, r.Retry, r.Hold = asAPIError(err), retryable(err), noDriver(err)
		_, r.Removed = errors.AsType[*removedError](err)
		if ctx.Err() == nil {
			p.log.Warn("a step of a run failed", "step", op, "again", r.Retry, "error", r.Err)
		}
	}
	return r
}

// prepare writes the journal before op.
func (p *part) prepare(j *job) error {
	var swap decide.Swap
	if j.op == decide.OpExchange {
		var err error
		if swap, err = j.inodes(); err != nil {
			return err
		}
	}
	p.mu.Lock()
	next, changed := p.note.journal.Before(j.op, swap)
	if j.op == decide.OpProbe && next.Target != nil {
		target := *next.Target
		target.Former = p.w.former(next.Database)
		next.Target, changed = &target, true
	}
	p.note.journal = next
	j.note = p.note
	p.mu.Unlock()
	if changed || p.unwritten {
		p.flush()
	}
	if p.unwritten && changed && !leadsBack(j.op) {
		return again(&api.Error{Code: api.CodeIO, Subject: p.w.notes.path(p.id), Message: "the journal cannot be written, and without it nothing is begun",
			Fix: "look at the agent's log; make room on the filesystem of state_dir"})
	}
	return nil
}

// takeIn is what follows from a result.
func (p *part) takeIn(op decide.Op, r decide.Result) {
	p.mu.Lock()
	before := p.note.journal.State
	p.note.journal = p.note.journal.After(op, r)
	j, goal := p.note.journal, p.note.Goal
	p.mu.Unlock()
	if j.State == api.PartCommitted && before != j.State {
		p.remember(j)
	}
	if j.State != before {
		p.log.Info("part of a run", "state", j.State, "was", before)
	}
	p.flush()
	p.w.cfg.Budget.Set(purpose(p.id), j.Holds())
	if j.Leaves(goal) {
		p.w.locks.release(p.note.Data, p.id)
	}
}

// remember notes under which name the instance follows its primary from now on.
func (p *part) remember(j decide.Journal) {
	member := ""
	if j.Target.Restore.As == api.AsReplica {
		member = decide.MemberName(j.Run, j.Node)
	}
	if err := p.w.follows(j.Database, member); err != nil {
		p.log.Error("the next restore will leave something behind on the primary", "member", member, "error", err)
	}
}

// flush writes the note. What fails is written with the next one: the journal on
// the disk then is one from which the operation would be done again, or looked at.
func (p *part) flush() {
	p.mu.Lock()
	e := p.note
	p.mu.Unlock()
	text, err := e.encode()
	if err == nil && !bytes.Equal(text, p.written) {
		if err = p.w.notes.save(p.id, text); err == nil {
			p.written = text
		}
	}
	if err != nil && !p.unwritten {
		p.log.Error("a journal is not written; trying again", "error", err)
	}
	p.unwritten = err != nil
}

// settled reports whether the run is over, and knows it from us.
func (p *part) settled() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.finished && p.note.journal.Done() && (!p.gone.IsZero() || p.reports.told())
}

// close forgets the part.
func (p *part) close() bool {
	if err := p.w.notes.drop(p.id); err != nil {
		p.log.Error("a journal that is not needed stays", "error", err)
	}
	p.w.locks.release(p.note.Data, p.id)
	p.w.cfg.Budget.Set(purpose(p.id), 0)
	return true
}

// purpose is for what a part's bytes are held.
func purpose(run string) string { return "run " + run }
