package storage

import (
	"context"
	"errors"
	"io/fs"

	"github.com/rackswarm/rackswarm/core/artifact"
)

// recover finishes or undoes a swap that a crash interrupted, and deletes
// rubbish.
func (p *Placement) recover(ctx context.Context) error {
	s, err := p.openStaging(false)
	if errors.Is(err, fs.ErrNotExist) {
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
	name := stagedFile
	if x.Kind == artifact.KindTree.String() {
		name = stagedTree
	}
	if err := p.displace(s, name, x.Keep, x.Old); err != nil {
		return err
	}
	x.Keep, x.Old = false, 0
	if err := p.m.writePlacement(x); err != nil {
		return err
	}
	p.idx = x
	return s.remove(ctx)
}
