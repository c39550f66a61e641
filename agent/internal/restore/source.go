package restore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/pluginapi"
	decide "github.com/rackswarm/rackswarm/core/restore"
	"github.com/rackswarm/rackswarm/core/store"
	"github.com/rackswarm/rackswarm/core/unit"
)

// spareBytes is what must be free beside a capture: the log that is written
// meanwhile and belongs to it, beside a tenth of the data.
const spareBytes = 64 << 20

// capturePath is where a source captures, beside the data: the same filesystem
// holds what is as large as they are. A run's name has no '+'.
func capturePath(data, run string) string { return decide.StagingPath(data, run) + captureSuffix }

func (j *job) performSource(ctx context.Context) (r decide.Result, err error) {
	switch j.op {
	case decide.OpPin:
		return j.pin(ctx)
	case decide.OpWatchPin:
		pin, err := j.driver.PinStatus(ctx, j.target, decide.PinName(j.id))
		return decide.Result{PinLost: pin.Lost}, err
	case decide.OpCapture:
		return j.capture(ctx)
	case decide.OpVerifyCapture:
		return r, j.driver.Verify(ctx, j.target, filepath.Join(capturePath(j.note.Data, j.id), dataName), j.progress)
	case decide.OpPublish:
		return j.publish(ctx)
	case decide.OpUnpin:
		err := j.driver.Unpin(ctx, j.target, decide.PinName(j.id))
		if unsupported(err) {
			err = nil
		}
		return r, err
	case decide.OpDropCapture:
		return r, j.dropCapture(ctx)
	}
	return r, fmt.Errorf("operation %s is not one of a source", j.op)
}

// pin holds the log. Engines without such a thing capture all the same.
func (j *job) pin(ctx context.Context) (decide.Result, error) {
	pin, err := j.driver.Pin(ctx, j.target, decide.PinName(j.id))
	if unsupported(err) {
		return decide.Result{}, nil
	}
	return decide.Result{Pin: pin.ID, PinLost: pin.Lost}, err
}

func unsupported(err error) bool {
	var e *pluginapi.Error
	return errors.As(err, &e) && e.Code == pluginapi.CodeUnsupported
}

// capture begins anew, whatever an earlier try left.
func (j *job) capture(ctx context.Context) (decide.Result, error) {
	began := j.w.cfg.Now().UTC()
	if p := j.note.journal.Probe; p != nil {
		if err := j.w.cfg.Budget.Reserve(ctx, purpose(j.id), capturePath(j.note.Data, j.id), p.DataBytes); err != nil {
			return decide.Result{}, err
		}
	}
	dir, o, err := j.makeCapture()
	if err != nil {
		return decide.Result{}, err
	}
	defer dir.Close()
	c, err := j.driver.Capture(ctx, j.target, pluginapi.CaptureRequest{
		Dir: filepath.Join(dir.Name(), dataName), Run: j.id, Pin: j.pinName(),
	}, j.progress)
	if err != nil {
		return decide.Result{}, err
	}
	data, err := openDir(dir, dataName)
	if err != nil {
		return decide.Result{}, diskError("open", filepath.Join(dir.Name(), dataName), err)
	}
	defer data.Close()
	if err := give(ctx, data, o); err != nil {
		return decide.Result{}, err
	}
	content := api.BackupContent{
		Driver: j.note.Driver, Version: c.Version, Architecture: c.Architecture, ClusterID: c.ClusterID, Timeline: c.Timeline,
		Start: c.Start, End: c.End, DataBytes: c.Bytes,
	}
	if p := j.note.journal.Probe; p != nil {
		content.Engine = p.Engine
	}
	err = writeManifest(dir, manifest{Name: j.note.Name, Database: j.note.journal.Database, Run: j.id, Node: j.w.cfg.Self, TakenAt: began, Content: content})
	if err == nil {
		err = diskError("sync", dir.Name(), unix.Syncfs(int(dir.Fd())))
	}
	return decide.Result{TakenAt: began, Content: &content}, err
}

// pinName is "" if the run holds no log.
func (j *job) pinName() string {
	if s := j.note.journal.Source; s == nil || s.Pin == "" {
		return ""
	}
	return decide.PinName(j.id)
}

// makeCapture makes the directory that is captured to, with an empty directory
// for the data in it, which belongs to the owner of the database: the engine's
// programs may run as that user.
func (j *job) makeCapture() (dir *os.File, o owner, err error) {
	parent, err := j.openParent()
	if err != nil {
		return nil, o, err
	}
	defer parent.Close()
	mode, want, err := j.wanted(parent)
	if err != nil {
		return nil, o, err
	}
	if mode == 0 || want == nil {
		return nil, o, &api.Error{Code: api.CodeState, Subject: j.note.Data, Message: "the database that is to be captured is gone", Fix: "look at 'data' in the agent's configuration"}
	}
	name := filepath.Base(capturePath(j.note.Data, j.id))
	if err := removeTree(parent, name); err != nil {
		return nil, o, err
	}
	if err := j.checkRoom(parent); err != nil {
		return nil, o, err
	}
	dir, err = makeDir(parent, name, 0o711, *want)
	if err != nil {
		return nil, o, err
	}
	data, err := makeDir(dir, dataName, mode, *want)
	if err != nil {
		dir.Close()
		return nil, o, err
	}
	data.Close()
	return dir, *want, nil
}

// checkRoom refuses to begin what will not fit.
func (j *job) checkRoom(parent *os.File) error {
	free, err := freeBytes(parent)
	if err != nil || j.note.journal.Probe == nil {
		return err
	}
	need := decide.Room(j.note.journal.Probe.DataBytes, spareBytes)
	if free >= need {
		return nil
	}
	return &api.Error{Code: api.CodeNoSpace, Subject: parent.Name(), Message: fmt.Sprintf("%v are free, and a capture beside the data takes up to %v",
		unit.Bytes(free), unit.Bytes(need)), Fix: "make room on its filesystem"}
}

// makeDir makes an empty directory with this mode and owner, whatever the umask.
func makeDir(parent *os.File, name string, mode uint32, o owner) (*os.File, error) {
	path := filepath.Join(parent.Name(), name)
	if err := unix.Mkdirat(int(parent.Fd()), name, 0o700); err != nil {
		return nil, diskError("make a directory", path, err)
	}
	dir, err := openDir(parent, name)
	if err != nil {
		return nil, diskError("open", path, err)
	}
	if err = giveOne(dir, o); err == nil {
		err = diskError("set the mode of", path, unix.Fchmod(int(dir.Fd()), mode))
	}
	if err != nil {
		dir.Close()
		return nil, err
	}
	return dir, nil
}

func (j *job) publish(ctx context.Context) (decide.Result, error) {
	a, err := j.w.cfg.Publisher.Publish(ctx, api.PublishRequest{Source: capturePath(j.note.Data, j.id), Name: j.note.Name}, j.published)
	if err != nil {
		return decide.Result{}, err
	}
	return decide.Result{Digest: a.Digest, Size: a.SizeBytes}, nil
}

// dropCapture withdraws what was published, then removes it.
func (j *job) dropCapture(ctx context.Context) error {
	digests, err := j.publications(ctx)
	if err != nil {
		return err
	}
	for _, digest := range digests {
		if err := j.w.withdraw(ctx, digest); err != nil {
			return err
		}
	}
	return removeBeside(j.note.Data, capturePath(j.note.Data, j.id))
}

// publications are the artifacts of the capture. An agent that died while it
// published finds them by their source.
func (j *job) publications(ctx context.Context) (digests []string, err error) {
	if digest := j.note.journal.Source.Digest; digest != "" {
		return []string{digest}, nil
	}
	if j.note.journal.Content == nil {
		return nil, nil
	}
	return j.w.published(ctx, capturePath(j.note.Data, j.id))
}

// published are the artifacts that this node serves from a path.
func (w *Worker) published(ctx context.Context, source string) (digests []string, err error) {
	if parent, err := filepath.EvalSymlinks(filepath.Dir(source)); err == nil {
		source = filepath.Join(parent, filepath.Base(source)) // as publishing names it
	}
	all, err := w.cfg.Store.Artifacts(ctx)
	for _, a := range all {
		if a.Source == source && slices.Contains(a.Seeds, w.cfg.Self) {
			digests = append(digests, a.Digest)
		}
	}
	return digests, err
}

// withdraw ends serving an artifact, and forgets it if nobody else has it: nobody
// will.
func (w *Worker) withdraw(ctx context.Context, digest string) error {
	if err := w.cfg.Publisher.Unpublish(ctx, digest); err != nil {
		return err
	}
	a, err := w.cfg.Store.Artifact(ctx, digest)
	if errors.Is(err, store.ErrNotFound) || err == nil && len(a.Seeds) > 0 {
		return nil
	}
	if err != nil {
		return err
	}
	all, err := w.cfg.Store.Distributions(ctx)
	if err != nil || slices.ContainsFunc(all, func(d api.Distribution) bool { return d.Needs(digest) }) {
		return err
	}
	if err := w.cfg.Store.DeleteArtifact(ctx, digest); !errors.Is(err, store.ErrNotFound) {
		return err
	}
	return nil
}
