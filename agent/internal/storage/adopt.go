package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/artifact"
)

// meetForeign deals with content that the index does not know: put there by
// somebody else, or by us before the state was lost.
func (p *Placement) meetForeign(ctx context.Context, seen sight, m *meter) error {
	suited := seen.info.IsDir() == (p.mf.Kind() == artifact.KindTree) && (seen.info.IsDir() || seen.info.Mode().IsRegular())
	if suited {
		adopted, err := p.adopt(ctx, seen, m)
		if err != nil || adopted {
			return err
		}
	}
	if empty, err := p.isEmptyDir(seen.info); err != nil {
		return err
	} else if !empty && !p.req.Overwrite {
		return p.foreign()
	}
	var donor Reader
	if suited {
		donor = p.standingAs(p.mf)
	}
	return p.stageAll(ctx, donor, m)
}

func (p *Placement) foreign() error {
	return &api.Error{Code: api.CodeForeignContent, Subject: p.dest.path,
		Message: "something that rackswarm did not put there, and that differs from the artifact, stands at the destination",
		Fix:     fmt.Sprintf("move it away, or set overwrite: it is then kept as %s%s", p.dest.path, keptSuffix)}
}

func (p *Placement) isEmptyDir(info fs.FileInfo) (bool, error) {
	if !info.IsDir() {
		return false, nil
	}
	dir, err := p.parent.OpenRoot(p.dest.base)
	if err != nil {
		return false, err
	}
	defer dir.Close()
	names, err := listNames(dir)
	return len(names) == 0, err
}

// adopt takes over what stands if it is exactly the artifact: all of its files,
// directories and links, and nothing else. Modes and owners are then set.
func (p *Placement) adopt(ctx context.Context, seen sight, m *meter) (bool, error) {
	live, err := p.openLive(p.mf)
	if err != nil {
		return false, err
	}
	stamps, same, err := live.identical(ctx, m)
	if err != nil || !same {
		live.close()
		return false, err
	}
	p.stand(live, stamps)
	if err := p.writeIndex(inode(seen.info)); err != nil {
		return false, err
	}
	_, err = p.check(ctx, false, nil)
	p.dropStaging(ctx)
	return err == nil, err
}

// writeIndex says in the state directory that live stands.
func (p *Placement) writeIndex(top uint64) error {
	x := p.newIndex(top, p.live.stamps)
	if p.idx.installed(p.mf.Digest()) {
		x.Since = p.idx.Since
	}
	if err := p.m.writePlacement(x); err != nil {
		return err
	}
	p.idx = x
	return nil
}

func (p *Placement) newIndex(top uint64, stamps []stamp) *index {
	d := p.mf.Digest()
	x := &index{ID: p.req.ID, Path: p.dest.path, Digest: &d, Kind: p.mf.Kind().String(), Top: top, Since: time.Now().UTC(), Files: stamps}
	if p.idx != nil {
		x.Aside = p.idx.Aside
	}
	return x
}

// identical compares content that nothing is known of with its manifest. The
// structure goes first, as it costs little; hashing stops at the first
// difference.
func (c *content) identical(ctx context.Context, m *meter) ([]stamp, bool, error) {
	same, err := c.sameStructure(ctx)
	if err != nil || !same {
		return nil, false, err
	}
	found, err := c.scan(ctx)
	if err != nil {
		return nil, false, err
	}
	all := make([]int, len(c.files))
	for i, f := range c.files {
		if found[i] == nil || found[i].Size() != f.Length {
			return nil, false, nil
		}
		all[i] = i
	}
	stamps, err := c.verify(ctx, all, found, m, true)
	return stamps, err == nil && !slices.Contains(stamps, stamp{}), err
}

// sameStructure reports whether exactly the manifest's names are there, each of
// its kind, and whether links have their targets.
func (c *content) sameStructure(ctx context.Context) (bool, error) {
	if c.name != "" {
		return true, nil
	}
	left := c.entries()
	extra := false
	err := walk(ctx, c.root, func(parent *os.Root, rel string, info fs.FileInfo) error {
		want, known := left[rel]
		delete(left, rel)
		if !known || want.kind != info.Mode().Type() {
			extra = true
		} else if want.kind == fs.ModeSymlink {
			target, err := parent.Readlink(path.Base(rel))
			extra = extra || err != nil || target != want.target
		}
		if extra {
			return errDiffers
		}
		return nil
	})
	if errors.Is(err, errDiffers) {
		return false, nil
	}
	return len(left) == 0, err
}

var errDiffers = errors.New("the content differs from the manifest")

// entry is what a path of a tree should be.
type entry struct {
	kind   fs.FileMode // type bits
	file   int
	target string
}

// entries are all paths of a tree but its top.
func (c *content) entries() map[string]entry {
	all := make(map[string]entry, len(c.files))
	for i, f := range c.files {
		all[f.Path] = entry{file: i}
	}
	for _, d := range c.mf.Dirs() {
		if d.Path != "" {
			all[d.Path] = entry{kind: fs.ModeDir}
		}
	}
	for _, l := range c.mf.Links() {
		all[l.Path] = entry{kind: fs.ModeSymlink, target: l.Target}
	}
	return all
}
