package reconcile

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/rackswarm/rackswarm/agent/internal/hook"
	"github.com/rackswarm/rackswarm/agent/internal/quota"
	"github.com/rackswarm/rackswarm/agent/internal/storage"
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/artifact"
)

// worker carries out one task in a goroutine of its own and reports once, with
// finished; on the way it sends progress. Its fields do not change.
type worker struct {
	name      string
	task      Task
	wanted    api.Distribution // empty for Forget
	upkeep    bool             // the task is about what stands, and something else is wanted
	rec       Record           // as it was when the task began
	record    api.Artifact     // the store's, of what may be fetched; empty if it is not known
	placement *storage.Placement
	sources   func() []storage.Reader
	// staged is what an earlier task has staged of wanted, or nil; stagedFor is the
	// distribution as it was then. It is closed as out.opened.
	staged    *storage.Placement
	stagedFor *api.Distribution
	storage   *storage.Manager
	hooks     hook.Set
	budget    *quota.Budget
	trust     []ed25519.PublicKey
	slots     chan struct{}
	send      func(event)
	cancel    context.CancelFunc
}

// outcome is what a task found and did.
type outcome struct {
	// opened is a placement that the task opened. On success it is what stands;
	// otherwise the loop closes it.
	opened *storage.Placement
	// refused is why hooks did not let stand what the task switched to; discarded
	// is that, to be closed, and opened is what is back, nil for nothing.
	refused   error
	discarded *storage.Placement
	kept      string // digest of the version that stands by
	keptBytes int64
	gone      bool // nothing is recorded to stand any more
	drift     storage.Drift
	scan      time.Duration // how long looking took
}

func (w *worker) run(ctx context.Context) {
	defer w.cancel()
	var out outcome
	err := func() (err error) {
		// Content is read and hashed here: a fault in that must not end the agent.
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("%T of distribution %s: panic: %v", w.task, w.name, p)
			}
		}()
		return w.do(ctx, &out)
	}()
	w.send(finished{w, out, err, err != nil && ctx.Err() != nil})
}

func (w *worker) do(ctx context.Context, out *outcome) error {
	switch w.task.(type) {
	case Place, Replace:
		return w.place(ctx, out)
	case Stage:
		return w.stageOnly(ctx, out)
	case Repair:
		return w.repair(ctx, out)
	case Check:
		return w.check(ctx, out, false)
	case Verify:
		return w.check(ctx, out, true)
	case Remove:
		return w.remove(ctx, out)
	case Forget:
		return w.forget(ctx, out)
	}
	return fmt.Errorf("task %T has no worker", w.task)
}

// onDisk runs fn when one of the few places for work on the disk is free.
func (w *worker) onDisk(ctx context.Context, fn func() error) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case w.slots <- struct{}{}:
	}
	defer func() { <-w.slots }()
	return fn()
}

// open opens the placement of a distribution, as it is or was desired.
func (w *worker) open(d *api.Distribution, m *artifact.Manifest) (*storage.Placement, error) {
	return w.storage.Open(storage.Request{
		ID: placementID(d), Path: d.Path, Manifest: m,
		Owner: d.Owner, Group: d.Group, Mode: d.Mode,
		Overwrite: d.Overwrite, Sources: w.sources,
	})
}

// placementID names a distribution's content at one path, so that content can
// come to stand at another path before it leaves the first.
func placementID(d *api.Distribution) string {
	sum := sha256.Sum256([]byte(d.Path))
	return d.Name + "@" + hex.EncodeToString(sum[:4])
}

// savedManifest returns a manifest kept on this node.
func (w *worker) savedManifest(digest string) (*artifact.Manifest, error) {
	d, err := artifact.ParseDigest(digest)
	if err != nil {
		return nil, err
	}
	return w.storage.Manifest(d)
}
