package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/rackswarm/rackswarm/core/api"
)

// Remove deletes what the placement installed, its staging and, last, its index
// in the state directory. A tree goes with everything in it. What stands at the
// destination without being ours stays. After an error or a crash Remove may be
// called again.
func (p *Placement) Remove(ctx context.Context) error {
	return p.end("remove", func() error { return p.remove(ctx) })
}

// Release forgets the placement: it leaves what is installed where it is, and
// deletes the staging and the index.
func (p *Placement) Release(ctx context.Context) error {
	return p.end("release", func() error { return p.release(ctx) })
}

// Forget gives up a placement that cannot be opened any more: its destination is
// claimed no longer, and everything on the disk stays as it is.
func (m *Manager) Forget(id string) error {
	if err := m.forgetPlacement(id); err != nil {
		return userError("forget", id, err)
	}
	m.unclaim(id)
	return nil
}

func (p *Placement) end(what string, fn func() error) error {
	p.op.Lock()
	defer p.op.Unlock()
	p.reset()
	err := fn()
	p.reset()
	if err == nil {
		p.m.unclaim(p.req.ID)
	}
	return userError(what, p.dest.path, err)
}

func (p *Placement) remove(ctx context.Context) error {
	if err := p.dest.checkMounts(); err != nil {
		return err
	}
	there, err := p.arrive()
	if err != nil {
		return err
	}
	if there {
		if err := p.recover(ctx); err != nil {
			return err
		}
		if err := p.removeInstalled(ctx); err != nil {
			return err
		}
	}
	return p.m.forgetPlacement(p.req.ID)
}

// arrive opens the directory of the destination and the index. It reports false
// if the directory is gone.
func (p *Placement) arrive() (bool, error) {
	p.idx = p.m.readPlacement(p.req.ID)
	if p.idx != nil && p.idx.Path != p.dest.path {
		return false, &api.Error{Code: api.CodeConflict, Subject: p.dest.path,
			Message: fmt.Sprintf("distribution %q has content at %s", p.req.ID, p.idx.Path), Fix: "remove or release it there"}
	}
	parent, err := p.m.openParent(p.dest, false)
	if gone(err) {
		return false, nil
	}
	p.parent = parent
	return err == nil, err
}

func (p *Placement) removeInstalled(ctx context.Context) error {
	ours, err := p.mayRemove()
	if err != nil {
		return err
	}
	if ours {
		s, err := p.openStaging(true)
		if err != nil {
			return err
		}
		defer s.close()
		if err := p.takeAway(s); err != nil {
			return err
		}
		if err := s.remove(ctx); err != nil {
			return err
		}
	}
	return p.dropAll(ctx)
}

// dropAll removes everything beside the destination.
func (p *Placement) dropAll(ctx context.Context) error {
	for _, name := range []string{p.keptName(), p.mendName(), p.wholeName()} {
		s, err := p.openStagingNamed(name, false)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if err := s.remove(ctx); err != nil {
			s.close()
			return err
		}
	}
	return nil
}

// mayRemove reports whether what stands is what was installed: by its inode,
// for a file too.
func (p *Placement) mayRemove() (bool, error) {
	if p.idx == nil || p.idx.Digest == nil {
		return false, nil
	}
	info, err := p.parent.Lstat(p.dest.base)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	ours := p.idx.describes(info) && inode(info) == p.idx.Top
	if !ours {
		p.m.log.Warn("not removed, as it is not what was installed", "path", p.dest.path)
	}
	return ours, nil
}

// takeAway moves what is installed into the staging in one step, after noting
// the removal.
func (p *Placement) takeAway(s *staging) error {
	x := *p.idx
	x.Removing = true
	if err := p.m.writePlacement(&x); err != nil {
		return err
	}
	if err := s.discard(p.parent, p.dest.base); err != nil {
		return err
	}
	return errors.Join(syncDir(s.dir), syncDir(p.parent))
}

func (p *Placement) release(ctx context.Context) error {
	there, err := p.arrive()
	if err != nil {
		return err
	}
	if there {
		if err := p.recover(ctx); err != nil {
			return err
		}
		if err := p.dropAll(ctx); err != nil {
			p.m.log.Warn("not all that was staged is removed", "path", p.dest.path, "error", err)
		}
	}
	return p.m.forgetPlacement(p.req.ID)
}
