package restore

import (
	"context"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	decide "github.com/rackswarm/rackswarm/core/restore"
)

// shutdownGrace is how long, after the context of Run has ended, a database that
// is stopped for an exchange may take to run again.
const shutdownGrace = time.Minute

// Worker does this node's parts in runs.
type Worker struct {
	cfg   Config
	notes notes
	locks locks

	mu      sync.Mutex
	parts   map[string]*part // by run; guarded by mu
	settled map[string]bool  // runs in which nothing is left to do; guarded by mu
	aside   map[string]bool  // runs whose journals contradict another; of recover
	members members          // guarded by mu
	running sync.WaitGroup   // parts
}

// NewWorker returns a worker that has read the journals of parts that are not
// finished. It does nothing until Run.
func NewWorker(c Config) (*Worker, error) {
	c = c.withDefaults()
	n, err := openNotes(c.StateDir)
	if err != nil {
		return nil, err
	}
	known, err := n.loadMembers()
	if err != nil {
		c.Logger.Warn("slots of earlier members are not removed", "error", err)
	}
	w := &Worker{cfg: c, notes: n, parts: map[string]*part{}, settled: map[string]bool{}, aside: map[string]bool{}, members: known}
	return w, w.recover()
}

// recover reads the journals. Parts that have begun hold their instance before
// any other part asks for it.
func (w *Worker) recover() error {
	all, bad, err := w.notes.load()
	if err != nil {
		return err
	}
	for _, err := range bad {
		w.cfg.Logger.Error("a journal is damaged and was put aside", "error", err)
	}
	for _, e := range all {
		e.journal = e.journal.Resume()
		p := newPart(w, e)
		if e.journal.State != "" && !e.journal.Leaves(e.Goal) {
			if other, ok := w.locks.take(e.Data, e.journal.Run); !ok {
				w.cfg.Logger.Error("two journals are about one database; this one is left alone",
					"data", e.Data, "run", e.journal.Run, "other_run", other, "journals", w.notes.dir)
				w.aside[e.journal.Run] = true
				continue
			}
		}
		w.parts[e.journal.Run] = p
		w.cfg.Budget.Set(purpose(e.journal.Run), e.journal.Holds())
	}
	return nil
}

// Run does parts until ctx ends, and returns when none is under way. A database
// that is stopped at that moment is started first, which may take up to a minute.
// It must be called once, and drivers must be there until it returns.
func (w *Worker) Run(ctx context.Context) {
	hard, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(shutdownGrace, cancel)
		context.AfterFunc(hard, func() { timer.Stop() })
	})
	defer stop()
	w.mu.Lock()
	recovered := slices.Collect(maps.Values(w.parts))
	w.mu.Unlock()
	for _, p := range recovered {
		w.start(ctx, hard, p)
	}
	w.follow(ctx, hard)
	w.running.Wait()
}

// start runs a part that is in w.parts.
func (w *Worker) start(ctx, hard context.Context, p *part) {
	w.running.Go(func() {
		settled := p.run(ctx, hard)
		w.mu.Lock()
		defer w.mu.Unlock()
		if settled {
			w.settled[p.id] = true
			delete(w.parts, p.id)
		}
	})
}

// part returns the one of a run, nil if none is under way.
func (w *Worker) part(run string) (p *part, settled bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.parts[run], w.settled[run] || w.aside[run]
}

// begin makes the part of this node in a run; nil if there is nothing to do.
func (w *Worker) begin(r api.Run, mine api.RunPart) *part {
	j, ok := decide.NewJournal(r, w.cfg.Self)
	w.mu.Lock()
	defer w.mu.Unlock()
	if !ok || r.Phase.Finished() && mine.Report.Done {
		w.settled[r.ID] = true
		return nil
	}
	n := note{journal: j}
	if instance, ok := w.cfg.Databases[r.Request.Database]; ok {
		n.Data, n.Driver = filepath.Clean(instance.Data), instance.Driver
		if t := n.journal.Target; t != nil && !instance.AllowPrimary {
			t.Restore.AllowPrimary = false
		}
	}
	p := newPart(w, n)
	p.learn(r, mine)
	w.parts[r.ID] = p
	return p
}

// former is the name under which an instance follows its primary since an earlier
// run, "" if none is known.
func (w *Worker) former(instance string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.members[instance]
}

// follows remembers the name under which an instance follows now, "" for none.
func (w *Worker) follows(instance, member string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.members[instance] == member {
		return nil
	}
	next := maps.Clone(w.members)
	next[instance] = member
	if member == "" {
		delete(next, instance)
	}
	if err := w.notes.saveMembers(next); err != nil {
		return err
	}
	w.members = next
	return nil
}
