package restore

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/pluginapi"
	decide "github.com/rackswarm/rackswarm/core/restore"
)

// job is one operation of a part, with what it needs.
type job struct {
	*part
	op     decide.Op
	note   note // as it is when the operation begins
	driver pluginapi.DatabaseDriver
	target pluginapi.Target
}

// open finds the instance and its driver, if the operation needs them.
func (j *job) open(ctx context.Context) error {
	j.part.mu.Lock()
	j.note = j.part.note
	j.part.mu.Unlock()
	if !needsDriver(j.op) {
		return nil
	}
	name := j.note.journal.Database
	instance, ok := j.w.cfg.Databases[name]
	if !ok && j.note.Data == "" {
		return &api.Error{Code: api.CodeNotFound, Subject: j.w.cfg.Self, Message: fmt.Sprintf("this node's configuration has no database %q", name),
			Fix: "leave the node out of the run, or add databases." + name + " to its agent's configuration"}
	}
	if !ok {
		return &removedError{&api.Error{Code: api.CodeState, Subject: j.w.cfg.Self,
			Message: fmt.Sprintf("this node's configuration has no database %q any more, which was at %s", name, j.note.Data),
			Fix:     "look at what the run left there; remove nodes from runs before you remove their databases"}}
	}
	if filepath.Clean(instance.Data) != j.note.Data || instance.Driver != j.note.Driver {
		return again(&api.Error{Code: api.CodeState, Subject: j.w.cfg.Self,
			Message: fmt.Sprintf("database %q of this node's configuration is not what the run began with: %s with driver %s", name, j.note.Data, j.note.Driver),
			Fix:     "set it back until the run is over, and restart the agent"})
	}
	j.target = pluginapi.Target{Name: name, DataDir: j.note.Data, Settings: instance.Settings, Commands: instance.Commands}
	var err error
	j.driver, err = j.w.cfg.Drivers.Database(ctx, instance.Driver)
	return err
}

// needsDriver reports whether op calls a driver. What works on directories alone
// goes on without.
func needsDriver(op decide.Op) bool {
	switch op {
	case decide.OpGiveUp, decide.OpPublish, decide.OpDropCapture, decide.OpAwaitRelease, decide.OpExchange, decide.OpLook,
		decide.OpExchangeBack, decide.OpRemoveOld, decide.OpRemoveStaging:
		return false
	}
	return true
}

// limits are for calls of drivers that take no longer on a large database. One
// that takes longer is ended, and made again.
var limits = map[decide.Op]time.Duration{
	decide.OpProbe: time.Minute, decide.OpCheckRole: time.Minute, decide.OpAwaitHealth: 30 * time.Second,
	decide.OpPin: time.Minute, decide.OpWatchPin: time.Minute, decide.OpUnpin: time.Minute,
	decide.OpCleanup: time.Minute, decide.OpDropFormer: time.Minute,
	decide.OpStart: 5 * time.Minute, decide.OpStop: 10 * time.Minute, decide.OpStopNew: 10 * time.Minute,
}

// perform does the operation. What is returned lacks Err, Retry and At.
func (j *job) perform(ctx context.Context) (r decide.Result, err error) {
	defer func() {
		if p := recover(); p != nil { // a fault in one part must not end the others
			j.log.Error("a step of a run panicked", "step", j.op, "stack", string(debug.Stack()))
			err = fmt.Errorf("%s: panic: %v", j.op, p)
		}
	}()
	if limit := limits[j.op]; limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	switch j.op {
	case decide.OpProbe:
		return j.probeFirst(ctx)
	case decide.OpGiveUp:
		return r, nil
	}
	if j.note.journal.Source != nil {
		return j.performSource(ctx)
	}
	return j.performMember(ctx)
}

// probeFirst takes the instance for this run, and looks at it.
func (j *job) probeFirst(ctx context.Context) (decide.Result, error) {
	if holder, ok := j.w.locks.take(j.note.Data, j.id); !ok {
		return decide.Result{}, j.busy(holder)
	}
	if j.note.journal.Source != nil && !j.w.cfg.CanPublish {
		j.w.locks.release(j.note.Data, j.id)
		return decide.Result{}, cannotCapture(j.w.cfg.Self)
	}
	r, err := j.probe(ctx)
	if err != nil {
		j.w.locks.release(j.note.Data, j.id) // nothing has begun
	}
	return r, err
}

// lockPatience is how long a run waits for another to leave the instance.
const lockPatience = time.Minute

// busy says which run has the instance. It is waited for only a while: two runs
// that wait for each other on two nodes would never end.
func (j *job) busy(holder string) error {
	err := &api.Error{Code: api.CodeInUse, Subject: j.w.cfg.Self,
		Message: fmt.Sprintf("run %s works on database %q of this node", holder, j.note.journal.Database),
		Fix:     "start the run again when run " + holder + " is over, or abort that one"}
	now := j.w.cfg.Now()
	if j.lockSince.IsZero() {
		j.lockSince = now
	}
	if now.Sub(j.lockSince) >= lockPatience {
		return err
	}
	return again(err)
}

// progress reports what a driver says.
func (j *job) progress(p pluginapi.Progress) { j.say(j.op, &p) }

// published reports how far publishing is.
func (j *job) published(p api.Progress) {
	j.say(j.op, &pluginapi.Progress{Doing: words[j.op], Done: p.Done, Total: p.Total})
}
