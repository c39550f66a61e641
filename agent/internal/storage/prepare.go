package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/artifact"
)

// Prepare looks at what the disk holds and takes from it what it can: an
// installed copy, a staging that an earlier process left, files of another
// version or of Sources. Afterwards Have says what is still to be fetched, and
// WriteSpan and Install may be called; if Installed is true nothing is left to
// do. There is room for what is missing, or the error is no_space.
//
// progress, if not nil, is told of bytes looked at, from one goroutine at a
// time; done starts over when another stage begins. Prepare may be called again
// after an error, and to start over.
func (p *Placement) Prepare(ctx context.Context, progress func(done, total int64)) error {
	p.op.Lock()
	defer p.op.Unlock()
	p.reset()
	if p.lost != nil {
		return p.lost
	}
	err := p.prepare(ctx, newMeter(progress))
	if err != nil {
		p.reset()
	}
	return userError("prepare", p.dest.path, err)
}

// sight is what stands at the destination.
type sight struct {
	info fs.FileInfo // nil for nothing
	ours bool        // it is what the index speaks of
}

func (p *Placement) prepare(ctx context.Context, m *meter) error {
	if err := p.enter(); err != nil {
		return err
	}
	if err := p.recover(ctx); err != nil {
		return fmt.Errorf("finish what was interrupted: %w", err)
	}
	if p.mending = p.idx.stood(p.mf.Digest()); !p.mending {
		if err := p.dropNamed(ctx, p.mendName()); err != nil {
			return err
		}
	}
	seen, err := p.look()
	if err != nil {
		return err
	}
	switch {
	case seen.ours && p.idx.installed(p.mf.Digest()):
		return p.resume(ctx, m)
	case seen.info != nil && !seen.ours:
		return p.meetForeign(ctx, seen, m)
	case seen.ours:
		return p.stageAll(ctx, p.oldVersion(), m)
	}
	return p.stageAll(ctx, nil, m)
}

// enter opens the directory of the destination, which it creates, and reads
// the index.
func (p *Placement) enter() (err error) {
	if err = p.dest.checkMounts(); err != nil {
		return err
	}
	if p.parent, err = p.m.openParent(p.dest, true); err != nil {
		return err
	}
	p.idx = p.m.readPlacement(p.req.ID)
	if p.idx != nil && p.idx.Path != p.dest.path {
		return &api.Error{Code: api.CodeConflict, Subject: p.dest.path,
			Message: fmt.Sprintf("distribution %q has content at %s", p.req.ID, p.idx.Path), Fix: "remove or release that content first"}
	}
	return p.m.ensureManifest(p.mf)
}

// lookAt returns nil if nothing stands at the destination.
func (p *Placement) lookAt(parent *os.Root) (fs.FileInfo, error) {
	info, err := parent.Lstat(p.dest.base)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		return nil, &api.Error{Code: api.CodeInvalid, Subject: p.dest.path, Message: "the destination is a symbolic link",
			Fix: "name the directory that the link points to, or remove the link"}
	}
	return info, nil
}

func (p *Placement) look() (sight, error) {
	info, err := p.lookAt(p.parent)
	if err != nil || info == nil {
		return sight{}, err
	}
	return sight{info, p.idx.describes(info)}, nil
}

// describes reports whether what stands is what the index is about: a tree is
// recognised by its directory's inode. A file may have been replaced by
// another, as editors do; it is still the file that the distribution owns.
func (x *index) describes(info fs.FileInfo) bool {
	if x == nil || x.Digest == nil {
		return false
	}
	if x.Kind == artifact.KindTree.String() {
		return info.IsDir() && inode(info) == x.Top
	}
	return info.Mode().IsRegular()
}

// openLive opens what stands at the destination as content of mf.
func (p *Placement) openLive(mf *artifact.Manifest) (*content, error) {
	if mf.Kind() == artifact.KindTree {
		root, err := p.parent.OpenRoot(p.dest.base)
		if err != nil {
			return nil, err
		}
		return newContent(mf, root, "", p.m.fds), nil
	}
	root, err := p.parent.OpenRoot(".")
	if err != nil {
		return nil, err
	}
	return newContent(mf, root, p.dest.base, p.m.fds), nil
}

// openStanding opens what the index speaks of. Whoever may write to the parent
// may have put another directory in its place since it was looked at: that gets
// no owners and modes.
func (p *Placement) openStanding() (*content, error) {
	live, err := p.openLive(p.mf)
	if err != nil || p.mf.Kind() != artifact.KindTree {
		return live, err
	}
	top, err := live.root.Stat(".")
	if err == nil && inode(top) != p.idx.Top {
		err = fmt.Errorf("the directory was replaced: %w", ErrNotPrepared)
	}
	if err != nil {
		live.close()
		return nil, err
	}
	return live, nil
}

// resume goes on with what the index says is installed.
func (p *Placement) resume(ctx context.Context, m *meter) error {
	live, err := p.openStanding()
	if err != nil {
		return err
	}
	p.stand(live, p.idx.Files)
	_, err = p.check(ctx, false, m)
	if err == nil && p.phase == standing {
		p.dropStaging(ctx)
	}
	return err
}

// stand makes live, with its stamps, what is installed.
func (p *Placement) stand(live *content, stamps []stamp) {
	live.stamps = make([]stamp, len(live.files))
	copy(live.stamps, stamps)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stage != nil && p.stage.content != nil { // it was staged a moment ago
		live.succeed(p.stage.content)
	}
	p.live, p.phase, p.mending = live, standing, true
	p.replaceHave(artifact.All(p.mf.NumSpans()))
}

// dropStaging removes a staging that is not needed. What cannot be removed is
// left for the next time.
func (p *Placement) dropStaging(ctx context.Context) {
	s, err := p.openStaging(false)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err == nil {
		err = s.remove(ctx)
	}
	if err != nil {
		p.m.log.Warn("staging directory not removed", "path", p.dest.path, "error", err)
		s.close()
	}
}

// oldVersion is the version that stands, as a source. It is nil if its
// manifest is lost.
func (p *Placement) oldVersion() Reader {
	mf, err := p.m.Manifest(*p.idx.Digest)
	if err != nil {
		p.m.log.Warn("no reuse of the version that stands", "path", p.dest.path, "error", err)
		return nil
	}
	return p.standingAs(mf)
}

// standingAs reads what stands as if it were mf's content.
func (p *Placement) standingAs(mf *artifact.Manifest) Reader {
	c, err := p.openLive(mf)
	if err != nil {
		return nil
	}
	return localReader{c, artifact.All(mf.NumSpans())}
}
