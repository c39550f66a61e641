package loop

import (
	"slices"
	"sync"

	"github.com/rackswarm/rackswarm/core/swarm"
	"github.com/rackswarm/rackswarm/core/unit"
)

// assembler holds the buffers of the spans that are being received. Readers of
// connections put payload straight into them; the mutex guards the bookkeeping,
// not the bytes: a grain (swarm.Grain) has one reader at a time, who claimed it.
type assembler struct {
	mu      sync.Mutex
	open    map[int32]*assembly
	taken   map[int32]*assembly // that are being stored
	buffers sync.Pool           // of *[]byte with room for the largest span
}

// assembly is one span in the making.
type assembly struct {
	buf     []byte
	store   *[]byte // what buf came from
	claimed []bool  // grains that are received or being read
	asked   []request
	readers int
	dropped bool  // nobody wants it: free when the last reader is done
	wrong   []int // pieces that were found wrong when it was whole
}

// request is a block that was asked of a peer. One that was cancelled may be
// under way already, and still counts.
type request struct {
	peer  unit.NodeID
	block swarm.Block
}

func newAssembler(largest int32) *assembler {
	a := &assembler{open: map[int32]*assembly{}, taken: map[int32]*assembly{}}
	a.buffers.New = func() any {
		b := make([]byte, largest)
		return &b
	}
	return a
}

// begin makes a buffer for a span and reports whether there was none.
func (a *assembler) begin(span, length int32) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.open[span] != nil {
		return false
	}
	store := a.buffers.Get().(*[]byte)
	a.open[span] = &assembly{
		buf: (*store)[:length], store: store,
		claimed: make([]bool, (length+swarm.Grain-1)/swarm.Grain),
	}
	return true
}

// ask notes that a peer is asked for a block of a span that was begun.
func (a *assembler) ask(peer unit.NodeID, b swarm.Block) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if s := a.open[b.Span]; s != nil && !slices.Contains(s.asked, request{peer, b}) {
		s.asked = append(s.asked, request{peer, b})
	}
}

// claim gives a peer's reader the place of a block; nil if the span is not being
// received, the block was not asked of this peer, or somebody has a part of it. A
// peer that could fill in blocks of others would spoil every span without being
// found out.
func (a *assembler) claim(peer unit.NodeID, b swarm.Block) (*assembly, []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.open[b.Span]
	if s == nil || !s.contains(b) || !slices.Contains(s.asked, request{peer, b}) {
		return nil, nil
	}
	grains := s.grains(b)
	if slices.Contains(grains, true) {
		return nil, nil
	}
	setAll(grains, true)
	s.readers++
	end := b.Begin + b.Length
	return s, s.buf[b.Begin:end:end]
}

// contains reports whether a block is whole grains of the span, the last of which
// may be cut short by the span's end.
func (s *assembly) contains(b swarm.Block) bool {
	end := int64(b.Begin) + int64(b.Length)
	return b.Begin >= 0 && b.Length > 0 && b.Begin%swarm.Grain == 0 &&
		(end == int64(len(s.buf)) || end < int64(len(s.buf)) && end%swarm.Grain == 0)
}

// grains are the marks of a block that the span contains.
func (s *assembly) grains(b swarm.Block) []bool {
	return s.claimed[b.Begin/swarm.Grain : (b.Begin+b.Length+swarm.Grain-1)/swarm.Grain]
}

func setAll(marks []bool, to bool) {
	for i := range marks {
		marks[i] = to
	}
}

// done ends a claim. kept is false if the reader did not get all of it. The
// result is whether the block counts.
func (a *assembler) done(s *assembly, b swarm.Block, kept bool) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	s.readers--
	if !kept {
		setAll(s.grains(b), false)
	}
	if s.dropped {
		a.free(s)
		return false
	}
	return kept
}

// current reports whether s is what the span is being received into.
func (a *assembler) current(span int32, s *assembly) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return s != nil && a.open[span] == s
}

// take removes a complete span to be stored; nil if it was dropped. The caller
// releases or restores it.
func (a *assembler) take(span int32) *assembly {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.open[span]
	delete(a.open, span)
	if s != nil {
		a.taken[span] = s
	}
	return s
}

// release gives the buffer of a span that was taken back.
func (a *assembler) release(span int32, s *assembly) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.putDown(span, s)
	s.dropped = true
	a.free(s)
}

// putDown ends a take. mu is held.
func (a *assembler) putDown(span int32, s *assembly) {
	if a.taken[span] == s {
		delete(a.taken, span)
	}
}

// restore puts a span that was taken back, because pieces of it are wrong: the rest
// may be kept. What was asked for it before does not count any more. It is false if
// the span was dropped meanwhile.
func (a *assembler) restore(span int32, s *assembly, wrong []int) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.putDown(span, s)
	if s.dropped || a.open[span] != nil {
		s.dropped = true
		a.free(s)
		return false
	}
	s.wrong, s.asked = wrong, nil
	a.open[span] = s
	return true
}

// wrongPieces are the pieces for which a span was restored.
func (a *assembler) wrongPieces(span int32) []int {
	a.mu.Lock()
	defer a.mu.Unlock()
	if s := a.open[span]; s != nil {
		return s.wrong
	}
	return nil
}

// hold keeps the bytes of a span from being freed until unhold; nil if there are
// none.
func (a *assembler) hold(span int32) *assembly {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.open[span]
	if s != nil {
		s.readers++
	}
	return s
}

func (a *assembler) unhold(s *assembly) {
	a.mu.Lock()
	defer a.mu.Unlock()
	s.readers--
	if s.dropped {
		a.free(s)
	}
}

// reopen makes room for a block of whole grains again, in a span that was restored.
func (a *assembler) reopen(b swarm.Block) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if s := a.open[b.Span]; s != nil && s.contains(b) {
		setAll(s.grains(b), false)
	}
}

// drop throws away what arrived of a span, also if it is being stored.
func (a *assembler) drop(span int32) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if s := a.open[span]; s != nil {
		delete(a.open, span)
		s.dropped = true
		a.free(s)
	} else if s := a.taken[span]; s != nil {
		s.dropped = true
	}
}

// free returns the buffer of a dropped span when nobody reads into it. mu is
// held.
func (a *assembler) free(s *assembly) {
	if s.readers == 0 && s.store != nil {
		a.buffers.Put(s.store)
		s.store, s.buf = nil, nil
	}
}
