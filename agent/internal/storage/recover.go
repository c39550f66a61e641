package storage

import (
	"context"
	"errors"
	"io/fs"

	"golang.org/x/sys/unix"
)

// Recover finishes or undoes what a crash interrupted, and finds out whether the
// placement's content stands. Other than Prepare it stages nothing.
func (p *Placement) Recover(ctx context.Context) error {
	p.op.Lock()
	defer p.op.Unlock()
	p.reset()
	err := p.lookForInstalled(ctx)
	if err != nil {
		p.reset()
	}
	return userError("recover", p.dest.path, err)
}

func (p *Placement) lookForInstalled(ctx context.Context) error {
	there, err := p.arrive()
	if err != nil || !there {
		return err
	}
	if err := p.recover(ctx); err != nil {
		return err
	}
	seen, err := p.look()
	if err != nil || !seen.ours || !p.idx.installed(p.mf.Digest()) {
		return err
	}
	live, err := p.openStanding()
	if err != nil {
		return err
	}
	p.stand(live, p.idx.Files)
	return nil
}

// recover finishes or undoes swaps that a crash interrupted, and deletes
// rubbish.
func (p *Placement) recover(ctx context.Context) error {
	if err := p.recoverIn(ctx, p.mendName()); err != nil {
		return err
	}
	if err := p.recoverIn(ctx, p.wholeName()); err != nil {
		return err
	}
	return p.recoverAside(ctx)
}

// recoverIn looks into one staging directory. What another placement holds was
// recovered by that.
func (p *Placement) recoverIn(ctx context.Context, name string) error {
	s, err := p.openStagingNamed(name, false)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.EWOULDBLOCK) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { s.close() }()
	if err := s.collect(ctx); err != nil {
		return err
	}
	x, err := readIndex(s.dir, intentName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		var info fs.FileInfo
		if info, err = p.lookAt(p.parent); err != nil {
			return err
		}
		if x.ID == p.req.ID && x.Path == p.dest.path && info != nil && inode(info) == x.Top && p.exchanged(s, x) {
			return p.finishSwap(ctx, s, x)
		}
	}
	return s.dir.Remove(intentName)
}

// exchanged reports whether what an intent announced is no longer staged.
func (p *Placement) exchanged(s *staging, x *index) bool {
	for _, name := range []string{stagedTree, stagedFile} {
		if info, err := s.dir.Lstat(name); err == nil && inode(info) == x.Top {
			return false
		}
	}
	return true
}

// finishSwap does what follows the exchange.
func (p *Placement) finishSwap(ctx context.Context, s *staging, x *index) error {
	if err := p.displace(s, x.stagedName(), displaced{x.Foreign, x.Keep, x.Old}); err != nil {
		return err
	}
	x.Foreign, x.Keep, x.Old = false, false, 0
	if err := p.m.writePlacement(x); err != nil {
		return err
	}
	p.idx = x
	return s.remove(ctx)
}
