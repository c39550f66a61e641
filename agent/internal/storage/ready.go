package storage

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"path/filepath"

	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/atomicfile"
)

// Stage does all of an installation that does not change the destination: modes
// and owners are set, and all is on disk. What is left to Install is little more
// than a rename. Content that is staged is known again after a restart, also of
// the machine, without being hashed. It may be called again after an error, like
// Install.
func (p *Placement) Stage(ctx context.Context) error {
	p.op.Lock()
	defer p.op.Unlock()
	done, err := p.freeze()
	if err != nil || done || p.phase == repairing || p.staged != nil {
		return userError("stage", p.dest.path, err)
	}
	s := &swap{p: p}
	if err = p.runSteps(ctx, s.stageSteps()); err == nil {
		s.encoded = nil // it may be long until it is installed
		p.staged = s
	} else {
		p.thaw()
	}
	return userError("stage", p.dest.path, err)
}

// thaw lets spans be written again.
func (p *Placement) thaw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.frozen = false
}

// StagedPath is where the content lies before it is installed, "" if nothing is
// staged as a whole.
func (p *Placement) StagedPath() string {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.phase != fetching {
		return ""
	}
	return filepath.Join(path.Dir(p.dest.path), p.stage.name, stagedName(p.mf.Kind()))
}

// ready notes what is staged, now that it is on disk.
func (s *swap) ready(ctx context.Context) error {
	if err := s.settle(ctx); err != nil {
		return err
	}
	info, err := s.p.stage.dir.Lstat(stagedName(s.p.mf.Kind()))
	if err != nil {
		return err
	}
	return atomicfile.WriteIn(s.p.stage.dir, readyName, s.encode(s.p.newIndex(inode(info), s.stamps)))
}

// trusted tells of each file whether it looks as it did when all of the content
// was staged, or when it stood before it was kept. It is nil if nothing is noted.
func (p *Placement) trusted(ctx context.Context, top uint64) ([]bool, error) {
	x, err := readIndex(p.stage.dir, readyName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil || !x.installed(p.mf.Digest()) || x.Top != top || len(x.Files) != len(p.mf.Files()) {
		return nil, nil // of something else
	}
	found, err := p.stage.content.scan(ctx)
	if err != nil {
		return nil, err
	}
	trusted := make([]bool, len(found))
	for i, f := range p.mf.Files() {
		switch {
		case f.Length == 0:
			trusted[i] = true
		case found[i] == nil:
		default:
			trusted[i] = x.Files[i] == stampOf(found[i])
		}
	}
	return trusted, nil
}

// untrusted splits spans into those whose files are all trusted, and the others.
func untrusted(mf *artifact.Manifest, spans artifact.Bitset, trusted []bool) (sure, rest artifact.Bitset) {
	sure, rest = spans.Clone(), artifact.NewBitset(spans.Len())
	for i := range mf.Files() {
		if trusted != nil && trusted[i] {
			continue
		}
		if first, last, ok := mf.SpansOfFile(i); ok {
			for s := first; s <= last; s++ {
				if sure.Has(s) {
					sure.Clear(s)
					rest.Set(s)
				}
			}
		}
	}
	return sure, rest
}
