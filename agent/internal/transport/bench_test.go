package transport

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/rackswarm/rackswarm/core/wire"
)

// BenchmarkOneToOne requests blocks of 1 MiB of a file over loopback, two ahead (a
// window of 2 MiB), and small ones.
func BenchmarkOneToOne(b *testing.B) {
	for _, secure := range []bool{false, true} {
		for _, size := range []uint32{1 << 20, 256 << 10, 16 << 10} {
			name := map[bool]string{false: "plain", true: "tls"}[secure]
			b.Run(fmt.Sprintf("%s/%dKiB", name, size>>10), func(b *testing.B) { benchmarkBlocks(b, secure, size, 2<<20/int(size)) })
		}
	}
}

// benchmarkFile is larger than the processor's caches.
const benchmarkFile = 128 << 20

func benchmarkBlocks(b *testing.B, secure bool, size uint32, window int) {
	file := filepath.Join(b.TempDir(), "file")
	if err := os.WriteFile(file, bytes.Repeat([]byte("rackswarm"), benchmarkFile/9+1), 0o600); err != nil {
		b.Fatal(err)
	}
	f, err := os.Open(file)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	fetcher, holder := loopback(b, secure)
	buf := make([]byte, size)
	done := make(chan struct{}, window)
	served := newJournal()
	served.message = func(c *Conn, m wire.Message) {
		r := m.(wire.SpanRequest)
		c.SendSpan(r.Span, r.Begin, r.Length, func(b []byte) error {
			_, err := f.ReadAt(b, int64(r.Span)*int64(size)%benchmarkFile)
			return err
		})
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
func (blockSink) Announced(*Conn, uint64, wire.Message)           {}
func (s blockSink) Block(*Conn, uint32, uint32, uint32) []byte    { return s.buf }
func (s blockSink) BlockDone(*Conn, uint32, uint32, uint32, bool) { s.done <- struct{}{} }
