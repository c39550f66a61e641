package transport

import (
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/unit"
)

// infoSizes are how many bytes of the structure versions of the kernel fill.
var infoSizes = []struct {
	since string
	size  uintptr
}{
	{"3.15", 120}, {"4.1", 136}, {"4.2", 144}, {"4.6", 160}, {"4.9", 168}, {"4.10", 192}, {"4.18", 200}, {"4.19", 216}, {"5.4", 232},
}

// What is read of the structure lies where the kernel's header has it.
func TestTCPInfoIsLaidOutAsTheKernels(t *testing.T) {
	var i unix.TCPInfo
	for name, at := range map[string]struct{ got, want uintptr }{
		"tcpi_rtt":           {unsafe.Offsetof(i.Rtt), 68},
		"tcpi_total_retrans": {unsafe.Offsetof(i.Total_retrans), 100},
		"tcpi_bytes_acked":   {unsafe.Offsetof(i.Bytes_acked), 120},
		"tcpi_segs_in":       {unsafe.Offsetof(i.Segs_in), 140},
		"tcpi_min_rtt":       {unsafe.Offsetof(i.Min_rtt), 148},
		"tcpi_data_segs_in":  {unsafe.Offsetof(i.Data_segs_in), 152},
		"tcpi_bytes_sent":    {unsafe.Offsetof(i.Bytes_sent), 200},
		"tcpi_bytes_retrans": {unsafe.Offsetof(i.Bytes_retrans), 208},
	} {
		if at.got != at.want {
			t.Errorf("%s is at %d, not %d", name, at.got, at.want)
		}
	}
}

// cut is what a kernel that fills size bytes says.
func cut(info unix.TCPInfo, size uintptr) *unix.TCPInfo {
	var older unix.TCPInfo
	bytes := func(i *unix.TCPInfo) []byte { return (*[unsafe.Sizeof(older)]byte)(unsafe.Pointer(i))[:] }
	copy(bytes(&older), bytes(&info)[:size])
	return &older
}

func TestSamplesOfOlderKernels(t *testing.T) {
	info := unix.TCPInfo{
		Rtt: 1500, Min_rtt: 900, Snd_mss: 1448, Total_retrans: 3, Bytes_acked: 1 << 20, Bytes_sent: 2 << 20, Bytes_retrans: 4000,
		Segs_in: 70, Data_segs_in: 20,
	}
	for _, kernel := range infoSizes {
		want := bandwidth.Sample{At: 7, RTT: 1500 * time.Microsecond, Retransmitted: 3 * 1448, Acked: 1 << 20}
		if kernel.size >= 160 {
			want.MinRTT = 900 * time.Microsecond
		}
		if kernel.size >= 216 {
			want.Retransmitted = 4000
		}
		got, ok := new(sampler).sample(7, cut(info, kernel.size))
		if ok != (kernel.size >= 136) || ok && got != want {
			t.Errorf("Linux %s: %+v, %v; want %+v", kernel.since, got, ok, want)
		}
	}
	info.Min_rtt = ^uint32(0)
	if got, _ := new(sampler).sample(7, &info); got.MinRTT != 0 {
		t.Errorf("none was measured: %s", got.MinRTT)
	}
}

// Whatever the kernel says, nothing is negative.
func TestSamplesOfAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var p sampler
		for range 3 {
			var info unix.TCPInfo
			raw := (*[unsafe.Sizeof(info)]byte)(unsafe.Pointer(&info))
			copy(raw[:], rapid.SliceOfN(rapid.Byte(), len(raw), len(raw)).Draw(t, "info"))
			s, _ := p.sample(unit.Time(1), &info)
			if s.RTT < 0 || s.MinRTT < 0 || s.Acked < 0 || s.Retransmitted < 0 {
				t.Fatalf("%+v of %+v", s, info)
			}
		}
	})
}

// A queue of long ago is not taken for one of now: from the second sample on the
// mean of the round trips between them is told.
func TestRoundTripsAreThoseSinceTheLastSample(t *testing.T) {
	for _, acks := range []uint32{1, 3, 20, 500} {
		smoothed := 40_000. // microseconds, a queue of long ago
		var p sampler
		info := unix.TCPInfo{Rtt: uint32(smoothed), Bytes_acked: 1, Segs_in: 5, Data_segs_in: 5, Delivered: 3}
		p.sample(1, &info)
		for range acks {
			smoothed += (2000 - smoothed) / 8
		}
		info.Rtt, info.Segs_in, info.Data_segs_in, info.Bytes_acked = uint32(smoothed), 5+acks+7, 5+7, 2
		info.Delivered += acks // with the peer's own data, or alone
		got, _ := p.sample(2, &info)
		if off := got.RTT - 2*time.Millisecond; off > 20*time.Microsecond || off < -20*time.Microsecond {
			t.Errorf("%d acknowledgements after 2 ms each: %s", acks, got.RTT)
		}
		if again, _ := p.sample(3, &info); again.RTT != time.Duration(info.Rtt)*time.Microsecond {
			t.Errorf("no acknowledgement since: %s", again.RTT)
		}
	}
}

// A receiver that is busy acknowledges late what it is given, but not all of it. A queue
// delays all.
func TestLateAcknowledgementsAreNoQueue(t *testing.T) {
	for _, test := range []struct {
		name      string
		deviation uint32
		least     time.Duration
		most      time.Duration
	}{
		{"half of them took 40 ms", 20_000, 200 * time.Microsecond, time.Millisecond},
		{"all took 20 ms", 500, 19 * time.Millisecond, 20 * time.Millisecond},
	} {
		var p sampler
		info := unix.TCPInfo{Rtt: 20_000, Rttvar: test.deviation, Min_rtt: 200, Bytes_acked: 1, Segs_in: 5, Delivered: 5}
		p.sample(1, &info)
		info.Segs_in, info.Delivered, info.Bytes_acked = 25, 25, 2
		if got, _ := p.sample(2, &info); got.RTT < test.least || got.RTT > test.most {
			t.Errorf("%s: %v", test.name, got.RTT)
		}
	}
}

// What was sent again on suspicion, and had arrived, was not lost.
func TestWhatCameTwiceWasNotLost(t *testing.T) {
	info := unix.TCPInfo{Rtt: 100, Snd_mss: 1448, Bytes_acked: 1, Bytes_sent: 9, Bytes_retrans: 3 * 1448, Dsack_dups: 2, Unacked: 1}
	if got, _ := new(sampler).sample(1, &info); got.Retransmitted != 1448 || !got.Waiting {
		t.Errorf("%+v", got)
	}
}
