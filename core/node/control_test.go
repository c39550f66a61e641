package node_test

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/unit"
	"github.com/rackswarm/rackswarm/core/wire"
)

// goTree are quantiles of the file sizes of a Go toolchain: 15,036 files of
// 232 MB.
var goTree = []struct {
	share float64
	size  float64
}{{0, 1}, {.1, 246}, {.25, 414}, {.5, 1081}, {.75, 4487}, {.9, 14_408}, {.95, 29_153}, {.99, 118_419}, {.995, 322_338}, {.998, 662_040}, {.9995, 3_110_743}, {.9998, 6_684_577}, {1, 25_779_081}}

// treeSpans cuts a tree of that shape into spans as a manifest does.
func treeSpans(t testing.TB, files int) []int32 {
	t.Helper()
	sizes, total := make([]int64, files), int64(0)
	for i := range sizes {
		q := (float64(i) + 0.5) / float64(files)
		k := 1
		for goTree[k].share < q {
			k++
		}
		a, b := goTree[k-1], goTree[k]
		sizes[i] = int64(a.size * math.Pow(b.size/a.size, (q-a.share)/(b.share-a.share)))
		total += sizes[i]
	}
	piece := artifact.ChoosePieceLength(total, files)
	b := artifact.NewBuilder("tree", artifact.KindTree, piece)
	b.AddDir("", 0o755)
	rand := unit.NewRand(1)
	for i := range sizes {
		j := rand.IntN(i + 1)
		sizes[i], sizes[j] = sizes[j], sizes[i]
	}
	for i, n := range sizes {
		layer := make([][32]byte, (n+piece-1)/piece)
		for k := range layer {
			binary.BigEndian.PutUint32(layer[k][:], uint32(i))
			binary.BigEndian.PutUint32(layer[k][4:], uint32(k+1))
		}
		b.AddFile(fmt.Sprintf("f%05d", i), 0o644, n, layer)
	}
	m, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	return m.SpanLengths()
}

// fileSpans are the spans of one file.
func fileSpans(size int64) []int32 {
	piece := artifact.ChoosePieceLength(size, 1)
	var lengths []int32
	for ; size > 0; size -= piece {
		lengths = append(lengths, int32(min(piece, size)))
	}
	return lengths
}

// tally adds up the bytes of control messages by kind.
type tally map[string]int64

func (c tally) add(m wire.Message) {
	c[strings.TrimPrefix(fmt.Sprintf("%T", m), "wire.")] += int64(len(wire.Append(nil, m, 1)))
}

// What nodes tell one another about spans stays below half a percent of what
// they send for it, also when forty of them are all connected to each other.
func TestControlOverhead(t *testing.T) {
	nodes := 40
	if raced {
		nodes = 8
		t.Log("the race detector is on: eight nodes instead of forty")
	}
	for _, shape := range []struct {
		name    string
		lengths []int32
		racks   []int
	}{
		{"go_tree", treeSpans(t, 15_036), []int{1, 8}},
		{"2GiB_file", fileSpans(2 << 30), []int{1}},
	} {
		for _, racks := range shape.racks {
			t.Run(fmt.Sprintf("%s_%d_racks", shape.name, racks), func(t *testing.T) {
				t.Parallel()
				f := newFleet(7, shape.lengths)
				f.control = tally{}
				for i := range nodes {
					f.add(&host{
						id: unit.NodeID(fmt.Sprintf("n%02d", i)), location: unit.Location(fmt.Sprintf("ams/r%d", i%racks)),
						up: unit.Rate(125e6), initial: i == 0,
					})
				}
				f.sweep()
				for _, id := range f.order {
					f.start(f.hosts[id])
				}
				for !f.complete() {
					if f.now > unit.Time(5*time.Minute) {
						t.Fatalf("not complete:\n%s", f.describe())
					}
					f.run(f.now.Add(time.Second))
				}
				report(t, f)
			})
		}
	}
}

// report prints what control messages cost and holds those about spans to their
// bound.
func report(t *testing.T, f *fleet) {
	receivers := len(f.order) - 1
	payload, total := float64(f.size())*float64(receivers), int64(0)
	for _, n := range f.control {
		total += n
	}
	t.Logf("%d spans, %.0f MB to %d nodes; all control messages: %.3f%%", len(f.lengths), float64(f.size())/1e6, receivers, 100*float64(total)/payload)
	for _, kind := range slices.SortedFunc(maps.Keys(f.control), func(a, b string) int { return cmp.Compare(f.control[b], f.control[a]) }) {
		t.Logf("%16s %10d bytes  %.3f%%", kind, f.control[kind], 100*float64(f.control[kind])/payload)
	}
	about := f.control["Start"] + f.control["Stop"] + f.control["SpanHave"] + f.control["SpanDontHave"]
	if share := float64(about) / payload; share > 0.005 {
		t.Errorf("START, STOP and HAVE are %.3f%% of the payload, more than 0.5%%", 100*share)
	}
}
