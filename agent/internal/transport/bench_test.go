package transport

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/rackswarm/rackswarm/core/wire"
)

// BenchmarkOneToOne requests blocks of 256 KiB over loopback, eight ahead (a
// window of 2 MiB).
func BenchmarkOneToOne(b *testing.B) {
	for name, secure := range map[string]bool{"plain": false, "tls": true} {
		b.Run(name, func(b *testing.B) { benchmarkBlocks(b, secure, 256<<10, 8) })
	}
}

func benchmarkBlocks(b *testing.B, secure bool, size uint32, window int) {
	fetcher, holder := loopback(b, secure)
	buf := make([]byte, size)
	done := make(chan struct{}, window)
	served := newJournal()
	served.message = func(c *Conn, m wire.Message) {
		r := m.(wire.SpanRequest)
		c.SendSpan(r.Span, r.Begin, r.Length, func([]byte) error { return nil })
	}
	ended := []<-chan error{run(holder, served), run(fetcher, blockSink{buf, done})}
	b.SetBytes(int64(size))
	b.ResetTimer()
	before := cpuSeconds(b)
	for i := range b.N {
		if i >= window {
			<-done
		}
		fetcher.Send(wire.SpanRequest{Span: uint32(i), Length: size})
	}
	for range min(window, b.N) {
		<-done
	}
	b.StopTimer()
	gib := float64(b.N) * float64(size) / (1 << 30)
	b.ReportMetric((cpuSeconds(b)-before)/gib, "cpu-s/GiB")
	fetcher.Close(nil)
	for _, e := range ended {
		reason(b, e)
	}
}

// cpuSeconds is what this process, both ends of the connection, has used.
func cpuSeconds(b *testing.B) float64 {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// blockSink takes every block into one buffer.
type blockSink struct {
	buf  []byte
	done chan struct{}
}

func (blockSink) Message(*Conn, wire.Message)                     {}
func (s blockSink) Block(*Conn, uint32, uint32, uint32) []byte    { return s.buf }
func (s blockSink) BlockDone(*Conn, uint32, uint32, uint32, bool) { s.done <- struct{}{} }
