package storage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/atomicfile"
)

// Install makes complete content stand at the destination: in one step, or file
// by file if a tree is being repaired. What it replaces stays until then; what
// is not ours is kept under another name. It may be called again after an
// error; if the error wraps ErrNotPrepared, or Have is empty afterwards,
// Prepare comes first.
func (p *Placement) Install(ctx context.Context) error { return p.installAll(ctx, false) }

// InstallKeeping is Install that keeps the version which it replaces, in place of
// any that was kept before.
func (p *Placement) InstallKeeping(ctx context.Context) error { return p.installAll(ctx, true) }

func (p *Placement) installAll(ctx context.Context, keep bool) error {
	p.op.Lock()
	defer p.op.Unlock()
	done, err := p.freeze()
	if err != nil || done {
		return userError("install", p.dest.path, err)
	}
	switch s := p.staged; {
	case p.phase == repairing:
		err = p.runSteps(ctx, (&repair{p: p}).steps())
	case s != nil:
		s.keep = keep
		err = p.runSteps(ctx, s.switchSteps())
	default:
		err = p.runSteps(ctx, (&swap{p: p, keep: keep}).steps())
	}
	p.thaw()
	p.staged = nil
	return userError("install", p.dest.path, err)
}

// freeze ends all writing. It reports true if there is nothing to install.
func (p *Placement) freeze() (done bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.phase == unprepared:
		return false, ErrNotPrepared
	case p.phase == standing:
		return true, nil
	case !p.Have().Full():
		return false, fmt.Errorf("spans are missing: %w", ErrMissing)
	}
	p.frozen = true
	p.m.fds.dropAll(p.stage.content.id) // no file is installed while it is open for writing
	return false, nil
}

// step is one of the steps of an installation. The process may die between and
// in any of them.
type step struct {
	name string
	run  func(context.Context) error
	// final says that what is in memory is of no use any more if the step
	// fails: Prepare has to look at the disk again.
	final bool
}

func (p *Placement) runSteps(ctx context.Context, steps []step) error {
	for _, s := range steps {
		if err := s.run(ctx); err != nil {
			if s.final {
				p.reset()
			}
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

// swap is the installation of a whole content.
type swap struct {
	p        *Placement
	stamps   []stamp
	encoded  []byte // a tree's stamps, once they were needed
	top      uint64
	old      sight
	oldInode uint64
	foreign  bool // what stands is not ours
	keep     bool // what stands is to be kept, if it is ours
}

func (s *swap) steps() []step { return append(s.stageSteps(), s.switchSteps()...) }

// stageSteps leave the destination as it is.
func (s *swap) stageSteps() []step {
	return []step{
		{"set modes and owners", s.metadata, false},
		{"sync", s.sync, true},
		{"note what is staged", s.ready, true},
	}
}

func (s *swap) switchSteps() []step {
	return []step{
		{"note the swap", s.intent, true},
		{"swap", s.exchange, true},
		{"put the previous content away", s.displace, true},
		{"note what stands", s.record, true},
		{"clean up", s.finish, true},
	}
}

func (s *swap) metadata(ctx context.Context) error {
	d := &mender{content: s.p.stage.content, attr: s.p.attr}
	if s.p.stage.content.name == "" {
		if err := errors.Join(d.dirs(), d.links()); err != nil {
			return err
		}
	}
	if err := d.empties(); err != nil {
		return err
	}
	found, err := d.scan(ctx)
	if err != nil {
		return err
	}
	for i, info := range found {
		if info == nil || info.Size() != d.files[i].Length {
			return d.changed(i)
		}
	}
	if err := d.modes(ctx, found); err != nil {
		return err
	}
	s.stamps = stampsOf(found)
	return d.dirModes(ctx)
}

func stampsOf(found []fs.FileInfo) []stamp {
	stamps := make([]stamp, len(found))
	for i, info := range found {
		if info != nil {
			stamps[i] = stampOf(info)
		}
	}
	return stamps
}

// sync makes the staging durable, once for all of its files. After an error of
// a write-back nobody knows what is on the disk, and the cache says what should be
// there: all of it is read and hashed again.
func (s *swap) sync(context.Context) error {
	err := cmp.Or(syncFilesystem(s.p.stage.dir), s.p.stage.content.flushed())
	if err != nil {
		s.p.stage.content.distrust()
		err = errors.Join(err, s.p.stage.dir.Remove(recordName))
	}
	return err
}

// intent writes the index of what will stand into the staging directory: a
// crash during the swap is understood from it.
func (s *swap) intent(ctx context.Context) error {
	if same, err := s.p.sameParent(); err != nil || !same {
		return errors.Join(err, fmt.Errorf("the directory of the destination was replaced: %w", ErrNotPrepared))
	}
	info, err := s.p.stage.dir.Lstat(stagedName(s.p.mf.Kind()))
	if err != nil {
		return err
	}
	s.top = inode(info)
	// What stands may have been repaired, as a whole, since this was staged.
	s.p.idx = s.p.m.readPlacement(s.p.req.ID)
	if s.old, err = s.p.look(); err != nil {
		return err
	}
	if s.old.info != nil {
		s.oldInode, s.foreign = inode(s.old.info), !s.old.ours
		if err := s.allowed(); err != nil {
			return err
		}
	}
	s.keep = s.keep && s.old.ours && !s.p.idx.installed(s.p.mf.Digest())
	if s.keep {
		if err := s.p.noteWas(s.p.stage); err != nil {
			return err
		}
	}
	if err := s.settle(ctx); err != nil {
		return err
	}
	x := s.index()
	if s.p.stage.content.name != "" {
		x.Files = []stamp{{}} // the rename changes it
	}
	x.Foreign, x.Keep, x.Old = s.foreign, s.keep, s.oldInode
	return atomicfile.WriteIn(s.p.stage.dir, intentName, s.encode(x))
}

// encode encodes an index of what is staged. A tree's stamps are encoded once for
// all of them.
func (s *swap) encode(x *index) []byte {
	if s.p.mf.Kind() != artifact.KindTree {
		return x.encode()
	}
	if s.encoded == nil {
		s.encoded = encodeFiles(s.stamps)
	}
	return x.encodeAfter(s.encoded)
}

// index is that of what stands after the swap.
func (s *swap) index() *index {
	x := s.p.newIndex(s.top, s.stamps)
	if s.foreign {
		x.Aside = s.oldInode
	}
	return x
}

// settle waits until a change of what is staged must show in its stamps.
func (s *swap) settle(ctx context.Context) error {
	var newest int64
	for _, st := range s.stamps {
		newest = max(newest, st.Ctime)
	}
	return settle(ctx, newest)
}

// allowed looks once more before something is replaced: it may have appeared
// during the transfer.
func (s *swap) allowed() error {
	if err := s.p.dest.checkMounts(); err != nil {
		return err
	}
	if s.old.ours || s.p.req.Overwrite {
		return nil
	}
	empty, err := s.p.isEmptyDir(s.old.info)
	if err == nil && !empty {
		err = s.p.foreign()
	}
	return err
}

// exchange swaps through the directories' descriptors.
func (s *swap) exchange(context.Context) error {
	flags := uint(unix.RENAME_NOREPLACE)
	if s.old.info != nil {
		flags = unix.RENAME_EXCHANGE
	}
	if err := s.rename(flags); errors.Is(err, fs.ErrExist) {
		return s.p.foreign()
	} else if err != nil {
		return err
	}
	return errors.Join(syncDir(s.p.parent), syncDir(s.p.stage.dir))
}

// rename keeps readers out: a staged file has its other name from then on. A
// tree's root follows its directory by itself.
func (s *swap) rename(flags uint) error {
	p := s.p
	p.mu.Lock()
	defer p.mu.Unlock()
	err := rename(p.stage.dir, stagedName(p.mf.Kind()), p.parent, p.dest.base, flags)
	if err != nil || p.mf.Kind() == artifact.KindTree {
		return err
	}
	root, err := p.parent.OpenRoot(".")
	if err != nil {
		return err
	}
	c := p.stage.content
	p.m.fds.dropAll(c.id)
	c.root.Close()
	c.root, c.name = root, p.dest.base
	return nil
}

func (s *swap) displace(context.Context) error {
	return s.p.displace(s.p.stage, stagedName(s.p.mf.Kind()), displaced{s.foreign, s.keep, s.oldInode})
}

// displaced is what an exchange brought into the staging directory.
type displaced struct {
	foreign bool   // it is not ours
	keep    bool   // it is a version that is to be kept
	inode   uint64 // of its top
}

// displace puts away what an exchange brought into the staging directory. What
// is not the expected inode took the place of the old content in the last
// moment, and is left to its owner.
func (p *Placement) displace(s *staging, name string, d displaced) error {
	info, err := s.dir.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist) && d.keep:
		return p.keep(s, name)
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case d.foreign || inode(info) != d.inode:
		return p.keepForeign(s.dir, name, info)
	case d.keep:
		return p.keep(s, name)
	}
	return s.discard(s.dir, name)
}

func (p *Placement) keepForeign(dir *os.Root, name string, info fs.FileInfo) error {
	if info.IsDir() && dir.Remove(name) == nil {
		return nil // it was empty
	}
	kept, err := setAside(dir, name, p.parent, p.dest.base)
	if err != nil {
		return err
	}
	p.m.log.Info("foreign content kept", "path", p.dest.path, "as", kept)
	return syncDir(p.parent)
}

// record makes the new content the placement's, in the state directory and in
// memory.
func (s *swap) record(ctx context.Context) error {
	p := s.p
	if c := p.stage.content; c.name != "" {
		if err := s.restamp(ctx); err != nil {
			return err
		}
	}
	x := s.index()
	if err := p.m.writeEncoded(x, s.encode(x)); err != nil {
		return err
	}
	p.idx = x
	live, err := p.openStanding()
	if err != nil {
		return err
	}
	staged := p.stage.content
	p.stand(live, s.stamps)
	p.stage.content = nil
	staged.close()
	return nil
}

// restamp takes the stamp of a file after its rename.
func (s *swap) restamp(ctx context.Context) error {
	info, err := s.p.lookAt(s.p.parent)
	if err != nil {
		return err
	}
	if info == nil || !s.stamps[0].moved(stampOf(info)) {
		return &ChangedError{s.p.mf.Files()[0].Path}
	}
	if err := settle(ctx, stampOf(info).Ctime); err != nil {
		return err
	}
	s.stamps[0] = stampOf(info)
	return nil
}

// finish removes the staging. The content stands, so that what cannot be
// removed is left for the next Prepare.
func (s *swap) finish(ctx context.Context) error {
	s.p.endStaging(ctx)
	return nil
}

func (p *Placement) endStaging(ctx context.Context) {
	p.mu.Lock()
	s := p.stage
	p.stage = nil
	p.mu.Unlock()
	if err := s.remove(ctx); err != nil {
		p.m.log.Warn("staging directory not removed", "path", p.dest.path, "error", err)
		s.close()
	}
}
