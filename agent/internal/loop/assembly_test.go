package loop

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/rackswarm/rackswarm/core/swarm"
)

// assembling is a model of connections that receive blocks, of a machine that
// drops and stores spans, and of what each buffer has to hold.
type assembling struct {
	a       *assembler
	lengths []int32
	reads   []*reading
	open    map[int32]*span
	taken   []*span
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
	number  int32
	s       *assembly
	content map[int32]byte // begin of a block that counted → what it is full of
	readers int
	gone    bool // dropped or released
}

func newAssembling() *assembling {
	lengths := []int32{swarm.BlockSize*2 + 1, swarm.BlockSize, 5, swarm.BlockSize * 2}
	return &assembling{
		a: newAssembler(lengths[0]), lengths: lengths, open: map[int32]*span{}, live: map[*byte]string{},
	}
}

func (m *assembling) drawSpan(t *rapid.T) int32 {
	return rapid.Int32Range(0, int32(len(m.lengths)-1)).Draw(t, "span")
}

// Begin asks for a span's buffer, again if it has one.
func (m *assembling) Begin(t *rapid.T) {
	x := m.drawSpan(t)
	m.a.begin(x, m.lengths[x])
	for at := int32(0); at < m.lengths[x]; at += swarm.BlockSize {
		m.a.ask("p", swarm.Block{Span: x, Begin: at})
	}
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
	m.open[x] = &span{number: x, s: s, content: map[int32]byte{}}
}

// Claim is a block's head arriving, sometimes one that nobody asked for.
func (m *assembling) Claim(t *rapid.T) {
	b := m.drawBlock(t)
	if s, buf := m.a.claim("stranger", b); s != nil || buf != nil {
		t.Fatalf("%v went to a peer that was not asked for it", b)
	}
	s, buf := m.a.claim("p", b)
	want := m.claimable(b)
	if (buf != nil) != want || (s != nil) != want {
		t.Fatalf("claim of %+v: granted %v, want %v", b, buf != nil, want)
	}
	if !want {
		return
	}
	if len(buf) != int(b.Length) {
		t.Fatalf("claim of %+v: %d bytes", b, len(buf))
	}
	m.open[b.Span].readers++
	m.reads = append(m.reads, &reading{m.open[b.Span], s, b, buf})
}

func (m *assembling) drawBlock(t *rapid.T) swarm.Block {
	if rapid.IntRange(0, 4).Draw(t, "sense") > 0 {
		x := m.drawSpan(t)
		begin := rapid.Int32Range(0, (m.lengths[x]-1)/swarm.BlockSize).Draw(t, "block") * swarm.BlockSize
		return swarm.Block{Span: x, Begin: begin, Length: min(swarm.BlockSize, m.lengths[x]-begin)}
	}
	return swarm.Block{
		Span:   rapid.Int32Range(-1, int32(len(m.lengths))).Draw(t, "span"),
		Begin:  rapid.SampledFrom([]int32{0, swarm.BlockSize, 2 * swarm.BlockSize, 1, -swarm.BlockSize, 1 << 30}).Draw(t, "begin"),
		Length: rapid.SampledFrom([]int32{swarm.BlockSize, 1, 5, 0, -1, 1 << 30}).Draw(t, "length"),
	}
}

func (m *assembling) claimable(b swarm.Block) bool {
	s := m.open[b.Span]
	if s == nil || b.Begin < 0 || b.Begin%swarm.BlockSize != 0 || b.Begin >= m.lengths[b.Span] ||
		b.Length != min(swarm.BlockSize, m.lengths[b.Span]-b.Begin) {
		return false
	}
	if _, counted := s.content[b.Begin]; counted {
		return false
	}
	for _, r := range m.reads {
		if r.of == s && r.block == b {
			return false
		}
	}
	return true
}

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
		r.of.content[r.block.Begin] = m.tag
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
		delete(m.open, x)
	}
}

// Release is a stored span's buffer coming back.
func (m *assembling) Release(t *rapid.T) {
	if len(m.taken) == 0 {
		t.Skip("nothing is being stored")
	}
	s := m.taken[0]
	m.taken = m.taken[1:]
	m.check(t, s)
	s.gone = true
	m.forget(s)
	m.a.release(s.s)
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
	for begin, tag := range s.content {
		block := s.s.buf[begin:min(int(begin)+swarm.BlockSize, len(s.s.buf))]
		if block[0] != tag || block[len(block)-1] != tag {
			t.Fatalf("span %d: somebody else wrote into block %d", s.number, begin)
		}
	}
}

// A buffer has one owner at a time, and what counted stays what it was.
func TestAssembler(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newAssembling()
		t.Repeat(map[string]func(*rapid.T){
			"": m.Check, "begin": m.Begin, "claim": m.Claim, "finish": m.Finish,
			"drop": m.Drop, "take": m.Take, "release": m.Release,
		})
	})
}
