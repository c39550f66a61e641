package loop

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/rackswarm/rackswarm/core/swarm"
	"github.com/rackswarm/rackswarm/core/unit"
)

// assembling is a model of connections that receive blocks, of a machine that
// drops and stores spans, and of what each buffer has to hold.
type assembling struct {
	a       *assembler
	lengths []int32
	reads   []*reading
	open    map[int32]*span
	taken   []*span
	last    map[int32]*span  // of taken
	live    map[*byte]string // who has the buffer that begins there
	tag     byte
}

// reading is a claim that a connection holds.
type reading struct {
	of    *span
	s     *assembly
	block swarm.Block
	buf   []byte
}

// span is an assembly and what must be in it.
type span struct {
	x       int32
	s       *assembly
	asked   []request
	content map[swarm.Block]byte // a block that counted → what it is full of
	readers int
	gone    bool // dropped or released
}

func newAssembling() *assembling {
	lengths := []int32{swarm.Grain*4 + 1, swarm.Grain, 5, swarm.Grain * 3}
	return &assembling{
		a: newAssembler(lengths[0]), lengths: lengths, open: map[int32]*span{}, last: map[int32]*span{}, live: map[*byte]string{},
	}
}

func (m *assembling) drawSpan(t *rapid.T) int32 {
	return rapid.Int32Range(0, int32(len(m.lengths)-1)).Draw(t, "span")
}

// Begin asks for a span's buffer, again if it has one.
func (m *assembling) Begin(t *rapid.T) {
	x := m.drawSpan(t)
	m.a.begin(x, m.lengths[x])
	s := m.a.open[x]
	if m.open[x] != nil {
		if m.open[x].s != s {
			t.Fatalf("span %d: begun again, what was received is lost", x)
		}
		return
	}
	if len(s.buf) != int(m.lengths[x]) {
		t.Fatalf("span %d: %d bytes, want %d", x, len(s.buf), m.lengths[x])
	}
	if owner, shared := m.live[&s.buf[0]]; shared {
		t.Fatalf("span %d has the buffer of %s", x, owner)
	}
	m.live[&s.buf[0]] = fmt.Sprint("span ", x)
	m.open[x] = &span{x: x, s: s, content: map[swarm.Block]byte{}}
}

// Ask notes a request, of blocks that overlap others, too.
func (m *assembling) Ask(t *rapid.T) {
	r := request{drawPeer(t), m.drawBlock(t)}
	m.a.ask(r.peer, r.block)
	if s := m.open[r.block.Span]; s != nil {
		s.asked = append(s.asked, r)
	}
}

// Claim is a block's head arriving, sometimes one that nobody asked for.
func (m *assembling) Claim(t *rapid.T) {
	r := request{drawPeer(t), m.drawBlock(t)}
	if s := m.open[r.block.Span]; s != nil && len(s.asked) > 0 && rapid.Bool().Draw(t, "asked") {
		r = rapid.SampledFrom(s.asked).Draw(t, "request")
	}
	s, buf := m.a.claim(r.peer, r.block)
	want := m.claimable(r)
	if (buf != nil) != want || (s != nil) != want {
		t.Fatalf("claim of %+v: granted %v, want %v", r, buf != nil, want)
	}
	if !want {
		return
	}
	if len(buf) != int(r.block.Length) || cap(buf) != len(buf) {
		t.Fatalf("claim of %+v: %d bytes, room for %d", r, len(buf), cap(buf))
	}
	m.open[r.block.Span].readers++
	m.reads = append(m.reads, &reading{m.open[r.block.Span], s, r.block, buf})
}

func drawPeer(t *rapid.T) unit.NodeID {
	return rapid.SampledFrom([]unit.NodeID{"p", "q"}).Draw(t, "peer")
}

func (m *assembling) drawBlock(t *rapid.T) swarm.Block {
	if rapid.IntRange(0, 4).Draw(t, "sense") > 0 {
		x := m.drawSpan(t)
		grains := (m.lengths[x] + swarm.Grain - 1) / swarm.Grain
		first := rapid.Int32Range(0, grains-1).Draw(t, "first grain")
		last := rapid.Int32Range(first, grains-1).Draw(t, "last grain")
		return swarm.Block{Span: x, Begin: first * swarm.Grain, Length: min((last+1)*swarm.Grain, m.lengths[x]) - first*swarm.Grain}
	}
	return swarm.Block{
		Span:   rapid.Int32Range(-1, int32(len(m.lengths))).Draw(t, "span"),
		Begin:  rapid.SampledFrom([]int32{0, swarm.Grain, 2 * swarm.Grain, 1, -swarm.Grain, 1 << 30, 1<<31 - swarm.Grain}).Draw(t, "begin"),
		Length: rapid.SampledFrom([]int32{swarm.Grain, swarm.Grain + 1, 1, 5, 0, -1, -swarm.Grain, 1 << 30}).Draw(t, "length"),
	}
}

// claimable says that a request was made, names whole grains, and that nobody has
// or reads any of them.
func (m *assembling) claimable(r request) bool {
	s, b := m.open[r.block.Span], r.block
	if s == nil || !slices.Contains(s.asked, r) {
		return false
	}
	length, end := int64(m.lengths[b.Span]), int64(b.Begin)+int64(b.Length)
	if b.Begin < 0 || b.Length <= 0 || b.Begin%swarm.Grain != 0 || end > length || end < length && end%swarm.Grain != 0 {
		return false
	}
	for counted := range s.content {
		if overlap(counted, b) {
			return false
		}
	}
	return !slices.ContainsFunc(m.reads, func(r *reading) bool { return r.of == s && overlap(r.block, b) })
}

func overlap(a, b swarm.Block) bool { return a.Begin < b.Begin+b.Length && b.Begin < a.Begin+a.Length }

// Finish is a connection's last byte of a block, or its end within one.
func (m *assembling) Finish(t *rapid.T) {
	if len(m.reads) == 0 {
		t.Skip("nobody reads")
	}
	i := rapid.IntRange(0, len(m.reads)-1).Draw(t, "reader")
	kept := rapid.Bool().Draw(t, "kept")
	r := m.reads[i]
	m.reads = append(m.reads[:i], m.reads[i+1:]...)
	m.tag++
	for j := range r.buf {
		r.buf[j] = m.tag
	}
	r.of.readers--
	counts := kept && !r.of.gone
	m.forget(r.of) // before the buffer can come back
	if got := m.a.done(r.s, r.block, kept); got != counts {
		t.Fatalf("block %+v counts: %v, want %v", r.block, got, counts)
	}
	if counts {
		r.of.content[r.block] = m.tag
	}
}

// forget notes that a buffer that nobody uses may be used again.
func (m *assembling) forget(s *span) {
	if s.gone && s.readers == 0 && len(s.s.buf) > 0 {
		delete(m.live, &s.s.buf[0])
	}
}

// Drop gives a span up, with readers or without.
func (m *assembling) Drop(t *rapid.T) {
	x := m.drawSpan(t)
	if s := m.open[x]; s != nil {
		s.gone = true
		m.forget(s)
		delete(m.open, x)
	} else if s := m.last[x]; s != nil {
		s.gone = true
	}
	m.a.drop(x)
	if m.a.open[x] != nil {
		t.Fatalf("span %d is still there", x)
	}
}

// Take is a span going to be stored: only one without readers.
func (m *assembling) Take(t *rapid.T) {
	x := m.drawSpan(t)
	if s := m.open[x]; s != nil && s.readers > 0 {
		t.Skip("a complete span has no readers")
	}
	s := m.a.take(x)
	if (s != nil) != (m.open[x] != nil) {
		t.Fatalf("span %d taken: %v", x, s != nil)
	}
	if s != nil {
		m.taken = append(m.taken, m.open[x])
		m.last[x] = m.open[x]
		delete(m.open, x)
	}
}

// Release is a stored span's buffer coming back.
func (m *assembling) Release(t *rapid.T) {
	if len(m.taken) == 0 {
		t.Skip("nothing is being stored")
	}
	s := m.putDown(t)
	s.gone = true
	m.forget(s)
	m.a.release(s.x, s.s)
}

// putDown is the end of storing a span.
func (m *assembling) putDown(t *rapid.T) *span {
	s := m.taken[0]
	m.taken = m.taken[1:]
	if m.last[s.x] == s {
		delete(m.last, s.x)
	}
	m.check(t, s)
	return s
}

// Restore is a span that could not be stored, because its bytes are wrong.
func (m *assembling) Restore(t *rapid.T) {
	if len(m.taken) == 0 {
		t.Skip("nothing is being stored")
	}
	s := m.putDown(t)
	want := !s.gone && m.open[s.x] == nil
	if want {
		m.open[s.x], s.asked = s, nil
	} else {
		s.gone = true
		m.forget(s)
	}
	if got := m.a.restore(s.x, s.s, []int{7}); got != want {
		t.Fatalf("span %d restored: %v, want %v", s.x, got, want)
	}
	if got := m.a.wrongPieces(s.x); want && !slices.Equal(got, []int{7}) {
		t.Fatalf("wrong pieces of span %d: %v", s.x, got)
	}
}

// Hold is a look at what came of a span, which may be dropped meanwhile.
func (m *assembling) Hold(t *rapid.T) {
	x := m.drawSpan(t)
	held, s := m.a.hold(x), m.open[x]
	if (held != nil) != (s != nil) {
		t.Fatalf("span %d held: %v", x, held != nil)
	}
	if s == nil {
		return
	}
	dropped := rapid.Bool().Draw(t, "dropped")
	if dropped {
		m.a.drop(x)
		s.gone = true
		delete(m.open, x)
	}
	m.check(t, s)
	m.forget(s)
	m.a.unhold(held)
}

// Reopen makes room again for a block that was wrong.
func (m *assembling) Reopen(t *rapid.T) {
	x := m.drawSpan(t)
	s := m.open[x]
	if s == nil || s.readers > 0 || len(s.content) == 0 {
		t.Skip("nothing is whole")
	}
	blocks := slices.SortedFunc(maps.Keys(s.content), func(a, b swarm.Block) int { return cmp.Compare(a.Begin, b.Begin) })
	b := rapid.SampledFrom(blocks).Draw(t, "block")
	delete(s.content, b)
	m.a.reopen(b)
}

// Check looks at every buffer that somebody will use.
func (m *assembling) Check(t *rapid.T) {
	for x, s := range m.open {
		if !m.a.current(x, s.s) {
			t.Fatalf("span %d is not being received", x)
		}
		m.check(t, s)
	}
	for _, s := range m.taken {
		m.check(t, s)
	}
}

func (m *assembling) check(t *rapid.T, s *span) {
	for b, tag := range s.content {
		block := s.s.buf[b.Begin : b.Begin+b.Length]
		if block[0] != tag || block[len(block)-1] != tag {
			t.Fatalf("somebody else wrote into %+v", b)
		}
	}
}

// A buffer has one owner at a time, and what counted stays what it was.
func TestAssembler(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newAssembling()
		t.Repeat(map[string]func(*rapid.T){
			"": m.Check, "begin": m.Begin, "ask": m.Ask, "claim": m.Claim, "finish": m.Finish,
			"drop": m.Drop, "take": m.Take, "release": m.Release,
			"restore": m.Restore, "hold": m.Hold, "reopen": m.Reopen,
		})
	})
}

// What is made room for again can be received again, of whoever is asked from then
// on; what was asked before does not count, and the rest stays.
func TestReopen(t *testing.T) {
	a := newAssembler(3 * swarm.Grain)
	a.begin(0, 3*swarm.Grain)
	receive := func(peer unit.NodeID, b swarm.Block) bool {
		s, buf := a.claim(peer, b)
		return buf != nil && a.done(s, b, true)
	}
	whole, part := swarm.Block{Length: 3 * swarm.Grain}, swarm.Block{Begin: swarm.Grain, Length: swarm.Grain}
	a.ask("p", whole)
	a.ask("p", part)
	if !receive("p", whole) {
		t.Fatal("what was asked for is not taken")
	}
	a.restore(0, a.take(0), nil)
	a.reopen(part)
	if receive("p", part) {
		t.Error("what was asked for before is taken")
	}
	a.ask("q", whole)
	if receive("q", whole) {
		t.Error("what is there is overwritten")
	}
	a.ask("q", part)
	if !receive("q", part) {
		t.Error("what is asked for again is not taken")
	}
}
