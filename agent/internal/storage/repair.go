package storage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"

	"github.com/rackswarm/rackswarm/core/artifact"
)

// lose begins the repair of files that are missing or changed. A single file is
// staged as a whole, with the good pieces of the one that stands; of a tree only
// the broken files are.
func (p *Placement) lose(ctx context.Context, files []int, m *meter) error {
	if len(files) == 0 {
		return nil
	}
	if p.mf.Kind() == artifact.KindTree {
		return p.startRepair(ctx, files, m)
	}
	donor := p.standingAs(p.mf)
	p.live.close()
	err := p.stageAll(ctx, donor, m)
	if err != nil {
		p.reset()
	}
	return err
}

// startRepair stages files of a tree that stands. There is no progress record:
// what an interrupted repair staged is hashed by the next one.
func (p *Placement) startRepair(ctx context.Context, files []int, m *meter) error {
	if err := p.openRepair(ctx); err != nil {
		return err
	}
	staged, err := p.stage.content.scan(ctx)
	if err != nil {
		return err
	}
	p.breakFiles(files)
	if err := p.checkSpace(ctx, files, false); err != nil {
		return err
	}
	g := p.gatherer(p.sources())
	g.needs = func(file int) bool { return p.broken[file] }
	g.inPlace = func(file int) bool { return staged[file] != nil }
	return g.run(ctx, p.missing(), m)
}

// openRepair opens the staging unless a repair has it open already.
func (p *Placement) openRepair(ctx context.Context) error {
	if p.stage != nil {
		return nil
	}
	s, err := p.openStaging(true)
	if err != nil {
		return err
	}
	err = s.dir.Remove(recordName)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		if _, err = s.stage(p.mf, p.m.fds); err == nil {
			err = s.content.purge(ctx)
		}
	}
	if err != nil {
		s.close()
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stage, p.broken = s, make([]bool, len(p.mf.Files()))
	return nil
}

// breakFiles takes files out of service.
func (p *Placement) breakFiles(files []int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	have := p.Have()
	for _, i := range files {
		p.broken[i] = true
		p.m.fds.drop(p.live.id, i)
		clearSpans(have, p.mf, i)
	}
	p.phase = repairing
	p.replaceHave(have)
}

// repair is the installation of single files of a tree.
type repair struct {
	p     *Placement
	files []int
	found []fs.FileInfo // by file: staged
}

func (r *repair) steps() []step {
	return []step{
		{"set modes and owners", r.metadata, false},
		{"sync", r.sync, true},
		{"put files in place", r.place, true},
		{"note what stands", r.record, true},
		{"clean up", r.finish, true},
	}
}

func (r *repair) metadata(ctx context.Context) error {
	d := &mender{content: r.p.stage.content, attr: r.p.attr}
	found, err := d.scan(ctx)
	if err != nil {
		return err
	}
	r.found = make([]fs.FileInfo, len(found))
	for i, broken := range r.p.broken {
		if !broken {
			continue
		}
		if found[i] == nil || found[i].Size() != d.files[i].Length {
			return d.changed(i)
		}
		r.files, r.found[i] = append(r.files, i), found[i]
	}
	return d.modes(ctx, r.found)
}

func (r *repair) sync(context.Context) error {
	err := cmp.Or(syncFilesystem(r.p.stage.dir), r.p.stage.content.flushed())
	if err != nil {
		r.p.stage.content.distrust()
	}
	return err
}

func (r *repair) place(ctx context.Context) error {
	there, err := r.p.stillThere()
	if err != nil {
		return err
	}
	if !there {
		return fmt.Errorf("the destination was replaced: %w", ErrNotPrepared)
	}
	if err := (&mender{content: r.p.live, attr: r.p.attr}).dirs(); err != nil {
		return err
	}
	for _, i := range r.files {
		if err := r.placeFile(i); err != nil {
			return fmt.Errorf("%s: %w", r.p.mf.Files()[i].Path, err)
		}
	}
	return syncFilesystem(r.p.parent)
}

// placeFile renames one file over the broken one. Readers wait, as it is in
// neither place for them meanwhile.
func (r *repair) placeFile(i int) error {
	p := r.p
	name := p.live.path(i)
	if err := makeWay(p.live, name); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := renameBelow(p.stage.content.root, p.live.root, name); err != nil {
		return err
	}
	info := p.live.look(i)
	if info == nil || !stampOf(r.found[i]).moved(stampOf(info)) {
		return &ChangedError{name}
	}
	p.live.stamps[i] = stampOf(info)
	p.broken[i] = false
	return nil
}

// makeWay sets aside what is neither a file nor a link, and removes links.
func makeWay(c *content, name string) error {
	info, err := c.root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil || info.Mode().IsRegular() {
		return err
	}
	return (&mender{content: c}).clear(name, info)
}

// renameBelow renames the same path from one tree into another.
func renameBelow(from, to *os.Root, name string) error {
	fromDir, err := from.OpenRoot(path.Dir(name))
	if err != nil {
		return err
	}
	defer fromDir.Close()
	toDir, err := to.OpenRoot(path.Dir(name))
	if err != nil {
		return err
	}
	defer toDir.Close()
	return rename(fromDir, path.Base(name), toDir, path.Base(name), 0)
}

func (r *repair) record(ctx context.Context) error {
	p := r.p
	if err := (&mender{content: p.live, attr: p.attr}).dirModes(ctx); err != nil {
		return err
	}
	stamps := append([]stamp(nil), p.live.stamps...)
	if err := p.live.confirm(ctx, stamps, r.files); err != nil {
		return err
	}
	p.mu.Lock()
	p.live.stamps = stamps
	p.mu.Unlock()
	if err := p.writeIndex(p.idx.Top); err != nil {
		return err
	}
	p.mu.Lock()
	p.phase, p.broken = standing, nil
	p.mu.Unlock()
	return nil
}

func (r *repair) finish(ctx context.Context) error {
	r.p.endStaging(ctx)
	return nil
}
