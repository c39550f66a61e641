package artifact

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"
)

func TestBitsetAgainstMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 200).Draw(t, "n")
		b, model := NewBitset(n), map[int]bool{}
		if rapid.Bool().Draw(t, "all") {
			b = All(n)
			for i := range n {
				model[i] = true
			}
		}
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			if n == 0 {
				break
			}
			i := rapid.IntRange(0, n-1).Draw(t, "i")
			if rapid.Bool().Draw(t, "set") {
				b.Set(i)
				model[i] = true
			} else {
				b.Clear(i)
				delete(model, i)
			}
		}
		checkBitset(t, b, model, n)
		parsed, err := ParseBitset(b.Bytes(), n)
		if err != nil {
			t.Fatal(err)
		}
		checkBitset(t, parsed, model, n)
		for i := range n {
			other := b.Clone()
			other.Clear(i)
			if b.Has(i) != model[i] {
				t.Fatal("a clone shares its bits")
			}
		}
	})
}

func checkBitset(t *rapid.T, b Bitset, model map[int]bool, n int) {
	if b.Len() != n || b.Count() != len(model) || b.Full() != (len(model) == n) {
		t.Fatalf("len %d, count %d, full %v: want %d of %d", b.Len(), b.Count(), b.Full(), len(model), n)
	}
	wire := b.Bytes()
	if len(wire) != (n+7)/8 {
		t.Fatalf("%d bytes for %d bits", len(wire), n)
	}
	for i := range n {
		if bit := wire[i/8]>>(7-i%8)&1 == 1; b.Has(i) != model[i] || bit != model[i] {
			t.Fatalf("bit %d is %v, on the wire %v", i, b.Has(i), bit)
		}
	}
	set, unset := -1, -1 // the next ones, found from the end
	for from := n + 1; from >= -2; from-- {
		switch {
		case from < 0 || from >= n:
		case model[from]:
			set = from
		default:
			unset = from
		}
		if b.NextSet(from) != set || b.NextClear(from) != unset {
			t.Fatalf("from %d: next set %d, clear %d; want %d, %d", from, b.NextSet(from), b.NextClear(from), set, unset)
		}
	}
}

func TestBitsetOutOfRange(t *testing.T) {
	b := All(70)
	for _, i := range []int{-1, 70, 100, 1000} {
		if b.Has(i) {
			t.Errorf("%d is in a set of 70", i)
		}
		for name, change := range map[string]func(int){"set": b.Set, "clear": b.Clear} {
			if !panics(func() { change(i) }) {
				t.Errorf("%s %d in a set of 70 does not panic", name, i)
			}
		}
	}
}

func panics(f func()) (yes bool) {
	defer func() { yes = recover() != nil }()
	f()
	return false
}

func FuzzParseBitset(f *testing.F) {
	f.Add([]byte{}, 0)
	f.Add([]byte{0xff, 0x80}, 9)
	f.Add([]byte{0xff, 0xc0}, 9)
	f.Add([]byte{1}, -1)
	f.Fuzz(func(t *testing.T, data []byte, n int) {
		b, err := ParseBitset(data, n)
		if err == nil && (b.Len() != n || !bytes.Equal(b.Bytes(), data)) {
			t.Fatalf("%x of %d bits is written as %x of %d", data, n, b.Bytes(), b.Len())
		}
	})
}
