package storage

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/rackswarm/rackswarm/core/artifact"
)

// stageAll continues or begins the staging of the whole content, and fills it
// from donor (what stands; may be nil), from an abandoned staging of another
// version, and from Sources.
func (p *Placement) stageAll(ctx context.Context, donor Reader, m *meter) error {
	if l, ok := donor.(localReader); ok {
		defer l.content.close()
	}
	if err := p.useReserve(); err != nil {
		return err
	}
	if err := p.noteStaging(); err != nil { // first: no staging is left that nobody knows of
		return err
	}
	s, err := p.openStaging(true)
	if err != nil {
		return err
	}
	p.mu.Lock()
	p.stage, p.live, p.broken, p.phase = s, nil, nil, unprepared
	p.replaceHave(artifact.NewBitset(p.mf.NumSpans()))
	p.mu.Unlock()
	if err := p.begin(ctx, m); err != nil {
		return err
	}
	if err := p.makeSpace(ctx); err != nil {
		p.leaveNothing(ctx)
		return err
	}
	p.mu.Lock()
	p.phase = fetching
	p.mu.Unlock()
	return p.reuse(ctx, donor, m)
}

// makeSpace checks the space for the whole content. If there is too little, a
// version goes that is kept and that this one would push out in the end.
func (p *Placement) makeSpace(ctx context.Context) error {
	if p.Have().Full() {
		return nil // it was kept, and takes no more than it has
	}
	err := p.checkSpace(ctx, p.nonEmpty(), true)
	if err == nil || p.mending || p.readKept() == nil {
		return err
	}
	if err := p.dropNamed(ctx, p.keptName()); err != nil {
		return err
	}
	p.m.log.Info("a version that was kept makes room", "path", p.dest.path)
	return p.checkSpace(ctx, p.nonEmpty(), true)
}

// leaveNothing takes away a staging that was begun in vain: one that holds
// neither a span nor an earlier version's.
func (p *Placement) leaveNothing(ctx context.Context) {
	p.mu.Lock()
	s, empty := p.stage, p.have.Count() == 0
	p.mu.Unlock()
	if _, err := s.dir.Lstat(shelfName); !empty || !errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err := s.remove(ctx); err != nil {
		p.m.log.Warn("staging directory not removed", "path", p.dest.path, "error", err)
	}
}

// nonEmpty are the files that have content.
func (p *Placement) nonEmpty() []int {
	var list []int
	for i, f := range p.mf.Files() {
		if f.Length > 0 {
			list = append(list, i)
		}
	}
	return list
}

// era is the same as long as what was written is there: while the machine runs,
// and the filesystem stays mounted.
func (p *Placement) era() (bootID, error) {
	era := p.m.boot
	on, err := mountOf(p.stage.dir)
	for i, b := range binary.LittleEndian.AppendUint64(nil, on.id) {
		era[len(era)-8+i] ^= b
	}
	return era, err
}

// begin opens the staged content and its record, after it made sure that the
// record says nothing that is not true.
func (p *Placement) begin(ctx context.Context, m *meter) error {
	s := p.stage
	if err := probeExchange(s.dir); err != nil {
		return err
	}
	if err := p.takeKept(ctx); err != nil {
		return fmt.Errorf("take the version that was kept: %w", err)
	}
	head, have, readable := s.readRecord()
	if readable && head.digest != p.mf.Digest() {
		if err := s.shelve(ctx); err != nil {
			return err
		}
		readable = false
	}
	if err := s.discardOther(ctx, p.mf.Kind()); err != nil {
		return err
	}
	era, err := p.era()
	if err != nil {
		return err
	}
	top, err := s.stage(p.mf, p.m.fds)
	if err != nil {
		return err
	}
	known := readable && head.top == top && have.Len() == p.mf.NumSpans()
	if have, err = p.trueSpans(ctx, have, stagedRecord{known, known && head.boot == era, top}, m); err != nil {
		return err
	}
	s.rec, err = createRecord(s.dir, recordHead{digest: p.mf.Digest(), boot: era, top: top}, have)
	p.replaceHave(have)
	return err
}

// stagedRecord is what is known of a progress record.
type stagedRecord struct {
	known    bool // it is of the content that is staged
	sameBoot bool // the machine runs on since
	top      uint64
}

// trueSpans returns the spans that are staged. If the record is not known to be
// of this content, that can be any, and what else lies there is taken away. What
// the record says counts for files that look as they did when all was on disk,
// or, if it never was, if the machine was not restarted since; the rest is hashed.
func (p *Placement) trueSpans(ctx context.Context, have artifact.Bitset, rec stagedRecord, m *meter) (artifact.Bitset, error) {
	trusted, err := p.trusted(ctx, rec.top)
	if err != nil {
		return have, err
	}
	if !rec.known {
		if trusted == nil || slices.Contains(trusted, false) {
			if err := p.stage.content.purge(ctx); err != nil {
				return have, err
			}
		}
		have = artifact.All(p.mf.NumSpans())
	}
	if err := p.dropUnstaged(ctx, have); err != nil || rec.sameBoot && trusted == nil {
		return have, err
	}
	sure, rest := untrusted(p.mf, have, trusted)
	right, err := p.rehash(ctx, rest, m)
	for i := right.NextSet(0); i >= 0; i = right.NextSet(i + 1) {
		sure.Set(i)
	}
	return sure, err
}

// discardOther removes what is staged of the other kind.
func (s *staging) discardOther(ctx context.Context, k artifact.Kind) error {
	name := stagedTree
	if k == artifact.KindTree {
		name = stagedFile
	}
	if err := s.discard(s.dir, name); err != nil {
		return err
	}
	return s.collect(ctx)
}

// readRecord returns the progress record unless there is none that can be
// read.
func (s *staging) readRecord() (recordHead, artifact.Bitset, bool) {
	b, err := s.dir.ReadFile(recordName)
	if err != nil {
		return recordHead{}, artifact.Bitset{}, false
	}
	head, have, err := decodeRecord(b)
	return head, have, err == nil
}

// dropUnstaged takes those spans out of have that a file is missing for, or
// has the wrong length.
func (p *Placement) dropUnstaged(ctx context.Context, have artifact.Bitset) error {
	found, err := p.stage.content.scan(ctx)
	if err != nil {
		return err
	}
	for i, f := range p.mf.Files() {
		if found[i] == nil || found[i].Size() != f.Length {
			clearSpans(have, p.mf, i)
		}
	}
	return nil
}

// clearSpans takes the spans of a file out of have.
func clearSpans(have artifact.Bitset, mf *artifact.Manifest, file int) {
	if first, last, ok := mf.SpansOfFile(file); ok {
		for s := first; s <= last; s++ {
			have.Clear(s)
		}
	}
}

// rehash returns those of the spans whose staged bytes are right.
func (p *Placement) rehash(ctx context.Context, spans artifact.Bitset, m *meter) (artifact.Bitset, error) {
	right := artifact.NewBitset(spans.Len())
	g := p.gatherer(nil)
	g.inPlace = func(int) bool { return true }
	g.done = func(span int) error {
		p.haveMu.Lock()
		defer p.haveMu.Unlock()
		right.Set(span)
		return nil
	}
	return right, g.run(ctx, members(spans), m)
}

// members lists the numbers in a set.
func members(b artifact.Bitset) []int {
	list := make([]int, 0, b.Count())
	for i := b.NextSet(0); i >= 0; i = b.NextSet(i + 1) {
		list = append(list, i)
	}
	return list
}

// missing lists the spans that are not here.
func (p *Placement) missing() []int {
	have := p.Have()
	list := make([]int, 0, have.Len()-have.Count())
	for i := have.NextClear(0); i >= 0; i = have.NextClear(i + 1) {
		list = append(list, i)
	}
	return list
}

func (p *Placement) gatherer(donors []*donor) *gatherer {
	return &gatherer{mf: p.mf, dst: p.stage.content, donors: donors,
		inPlace: func(int) bool { return false }, done: p.finish}
}

// reuse fills the staging from what this machine has.
func (p *Placement) reuse(ctx context.Context, standing Reader, m *meter) error {
	var donors []*donor
	if standing != nil {
		donors = append(donors, newDonor(standing, p.mf))
	}
	if shelf := p.openShelf(); shelf != nil {
		defer shelf.content.close()
		donors = append(donors, newDonor(shelf, p.mf))
	}
	if kept := p.openKept(); kept != nil {
		defer kept.content.close()
		donors = append(donors, newDonor(kept, p.mf))
	}
	donors = append(donors, p.sources()...)
	if len(donors) > 0 || p.stage.content.zeros().NextSet(0) >= 0 {
		g := p.gatherer(donors)
		cloned, err := g.clone(ctx, p.untouched)
		if err != nil {
			return err
		}
		g.inPlace = func(file int) bool { return cloned[file] }
		if err := g.run(ctx, p.missing(), m); err != nil {
			return err
		}
	}
	return p.stage.discardShelf(ctx)
}

// sources are the donors that the request names and that have files of the
// artifact.
func (p *Placement) sources() []*donor {
	if p.req.Sources == nil {
		return nil
	}
	var donors []*donor
	for _, r := range p.req.Sources() {
		if r == Reader(p) {
			continue
		}
		if d := newDonor(r, p.mf); d.same || len(d.byRoot)+len(d.byPath) > 0 {
			donors = append(donors, d)
		}
	}
	return donors
}

// untouched reports whether nothing of a file is staged yet.
func (p *Placement) untouched(file int) bool {
	first, last, _ := p.mf.SpansOfFile(file)
	for s := first; s <= last; s++ {
		if p.has(s) {
			return false
		}
	}
	return true
}

// noteStaging tells the state directory what is being staged, so that it is
// found again after a restart.
func (p *Placement) noteStaging() error {
	x := index{ID: p.req.ID, Path: p.dest.path}
	if p.idx != nil {
		x = *p.idx
	}
	if seen, err := p.look(); err != nil {
		return err
	} else if !seen.ours {
		x.Digest, x.Files, x.Top, x.Kind = nil, nil, 0, ""
	}
	d := p.mf.Digest()
	x.Staged, x.Mending, x.Removing = &d, p.mending, false
	if err := p.m.writePlacement(&x); err != nil {
		return err
	}
	p.idx = &x
	return nil
}
