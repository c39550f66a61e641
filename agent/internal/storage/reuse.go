package storage

import (
	"context"

	"golang.org/x/sys/unix"

	"github.com/rackswarm/rackswarm/core/artifact"
)

// gatherer fills spans of a staging from what this machine has. Every piece is
// hashed between being read and being counted, so that a file of an older
// version that drifted is not propagated.
type gatherer struct {
	mf     *artifact.Manifest
	dst    *content
	donors []*donor
	// needs says whether a file's pieces belong into the staging; those of
	// other files stand at the destination already. nil: all do.
	needs func(file int) bool
	// inPlace says whether staged bytes of a file may be right already.
	inPlace func(file int) bool
	// done is told of a span whose bytes are all there, from any goroutine.
	done func(span int) error
}

// run tries spans in parallel.
func (g *gatherer) run(ctx context.Context, spans []int, m *meter) error {
	var total int64
	for _, s := range spans {
		total += int64(g.mf.Span(s).Length)
	}
	m.begin(total)
	bufs := newBuffers()
	return parallel(ctx, len(spans), func(_ context.Context, worker, n int) error {
		length := int(g.mf.Span(spans[n]).Length)
		ok, err := g.span(spans[n], bufs.get(worker, length))
		if err == nil && ok {
			err = g.done(spans[n])
		}
		m.add(int64(length))
		return err
	})
}

// span brings one span together in buf, which has its length, and writes what
// is not in place. It reports false if a piece is nowhere to be found.
func (g *gatherer) span(span int, buf []byte) (bool, error) {
	found := true
	var copied, holes []part
	err := eachPart(g.mf, span, 0, len(buf), func(p part) error {
		found = found && (g.dst.zeros().Has(p.piece) || g.mayFind(p.file))
		return nil
	})
	if err != nil || !found {
		return false, err
	}
	err = eachPart(g.mf, span, 0, len(buf), func(p part) error {
		data := buf[p.lo:p.hi]
		switch {
		case !found || !g.need(p.file):
		case g.dst.zeros().Has(p.piece):
			holes = append(holes, p)
		case g.standing(p, data):
		case g.find(p, data):
			copied = append(copied, p)
		default:
			found = false
		}
		return nil
	})
	if err != nil || !found {
		return false, err
	}
	for _, p := range holes {
		if err := g.dst.writeZeros(p); err != nil {
			return false, err
		}
	}
	for _, p := range copied {
		if err := g.dst.write(p.file, p.off, buf[p.lo:p.hi]); err != nil {
			return false, err
		}
	}
	return true, nil
}

func (g *gatherer) need(file int) bool { return g.needs == nil || g.needs(file) }

// mayFind reports whether looking for a file's pieces has a chance.
func (g *gatherer) mayFind(file int) bool {
	if !g.need(file) || g.inPlace(file) {
		return true
	}
	for _, d := range g.donors {
		if len(d.candidates(file, g.dst.files[file])) > 0 {
			return true
		}
	}
	return false
}

// standing reports whether the piece is in the staging already.
func (g *gatherer) standing(p part, buf []byte) bool {
	return g.inPlace(p.file) && g.dst.read(p.file, p.off, buf) == nil && g.mf.VerifyPiece(p.piece, buf)
}

// find reads a piece from a donor.
func (g *gatherer) find(p part, buf []byte) bool {
	f := g.dst.files[p.file]
	for _, d := range g.donors {
		for _, i := range d.candidates(p.file, f) {
			if d.readFile(i, p.off, buf) && g.mf.VerifyPiece(p.piece, buf) {
				return true
			}
		}
	}
	return false
}

// cloneMin is the length from which on sharing extents is worth a try.
const cloneMin = 1 << 20

// clone lets the filesystem share the extents of large files that donors have
// with the same root, where it can, and returns them by file. They are to be
// verified in place.
func (g *gatherer) clone(ctx context.Context, wanted func(file int) bool) (map[int]bool, error) {
	cloned := map[int]bool{}
	for i, f := range g.dst.files {
		if f.Length < cloneMin || !wanted(i) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		src := g.openSame(i, f)
		if src < 0 {
			continue
		}
		ok, err := g.cloneInto(i, src)
		src.close()
		if err != nil || !ok {
			return cloned, err // this filesystem cannot
		}
		cloned[i] = true
	}
	return cloned, nil
}

func (g *gatherer) openSame(i int, f artifact.File) rawFile {
	for _, d := range g.donors {
		if c, ok := d.Reader.(cloner); ok {
			if i, has := d.twin(i, f); has {
				if src, err := c.openFile(i); err == nil {
					return src
				}
			}
		}
	}
	return -1
}

// cloneInto reports false if the filesystem refuses.
func (g *gatherer) cloneInto(i int, src rawFile) (bool, error) {
	dst, err := g.dst.createWhole(i)
	if err != nil {
		return false, err
	}
	defer dst.close()
	if err := unix.IoctlFileClone(int(dst), int(src)); err != nil {
		return false, nil
	}
	return true, dst.truncate(g.dst.files[i].Length)
}
