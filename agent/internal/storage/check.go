package storage

import (
	"context"
	"io/fs"
	"os"
	"slices"

	"github.com/rackswarm/rackswarm/core/artifact"
)

// Drift is what Check found. Names are paths in the artifact.
type Drift struct {
	Missing []string // files that are gone
	Changed []string // files whose content is another
	// Mended were right but for their modes, owners, or being there at all
	// (directories, links, empty files), and are right now.
	Mended []string
}

// Check compares what is installed with what was: by stamps, or by hashing
// everything if deep is true. What peers are not needed for is mended at once.
// The spans of missing and changed files leave Have; WriteSpan and Install then
// repair just these files. A file is reported once, until it was repaired. Files
// that are not the artifact's are left alone. Nothing is done while the content
// is not installed.
func (p *Placement) Check(ctx context.Context, deep bool) (Drift, error) {
	p.op.Lock()
	defer p.op.Unlock()
	if p.phase == unprepared {
		return Drift{}, userError("check", p.dest.path, ErrNotPrepared)
	}
	if p.phase == fetching {
		return Drift{}, nil
	}
	drift, err := p.check(ctx, deep, nil)
	return drift, userError("check", p.dest.path, err)
}

func (p *Placement) check(ctx context.Context, deep bool, m *meter) (Drift, error) {
	there, err := p.stillThere()
	if err != nil {
		return Drift{}, err
	}
	if !there {
		return p.startOver(ctx, m)
	}
	d := &mender{content: p.live, attr: p.attr}
	if p.live.name == "" {
		if err := d.dirs(); err != nil {
			return Drift{}, err
		}
	}
	suspects := p.suspected()
	f, err := p.live.inspect(ctx, p.live.stamps, inspection{
		hash: func(i int) bool { return deep || suspects[i] },
		skip: func(i int, _ fs.FileInfo) bool { return p.isBroken(i) },
	}, m)
	if err != nil {
		return Drift{}, err
	}
	p.acquit(suspects)
	if err := p.mend(ctx, d, f); err != nil {
		return Drift{}, err
	}
	if err := p.adoptStamps(ctx, f); err != nil {
		return Drift{}, err
	}
	drift := Drift{Missing: p.live.names(f.missing), Changed: p.live.names(f.changed), Mended: d.mended}
	err = p.lose(ctx, append(f.missing, f.changed...), m)
	p.restore(suspects)
	return drift, err
}

func (p *Placement) isBroken(file int) bool { return p.phase == repairing && p.broken[file] }

// sameParent reports whether the directory of the destination is still the one
// that was opened.
func (p *Placement) sameParent() (bool, error) {
	parent, err := p.m.openParent(p.dest, false)
	if gone(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer parent.Close()
	now, err := parent.Stat(".")
	if err != nil {
		return false, err
	}
	then, err := p.parent.Stat(".")
	return err == nil && os.SameFile(now, then), nil
}

// stillThere reports whether what stands is what was installed, by its top.
func (p *Placement) stillThere() (bool, error) {
	if same, err := p.sameParent(); err != nil || !same {
		return false, err
	}
	seen, err := p.look()
	return seen.ours, err
}

// startOver is for a destination that is gone or was replaced as a whole.
func (p *Placement) startOver(ctx context.Context, m *meter) (Drift, error) {
	drift := Drift{Missing: p.live.names(p.nonEmpty())}
	p.reset()
	err := p.prepare(ctx, m)
	if err != nil {
		p.reset()
	}
	return drift, err
}

func (c *content) names(files []int) []string {
	var names []string
	for _, i := range files {
		names = append(names, c.files[i].Path)
	}
	return names
}

// findings are what inspect saw.
type findings struct {
	found            []fs.FileInfo // by file; nil where nothing is to be mended
	seen             []stamp       // by file: how it looked, right or not
	stamps           []stamp       // by file: of those that are right
	missing, changed []int
}

// inspection says which files are looked at, and how.
type inspection struct {
	hash func(i int) bool // whatever its stamp is
	skip func(i int, info fs.FileInfo) bool
}

// inspect looks at all files that are not skipped, and hashes those whose stamp
// is not the one that is known.
func (c *content) inspect(ctx context.Context, known []stamp, how inspection, m *meter) (*findings, error) {
	found, err := c.scan(ctx)
	if err != nil {
		return nil, err
	}
	f := &findings{found: found, seen: stampsOf(found), stamps: slices.Clone(known)}
	var suspects []int
	for i := range c.files {
		switch {
		case c.files[i].Length == 0:
		case how.skip(i, found[i]):
			found[i] = nil
		case found[i] == nil:
			f.missing = append(f.missing, i)
		case how.hash(i) || stampOf(found[i]) != known[i]:
			suspects = append(suspects, i)
		}
	}
	right, err := c.verify(ctx, suspects, found, m, false)
	if err != nil {
		return nil, err
	}
	for _, i := range suspects {
		f.stamps[i] = right[i]
		if right[i] == (stamp{}) {
			f.changed = append(f.changed, i)
			found[i] = nil
		}
	}
	return f, nil
}

// mend makes right what peers are not needed for.
func (p *Placement) mend(ctx context.Context, d *mender, f *findings) error {
	if p.live.name == "" {
		if err := d.links(); err != nil {
			return err
		}
	}
	if err := d.empties(); err != nil {
		return err
	}
	for i, file := range p.live.files {
		if file.Length == 0 {
			f.found[i] = p.live.look(i)
		}
	}
	if err := d.modes(ctx, f.found); err != nil {
		return err
	}
	return d.dirModes(ctx)
}

// adoptStamps takes over the stamps of files that were hashed or mended.
func (p *Placement) adoptStamps(ctx context.Context, f *findings) error {
	var renewed []int
	for i, info := range f.found {
		if info == nil {
			continue
		}
		now := stampOf(info)
		if p.live.files[i].Length > 0 && !f.stamps[i].moved(now) {
			now = stamp{} // it changed again: next time it is hashed
		}
		if f.stamps[i] = now; now != p.live.stamps[i] {
			renewed = append(renewed, i)
		}
	}
	lost := len(f.changed) > 0
	if len(renewed) == 0 && !lost {
		return nil
	}
	if err := p.live.confirm(ctx, f.stamps, renewed); err != nil {
		return err
	}
	p.mu.Lock()
	p.live.stamps = f.stamps
	p.mu.Unlock()
	return p.writeIndex(p.idx.topNow(p))
}

// confirm waits until a later change of the files must show in their stamps,
// and takes back those that no longer hold.
func (c *content) confirm(ctx context.Context, stamps []stamp, files []int) error {
	var newest int64
	for _, i := range files {
		newest = max(newest, stamps[i].Ctime)
	}
	if err := settle(ctx, newest); err != nil {
		return err
	}
	for _, i := range files {
		if info := c.look(i); info == nil || stampOf(info) != stamps[i] {
			stamps[i] = stamp{}
		}
	}
	return nil
}

// topNow is the inode for the index: a file may have been replaced by an equal
// one.
func (x *index) topNow(p *Placement) uint64 {
	if p.mf.Kind() == artifact.KindFile {
		if info := p.live.look(0); info != nil {
			return inode(info)
		}
	}
	return x.Top
}
