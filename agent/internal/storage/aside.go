package storage

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/rackswarm/rackswarm/core/atomicfile"
)

// SetAside takes what is installed away from the destination, and keeps it as
// the version that stands by. What is not ours and had to make room for it comes
// back, unless Tidy was called since. The placement has to be prepared again
// afterwards.
func (p *Placement) SetAside(ctx context.Context) error {
	p.op.Lock()
	defer p.op.Unlock()
	if p.phase != standing {
		return userError("set aside", p.dest.path, ErrNotPrepared)
	}
	err := p.setAsideInstalled(ctx)
	p.reset()
	return userError("set aside", p.dest.path, err)
}

func (p *Placement) setAsideInstalled(ctx context.Context) error {
	ours, err := p.mayRemove()
	if err != nil || !ours {
		return err
	}
	return p.standBy(ctx, p.uncover)
}

// standBy keeps what is installed as the version that stands by. It lies in the
// destination's directory under the name that uncover returns.
func (p *Placement) standBy(ctx context.Context, uncover func() (string, error)) error {
	s, err := p.openStagingNamed(p.wholeName(), true)
	if err != nil {
		return err
	}
	defer s.close()
	k, err := p.openStagingNamed(p.keptName(), true)
	if err != nil {
		return err
	}
	defer k.close()
	if err := s.discardIn(k.dir); err != nil {
		return err
	}
	// The index goes first: without the content beside it, it says nothing.
	if err := atomicfile.WriteIn(k.dir, intentName, p.idx.encode()); err != nil {
		return err
	}
	name, err := uncover()
	if err != nil {
		return err
	}
	if err := rename(p.parent, name, k.dir, p.idx.stagedName(), unix.RENAME_NOREPLACE); err != nil {
		return err
	}
	if err := errors.Join(syncDir(k.dir), syncDir(p.parent)); err != nil {
		return err
	}
	if err := p.noteAway(); err != nil {
		return err
	}
	return s.remove(ctx)
}

// noteAway says in the state directory that nothing of ours stands any more.
func (p *Placement) noteAway() error {
	x := &index{ID: p.req.ID, Path: p.dest.path, Staged: p.idx.Digest}
	if err := p.m.writePlacement(x); err != nil {
		return err
	}
	p.idx = x
	return nil
}

// uncover exchanges what is installed with what had to make room for it, if that
// is still there, and returns the name of what is installed.
func (p *Placement) uncover() (string, error) {
	name, err := p.besides(p.idx.Aside)
	if err != nil || name == "" {
		return p.dest.base, err
	}
	if err := rename(p.parent, name, p.parent, p.dest.base, unix.RENAME_EXCHANGE); err != nil {
		return "", err
	}
	p.m.log.Info("foreign content is back", "path", p.dest.path)
	return name, syncDir(p.parent)
}

// besides returns the name that setAside gave to what has that inode, "" if there
// is none.
func (p *Placement) besides(top uint64) (string, error) {
	if top == 0 {
		return "", nil
	}
	names, err := listNames(p.parent)
	if err != nil {
		return "", err
	}
	for _, name := range names {
		if !strings.HasPrefix(name, p.dest.base+keptSuffix) {
			continue
		}
		if info, err := p.parent.Lstat(name); err == nil && inode(info) == top {
			return name, nil
		}
	}
	return "", nil
}

// recoverAside finishes what a crash interrupted in SetAside after the exchange.
// Content that is not ours must not pass for what was installed in its place, as
// another file at the destination does.
func (p *Placement) recoverAside(ctx context.Context) error {
	if p.idx == nil || p.idx.Digest == nil || p.idx.Aside == 0 {
		return nil
	}
	info, err := p.lookAt(p.parent)
	if err != nil || info == nil || inode(info) != p.idx.Aside {
		return err
	}
	ours, err := p.besides(p.idx.Top)
	if err != nil {
		return err
	}
	if ours == "" {
		return p.noteAway()
	}
	if err := p.standBy(ctx, func() (string, error) { return ours, nil }); err != nil {
		return fmt.Errorf("put away what lies at %s: %w", ours, err)
	}
	return nil
}

// dropAside forgets what had to make room: it stays where it is.
func (p *Placement) dropAside() error {
	if p.idx.Aside == 0 {
		return nil
	}
	x := *p.idx
	x.Aside = 0
	if err := p.m.writePlacement(&x); err != nil {
		return err
	}
	p.idx = &x
	return nil
}
