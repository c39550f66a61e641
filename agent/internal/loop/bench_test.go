package loop

import (
	"crypto/sha256"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/artifact"
)

// BenchmarkTwoNodes moves 64 MiB of memory from one node to another over loopback
// with TLS: transport, machine and verification, without a disk. For comparison it
// reports how long hashing alone takes.
func BenchmarkTwoNodes(b *testing.B) {
	n := newNodes(b, 256)
	n.start("seed", rack).join(n.full(), true)
	p, c := n.start("p", rack), n.empty()
	p.join(c, false)
	arrived := func(times int32) {
		for p.completed.Load() < times {
			time.Sleep(100 * time.Microsecond)
		}
	}
	arrived(1)
	all := make([]int, n.manifest.NumSpans())
	for i := range all {
		all[i] = i
	}
	b.SetBytes(int64(len(n.data)))
	b.ResetTimer()
	for i := range b.N {
		b.StopTimer()
		none := c.lose(all...)
		b.StartTimer()
		p.SpansLost(n.manifest.Digest(), none)
		arrived(int32(i) + 2)
	}
	b.StopTimer()
	begin := time.Now()
	for at := 0; at < len(n.data); at += artifact.LeafSize {
		sha256.Sum256(n.data[at:min(at+artifact.LeafSize, len(n.data))])
	}
	b.ReportMetric(float64(time.Since(begin).Nanoseconds()), "ns-hash/op")
}
