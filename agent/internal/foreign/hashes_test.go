package foreign

import (
	"crypto/sha256"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/wire"
)

// fold computes the root from hashes of a range and its uncles, as a client does.
func fold(r wire.HashRange, hashes []hash) hash {
	layer, uncles := append([]hash(nil), hashes[:r.Length]...), hashes[r.Length:]
	index := r.Index
	for len(layer) > 1 {
		layer, index = stack(layer, 1)[1], index/2
	}
	top := layer[0]
	for _, u := range uncles {
		if index%2 == 0 {
			top = join(top, u)
		} else {
			top = join(u, top)
		}
		index /= 2
	}
	return top
}

// Every range of every layer that may be asked for leads to the file's root by its
// uncles, and leaves are those of the content.
func TestHashesProveTheRoot(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.OneOf(rapid.IntRange(16<<10+1, 700_000), rapid.SampledFrom([]int{2 * 16 << 10, 64 << 10, 3 * 64 << 10, 64<<10 + 1})).Draw(t, "length")
		c := newContent(16<<10<<rapid.IntRange(0, 3).Draw(t, "piece length"), 77, n, 5)
		tr := trees{manifest: c.Manifest, read: c.read}
		f := c.Files()[1]
		s := tr.shapeOf(1)
		base := rapid.IntRange(0, s.height-1).Draw(t, "base")
		length := 2 << rapid.IntRange(0, s.height-base-1).Draw(t, "length")
		index := length * rapid.IntRange(0, (1<<(s.height-base))/length-1).Draw(t, "index")
		r := wire.HashRange{Root: f.Root, Base: uint32(base), Index: uint32(index), Length: uint32(length), ProofLayers: uint32(s.height - base - 1)}
		hashes, ok := tr.answer(r)
		if !ok || fold(r, hashes) != f.Root {
			t.Fatalf("%+v: %v, %d hashes that do not give the root", r, ok, len(hashes))
		}
		if leaf := index * artifact.LeafSize; base == 0 && leaf < n {
			data := c.bytes[int(f.Offset)+leaf : int(f.Offset)+min(n, leaf+artifact.LeafSize)]
			if hashes[0] != sha256.Sum256(data) {
				t.Fatalf("leaf %d is not that of the content", index)
			}
		}
		r.ProofLayers = 0
		if bare, ok := tr.answer(r); !ok || len(bare) != length {
			t.Fatalf("without proof: %v, %d hashes of %d", ok, len(bare), length)
		}
	})
}

func TestHashRequestsThatAreRejected(t *testing.T) {
	c := newContent(32<<10, 300_000, 9)
	root, small := c.Files()[0].Root, c.Files()[1].Root
	for name, r := range map[string]wire.HashRange{
		"another file":         {Root: hash{7}, Length: 2},
		"a file of one leaf":   {Root: small, Length: 2},
		"no hashes":            {Root: root},
		"one hash":             {Root: root, Length: 1},
		"three hashes":         {Root: root, Length: 3},
		"not aligned":          {Root: root, Index: 2, Length: 4},
		"beyond the layer":     {Root: root, Index: 32, Length: 2},
		"above the root":       {Root: root, Base: 5, Length: 2},
		"far above the root":   {Root: root, Base: 1 << 31, Length: 2},
		"proof to the root":    {Root: root, Length: 2, ProofLayers: 5},
		"too many":             {Root: root, Length: 1 << 14},
		"index that overflows": {Root: root, Index: 1<<32 - 2, Length: 2},
	} {
		tr := trees{manifest: c.Manifest, read: c.read}
		if hashes, ok := tr.answer(r); ok {
			t.Errorf("%s: answered with %d hashes", name, len(hashes))
		}
	}
	tr := trees{manifest: c.Manifest, read: func(int, int, []byte) error { return errors.New("not here") }}
	if _, ok := tr.answer(wire.HashRange{Root: root, Length: 2}); ok {
		t.Error("leaves of what is not here")
	}
	if _, ok := tr.answer(wire.HashRange{Root: root, Base: 1, Length: 2}); !ok {
		t.Error("piece hashes need no content")
	}
}

// A request of leaves reads a bounded part of the content.
func TestLeavesOfTooMuchAreRejected(t *testing.T) {
	c := newContent(32<<10, maxHashed+1)
	tr := trees{manifest: c.Manifest, read: c.read}
	root := c.Files()[0].Root
	if _, ok := tr.answer(wire.HashRange{Root: root, Length: maxHashed / artifact.LeafSize}); !ok {
		t.Error("the most that is allowed is rejected")
	}
	if _, ok := tr.answer(wire.HashRange{Root: root, Length: 2 * maxHashed / artifact.LeafSize}); ok {
		t.Error("more is answered")
	}
}

// However many requests come, over however many connections, no more is hashed
// than what all clients together may have hashed; time gives it back.
func TestHashingIsBounded(t *testing.T) {
	const length = 4 << 20
	c := newContent(1<<20, length, 7)
	r := wire.HashRange{Root: c.Files()[0].Root, Length: length / artifact.LeafSize}
	synctest.Test(t, func(t *testing.T) {
		var hashed int64
		read := func(span, begin int, buf []byte) error {
			hashed += int64(len(buf))
			return c.read(span, begin, buf)
		}
		e := NewEffort()
		ask := func() {
			for range 50 {
				(&trees{manifest: c.Manifest, read: read, effort: e}).answer(r)
			}
		}
		ask()
		if hashed == 0 || hashed > 2*length {
			t.Errorf("%d bytes hashed at once", hashed)
		}
		hashed = 0
		time.Sleep(time.Second)
		ask()
		if hashed == 0 || hashed > 2*length {
			t.Errorf("%d bytes hashed a second later", hashed)
		}
	})
}

// Layers of the piece hashes are cheaper than content, and files are found by an
// index; neither is free.
func TestTreesCountToo(t *testing.T) {
	lengths := make([]int, 2000)
	for i := range lengths {
		lengths[i] = 1
	}
	c := newContent(16<<10, append(lengths, 40_000, 50_000)...)
	synctest.Test(t, func(t *testing.T) {
		e := NewEffort()
		e.take(int64(hashRate) / 20) // all that is there
		tr := trees{manifest: c.Manifest, read: c.read, effort: e}
		r := wire.HashRange{Root: c.Files()[2001].Root, Length: 4}
		if _, ok := tr.answer(r); ok || tr.roots != nil {
			t.Error("an index is made for nothing")
		}
		time.Sleep(time.Second)
		if _, ok := tr.answer(r); !ok {
			t.Error("nothing is answered any more")
		}
		left := *e.bucket
		if _, ok := tr.answer(r); !ok || *e.bucket != left {
			t.Error("what is known costs again")
		}
	})
}
