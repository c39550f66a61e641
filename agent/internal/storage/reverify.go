package storage

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/rackswarm/rackswarm/core/artifact"
)

// VerifySpan reads a span again and hashes it, whatever the stamps say: a peer
// holds that what it was sent is wrong. If it is, the error wraps a
// *BadPieceError or ErrChanged, the span has left Have, and the next Check
// hashes the files that are to blame. ErrMissing is for a span that is not here.
func (p *Placement) VerifySpan(span int) error {
	return userError(fmt.Sprintf("verify span %d of", span), p.dest.path, p.reverify(span))
}

func (p *Placement) reverify(span int) error {
	if err := checkRange(p.mf, span, 0, 0); err != nil {
		return err
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.phase == unprepared || !p.has(span) {
		return ErrMissing
	}
	wrong, err := wrongPieces(p.mf, span, p.holder)
	if err != nil || wrong == nil {
		return err
	}
	if p.stage != nil && p.stage.rec != nil {
		if err := p.stage.rec.forget(span); err != nil {
			return err
		}
	}
	p.doubt(span, p.standingFiles(wrong))
	return &BadPieceError{Pieces: wrong}
}

// standingFiles are the files of pieces that nobody writes again unless Check
// finds them wrong: they stand, or are being installed.
func (p *Placement) standingFiles(pieces []int) []int {
	var files []int
	for _, piece := range pieces {
		file := int(p.mf.Piece(piece).File)
		if !slices.Contains(files, file) && (p.frozen || p.holder(file) == p.live) {
			files = append(files, file)
		}
	}
	return files
}

// doubt takes a span out of Have, and notes files for Check.
func (p *Placement) doubt(span int, files []int) {
	p.haveMu.Lock()
	defer p.haveMu.Unlock()
	p.have.Clear(span)
	for _, i := range files {
		if p.suspects == nil {
			p.suspects = map[int]bool{}
		}
		p.suspects[i] = true
		clearSpans(p.have, p.mf, i)
	}
}

// suspected are the files that VerifySpan found wrong.
func (p *Placement) suspected() map[int]bool {
	p.haveMu.Lock()
	defer p.haveMu.Unlock()
	return maps.Clone(p.suspects)
}

// acquit ends the suspicion against files that were hashed since.
func (p *Placement) acquit(files map[int]bool) {
	p.haveMu.Lock()
	defer p.haveMu.Unlock()
	for i := range files {
		delete(p.suspects, i)
	}
}

// restore gives the spans of acquitted files back to Have, as far as all of
// their files stand.
func (p *Placement) restore(files map[int]bool) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.phase != standing && p.phase != repairing {
		return
	}
	p.haveMu.Lock()
	defer p.haveMu.Unlock()
	for i := range files {
		if first, last, ok := p.mf.SpansOfFile(i); ok {
			for s := first; s <= last; s++ {
				if p.sound(s) {
					p.have.Set(s)
				}
			}
		}
	}
}

// sound reports whether all files of a span stand and none is under suspicion.
// The caller holds mu and haveMu.
func (p *Placement) sound(span int) bool {
	s := p.mf.Span(span)
	for n := range int(s.Pieces) {
		file := int(p.mf.Piece(int(s.FirstPiece) + n).File)
		if p.suspects[file] || p.isBroken(file) {
			return false
		}
	}
	return true
}

// VerifySpan is Placement's: the files that are to blame are withdrawn, and
// Check takes them back only when they have changed again, and are right.
func (s *Source) VerifySpan(span int) error {
	return userError(fmt.Sprintf("verify span %d of", span), s.path, s.reverify(span))
}

func (s *Source) reverify(span int) error {
	wrong, seen, err := s.rehash(span)
	if err != nil || wrong == nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	// No stamp is right for these files any more, also after a restart.
	s.content.stamps = slices.Clone(s.content.stamps)
	for _, piece := range wrong {
		file := int(s.content.mf.Piece(piece).File)
		s.content.stamps[file] = stamp{}
		s.reject(file, seen[file])
	}
	return errors.Join(&BadPieceError{Pieces: wrong}, s.save())
}

// rehash returns the wrong pieces of a span, and how their files looked.
func (s *Source) rehash(span int) (wrong []int, seen map[int]stamp, err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := checkRange(s.content.mf, span, 0, 0); err != nil {
		return nil, nil, err
	}
	if !s.have.Has(span) {
		return nil, nil, ErrMissing
	}
	seen = map[int]stamp{}
	wrong, err = wrongPieces(s.content.mf, span, func(file int) *content {
		if info := s.content.look(file); info != nil {
			seen[file] = stampOf(info)
		}
		return s.content
	})
	return wrong, seen, err
}

// wrongPieces reads a span from the files that stand now, and returns the
// pieces that do not match the manifest. holder says where a file is.
func wrongPieces(mf *artifact.Manifest, span int, holder func(file int) *content) (wrong []int, err error) {
	length := int(mf.Span(span).Length)
	buf := make([]byte, length)
	err = eachPart(mf, span, 0, length, func(t part) error {
		c := holder(t.file)
		c.fds.drop(c.id, t.file) // what is open may be another file by now
		data := buf[t.lo:t.hi]
		err := c.unchecked().read(t.file, t.off, data)
		if err != nil && !unreadable(err) {
			return err
		}
		if err != nil || !mf.VerifyPiece(t.piece, data) {
			wrong = append(wrong, t.piece)
		}
		return nil
	})
	return wrong, err
}
