package restore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/pluginapi"
	decide "github.com/rackswarm/rackswarm/core/restore"
)

// defaultMaxLag is what Restore.MaxLagBytes is if it is 0.
const defaultMaxLag = 16 << 20

func (j *job) performMember(ctx context.Context) (r decide.Result, err error) {
	t := j.note.journal.Target
	switch j.op {
	case decide.OpAwaitRelease:
		r.Wait, err = j.takeOver(ctx)
	case decide.OpVerify:
		err = j.driver.Verify(ctx, j.target, decide.StagedData(j.note.Data, j.id), j.progress)
	case decide.OpConfigure:
		err = j.configure(ctx)
	case decide.OpCheckRole:
		return j.probe(ctx)
	case decide.OpStop, decide.OpStopNew:
		err = j.driver.Stop(ctx, j.target)
	case decide.OpExchange:
		err = j.exchange()
	case decide.OpStart:
		err = j.driver.Start(ctx, j.target)
	case decide.OpAwaitHealth:
		return j.health(ctx)
	case decide.OpRemoveOld:
		err = j.removeOld()
	case decide.OpDropFormer:
		err = j.driver.Cleanup(ctx, j.target, t.Former)
	case decide.OpLook:
		r.Side, err = j.side()
	case decide.OpExchangeBack:
		err = j.exchangeBack()
	case decide.OpStartOld:
		err = j.startOld(ctx)
	case decide.OpCleanup:
		err = j.driver.Cleanup(ctx, j.target, decide.MemberName(j.id, j.w.cfg.Self))
	case decide.OpRemoveStaging:
		err = j.removeStaging(ctx)
	default:
		err = fmt.Errorf("operation %s is not one of a member", j.op)
	}
	return r, err
}

// takeOver makes the copy beside the data the node's own, when no distribution
// holds it any more: whole, of the right content, and the database's user's. It
// reports true while it is held.
func (j *job) takeOver(ctx context.Context) (wait bool, err error) {
	held, err := j.w.cfg.Holder.Holds(ctx, decide.StagingPath(j.note.Data, j.id))
	if err != nil || held {
		return held, err
	}
	p, err := j.openPair()
	if err != nil {
		return false, j.incomplete(err)
	}
	defer p.close()
	m, err := readManifest(p.staging)
	if err != nil {
		return false, j.incomplete(err)
	}
	if m.Content != *j.note.journal.Content || m.Database != j.note.journal.Database {
		return false, &api.Error{Code: api.CodeCorrupt, Subject: filepath.Join(p.staging.Name(), manifestName), Message: "it describes another capture than the run restores",
			Fix: "look who works there beside the agent, and start the run again"}
	}
	if err := j.checkDevice(p); err != nil {
		return false, err
	}
	return false, j.own(ctx, p)
}

// incomplete is the error of a copy that is not there, or not whole: it may be on
// its way.
func (j *job) incomplete(err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return diskError("open", decide.StagingPath(j.note.Data, j.id), err)
	}
	return again(&api.Error{Code: api.CodeNotFound, Subject: decide.StagingPath(j.note.Data, j.id), Message: "the copy that the run put there is missing or not whole",
		Fix: "look who removed it, and start the run again"})
}

// checkDevice refuses what cannot be exchanged.
func (j *job) checkDevice(p pair) error {
	above, err := lstat(p.parent, ".")
	if err != nil {
		return diskError("look at", p.parent.Name(), err)
	}
	staged, err := lstat(p.staging, dataName)
	if err != nil {
		return j.incomplete(err)
	}
	if staged.Dev != above.Dev {
		return diskError("exchange", decide.StagedData(j.note.Data, j.id), unix.EXDEV)
	}
	return nil
}

// own gives the staged data to the database's user, with the mode of the old ones.
// Without old data the driver, which has configured them, decides.
func (j *job) own(ctx context.Context, p pair) error {
	mode, o, err := j.wanted(p.parent)
	if err != nil {
		return err
	}
	data, err := openDir(p.staging, dataName)
	if err != nil {
		return j.incomplete(err)
	}
	defer data.Close()
	if o == nil {
		st, err := lstat(p.staging, dataName)
		if err != nil {
			return diskError("look at", data.Name(), err)
		}
		own := ownerOf(st)
		o = &own
	}
	if err := give(ctx, data, *o); err != nil {
		return err
	}
	if mode != 0 {
		err = diskError("set the mode of", data.Name(), unix.Fchmod(int(data.Fd()), mode))
	}
	if err == nil { // the driver works in it as that user
		err = giveOne(p.staging, *o)
	}
	return err
}

// configure has the driver make the copy ready to run, and everything durable: the
// exchange is then all that is left.
func (j *job) configure(ctx context.Context) error {
	err := j.driver.Configure(ctx, j.target, pluginapi.ConfigureRequest{
		Dir: decide.StagedData(j.note.Data, j.id), Role: j.role(), Member: decide.MemberName(j.id, j.w.cfg.Self), Pin: j.note.Pin,
	})
	if err != nil {
		return err
	}
	p, err := j.openPair()
	if err != nil {
		return err
	}
	defer p.close()
	if err := j.own(ctx, p); err != nil {
		return err
	}
	return diskError("sync", p.staging.Name(), unix.Syncfs(int(p.staging.Fd())))
}

func (j *job) role() pluginapi.Role {
	if j.note.journal.Target.Restore.As == api.AsReplica {
		return pluginapi.AsReplica
	}
	return pluginapi.AsStandalone
}

// health looks once.
func (j *job) health(ctx context.Context) (decide.Result, error) {
	t := j.note.journal.Target
	h, err := j.driver.Health(ctx, j.target, pluginapi.HealthRequest{
		Role: j.role(), Member: decide.MemberName(j.id, j.w.cfg.Self), ClusterID: j.note.journal.Content.ClusterID, MaxLag: maxLag(t.Restore),
	})
	if err != nil {
		return decide.Result{}, err
	}
	found := healthOf(h)
	return decide.Result{Health: &found, Final: h.Fault.Final()}, nil
}

func maxLag(r api.Restore) int64 {
	if r.MaxLagBytes <= 0 {
		return defaultMaxLag
	}
	return r.MaxLagBytes
}

// startTimeout is how long an old database that was started may take to answer.
const startTimeout = 30 * time.Second

// startOld starts the database that stood before, and waits until it runs. That it
// follows its primary again is not waited for: it may not have done so before.
func (j *job) startOld(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := j.driver.Start(ctx, j.target); err != nil {
		return err
	}
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		p, err := j.driver.Probe(ctx, j.target)
		if err == nil && (p.Kind == pluginapi.KindPrimary || p.Kind == pluginapi.KindReplica) {
			return nil
		}
		select {
		case <-ctx.Done():
			return again(&api.Error{Code: api.CodeUnhealthy, Subject: j.note.Data, Message: fmt.Sprintf("the old database does not run %v after its start (%s)", startTimeout, found(p, err)),
				Fix: "look at its log"})
		case <-tick.C:
		}
	}
}

func found(p pluginapi.Probe, err error) string {
	if err != nil {
		return asAPIError(err).Error()
	}
	return string(p.Kind)
}

// removeStaging removes the copy once no distribution is about it.
func (j *job) removeStaging(ctx context.Context) error {
	path := decide.StagingPath(j.note.Data, j.id)
	if j.note.Data == "" {
		return nil // the instance was never in this node's configuration
	}
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		held, err := j.w.cfg.Holder.Holds(ctx, path)
		if err != nil {
			return again(err)
		}
		if !held {
			break
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return removeBeside(j.note.Data, path)
}
