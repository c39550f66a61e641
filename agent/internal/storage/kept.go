package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/atomicfile"
)

// keptDirSuffix ends the name of the directory beside the staging that holds one
// other version: its tree or file, and its index, without which it is rubbish.
const keptDirSuffix = "+kept"

// Names in a staging directory that lead to a kept version.
const (
	wasName   = "was"   // the index of what stands, for when it is kept
	readyName = "ready" // the index of what is staged completely
)

func (p *Placement) keptName() string { return stagingPrefix + safeName(p.req.ID) + keptDirSuffix }

// Kept returns the digest of the version that stands by beside the destination,
// nil if there is none, and its size in bytes.
func (p *Placement) Kept() (d *artifact.Digest, size int64) {
	p.op.Lock()
	defer p.op.Unlock()
	if p.parent == nil {
		return nil, 0
	}
	x := p.readKept()
	if x == nil {
		return nil, 0
	}
	for _, s := range x.Files {
		size += s.Size
	}
	return x.Digest, size
}

// readKept returns the index of the kept version, nil if there is none.
func (p *Placement) readKept() *index {
	info, err := p.parent.Lstat(p.keptName())
	if err != nil || !private(info) {
		return nil
	}
	dir, err := p.parent.OpenRoot(p.keptName())
	if err != nil {
		return nil
	}
	defer dir.Close()
	x, err := readIndex(dir, intentName)
	if err != nil || x.Digest == nil || x.ID != p.req.ID {
		return nil
	}
	if _, err := dir.Lstat(x.stagedName()); err != nil {
		return nil
	}
	return x
}

// stagedName is the name under which an index's content is staged or kept.
func (x *index) stagedName() string {
	if x.Kind == artifact.KindTree.String() {
		return stagedTree
	}
	return stagedFile
}

// Tidy removes what is left beside content that stands to stay: what was being
// staged of other versions, and the kept version unless it is the one named. What another
// placement works on stays, and what cannot be removed is left for the next time.
func (p *Placement) Tidy(ctx context.Context, keep *artifact.Digest) {
	p.op.Lock()
	defer p.op.Unlock()
	if p.phase != standing {
		return
	}
	err := p.dropNamed(ctx, p.wholeName())
	if x := p.readKept(); x == nil || keep == nil || *x.Digest != *keep {
		err = errors.Join(err, p.dropNamed(ctx, p.keptName()))
	}
	err = errors.Join(err, p.dropAside())
	if err != nil && ctx.Err() == nil {
		p.m.log.Warn("not all that is left beside the content is removed", "path", p.dest.path, "error", err)
	}
}

// dropNamed removes one of the directories beside the destination, unless
// somebody works in it.
func (p *Placement) dropNamed(ctx context.Context, name string) error {
	s, err := openStaging(p.parent, name, false)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.EWOULDBLOCK) || errors.Is(err, errNotOurs) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := s.remove(ctx); err != nil {
		s.close()
		return err
	}
	return nil
}

// noteWas writes down what is known of the version that stands, for when it is
// kept.
func (p *Placement) noteWas(s *staging) error {
	x := *p.idx
	if info, err := p.lookAt(p.parent); err != nil || info == nil {
		return errors.Join(err, ErrNotPrepared)
	} else if len(x.Files) == 1 && x.Kind == artifact.KindFile.String() && x.Files[0] != stampOf(info) {
		x.Files = []stamp{{}} // it changed: it is to be hashed
	}
	return atomicfile.WriteIn(s.dir, wasName, x.encode())
}

// renamed gives the index of a file the stamp that the file has since it was
// renamed; that of a tree follows its directory by itself.
func (x *index) renamed(dir *os.Root) error {
	if x.Kind == artifact.KindTree.String() || len(x.Files) != 1 {
		return nil
	}
	info, err := dir.Lstat(x.stagedName())
	if err != nil {
		return err
	}
	if x.Files[0].moved(stampOf(info)) {
		x.Files = []stamp{stampOf(info)}
	} else {
		x.Files = []stamp{{}}
	}
	return nil
}

// keep makes the version that an exchange brought into the staging directory the
// kept one, in place of any other. It may be called again after a crash.
func (p *Placement) keep(s *staging, name string) error {
	was, err := readIndex(s.dir, wasName)
	if errors.Is(err, fs.ErrNotExist) {
		return s.discard(s.dir, name) // it was kept before the crash, or cannot be
	}
	if err != nil {
		return errors.Join(s.discard(s.dir, name), s.dir.Remove(wasName))
	}
	k, err := p.openStagingNamed(p.keptName(), true)
	if err != nil {
		return fmt.Errorf("keep the version before: %w", err)
	}
	defer k.close()
	if _, err := s.dir.Lstat(name); err == nil {
		if err := s.discardIn(k.dir); err != nil {
			return err
		}
		if err := rename(s.dir, name, k.dir, was.stagedName(), unix.RENAME_NOREPLACE); err != nil {
			return err
		}
	}
	if err := was.renamed(k.dir); err != nil {
		return err
	}
	note := was.encode()
	if err := atomicfile.WriteIn(k.dir, intentName, note); err != nil {
		return err
	}
	p.reserve(k.dir, len(note))
	return errors.Join(s.dir.Remove(wasName), syncDir(s.dir), syncDir(p.parent))
}

// discardIn makes what a directory for a kept version holds rubbish.
func (s *staging) discardIn(kept *os.Root) error {
	for _, name := range []string{intentName, stagedTree, stagedFile} {
		if err := s.discard(kept, name); err != nil {
			return err
		}
	}
	return nil
}

// takeKept makes the kept version what is staged, if it is the placement's. What
// it is then is found out by its stamps, and where these differ by hashing.
func (p *Placement) takeKept(ctx context.Context) error {
	x := p.readKept()
	if x == nil || *x.Digest != p.mf.Digest() {
		return nil
	}
	k, err := openStaging(p.parent, p.keptName(), false)
	if err != nil {
		return err
	}
	if err := p.stage.take(k, x); err != nil {
		k.close()
		return err
	}
	if err := k.remove(ctx); err != nil {
		k.close()
		return err
	}
	return p.stage.collect(ctx)
}

// take stages the version that k holds, of which x tells, in place of everything
// that is staged.
func (s *staging) take(k *staging, x *index) error {
	for _, name := range []string{recordName, readyName, stagedTree, stagedFile} {
		if err := s.discard(s.dir, name); err != nil {
			return err
		}
	}
	info, err := k.dir.Lstat(x.stagedName())
	if err != nil {
		return err
	}
	if x.Kind != artifact.KindTree.String() && (len(x.Files) != 1 || x.Files[0] != stampOf(info)) {
		x.Files = nil // it changed since: it is to be hashed
	}
	if err := rename(k.dir, x.stagedName(), s.dir, x.stagedName(), unix.RENAME_NOREPLACE); err != nil {
		return err
	}
	if err := x.renamed(s.dir); err != nil {
		return err
	}
	return atomicfile.WriteIn(s.dir, readyName, x.encode())
}

// openKept returns the kept version, to copy from.
func (p *Placement) openKept() *localReader {
	x := p.readKept()
	if x == nil {
		return nil
	}
	mf, err := p.m.Manifest(*x.Digest)
	if err != nil || len(x.Files) != len(mf.Files()) {
		return nil
	}
	dir, err := p.parent.OpenRoot(p.keptName())
	if err != nil {
		return nil
	}
	defer dir.Close()
	c, err := openStaged(dir, mf, p.m.fds)
	if err != nil {
		return nil
	}
	return &localReader{c, artifact.All(mf.NumSpans())}
}
