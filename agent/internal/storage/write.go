package storage

import "fmt"

// WriteSpan verifies every piece of a span, writes it to the staging and
// records it. data has the span's length. Wrong pieces are a *BadPieceError,
// and then nothing is written. A span that is here already is not written
// again. An error of the filesystem is an *api.Error; the span may be written
// again later.
func (p *Placement) WriteSpan(span int, data []byte) error {
	if err := p.writeSpan(span, data); err != nil {
		return userError(fmt.Sprintf("write span %d of", span), p.dest.path, err)
	}
	return nil
}

func (p *Placement) writeSpan(span int, data []byte) error {
	if err := checkRange(p.mf, span, 0, len(data)); err != nil {
		return err
	}
	if len(data) != int(p.mf.Span(span).Length) {
		return errRange
	}
	if err := p.verifySpan(span, data); err != nil {
		return err
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.phase == unprepared {
		return ErrNotPrepared
	}
	if p.frozen || p.has(span) {
		return nil // an installation only begins when all spans are here
	}
	if p.phase == standing { // VerifySpan withdrew it: what is wrong is for Check to say
		return fmt.Errorf("the content has to be checked first: %w", ErrNotPrepared)
	}
	if err := p.stageSpan(span, data); err != nil {
		return err
	}
	return p.finish(span)
}

func (p *Placement) verifySpan(span int, data []byte) error {
	var bad []int
	err := eachPart(p.mf, span, 0, len(data), func(t part) error {
		if !p.mf.VerifyPiece(t.piece, data[t.lo:t.hi]) {
			bad = append(bad, t.piece)
		}
		return nil
	})
	if err == nil && bad != nil {
		err = &BadPieceError{Pieces: bad}
	}
	return err
}

// stageSpan writes the pieces of the files that are staged.
func (p *Placement) stageSpan(span int, data []byte) error {
	return eachPart(p.mf, span, 0, len(data), func(t part) error {
		if p.phase == repairing && !p.broken[t.file] {
			return nil
		}
		return p.stage.content.write(t.file, t.off, data[t.lo:t.hi])
	})
}

// finish counts a span whose data was written: first on disk, then in memory.
func (p *Placement) finish(span int) error {
	if p.stage.rec != nil {
		if err := p.stage.rec.finish(span); err != nil {
			return err
		}
	}
	p.setHave(span)
	return nil
}
