package transport

import (
	"math"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/unit"
)

// sampler makes samples for a guard of what the kernel says of a connection. An
// older kernel leaves at zero what it does not know, as each version appends to the
// structure. The zero sampler has seen nothing.
type sampler struct{ last unix.TCPInfo }

// sample is what the kernel says at a time. The rate of delivery is left out: it
// stays what it was while there is too little to send. Before Linux 4.19 the bytes
// sent again are those of full segments; before 4.6 there is no least round-trip
// time. It is false before 4.2, where the kernel does not count what is
// acknowledged: the handshakes are, on every connection that is watched.
func (p *sampler) sample(at unit.Time, info *unix.TCPInfo) (bandwidth.Sample, bool) {
	s := bandwidth.Sample{
		At:            at,
		RTT:           p.rtt(info),
		MinRTT:        time.Duration(info.Min_rtt) * time.Microsecond,
		Acked:         unit.Bytes(min(info.Bytes_acked, 1<<62)),   //nolint:gosec // bounded
		Retransmitted: unit.Bytes(min(info.Bytes_retrans, 1<<62)), //nolint:gosec // bounded
	}
	if info.Bytes_sent == 0 {
		s.Retransmitted = unit.Bytes(info.Total_retrans) * unit.Bytes(info.Snd_mss)
	}
	// What the peer had twice was not lost.
	s.Retransmitted = max(s.Retransmitted-unit.Bytes(info.Dsack_dups)*unit.Bytes(info.Snd_mss), 0)
	s.Waiting = info.Unacked > 0 || info.Notsent_bytes > 0
	if info.Min_rtt == math.MaxUint32 { // none was measured
		s.MinRTT = 0
	}
	p.last = *info
	return s, info.Bytes_acked > 0
}

// rtt is the round-trip time of what was acknowledged since the last sample, without
// what some acknowledgements were late by: a queue delays all of them, a receiver that
// is busy some. The kernel's is smoothed, each acknowledgement counting for an eighth
// of it, and so tells of old ones as well: of those too few came, it would take the
// sign of a queue from the end of one block to the begin of the next.
func (p *sampler) rtt(info *unix.TCPInfo) time.Duration {
	old, smoothed := float64(p.last.Rtt), float64(info.Rtt)
	mean := smoothed
	if acks := p.acks(info); acks > 0 && old > 0 {
		weight := math.Pow(7./8, float64(acks))
		mean = (smoothed - weight*old) / (1 - weight)
	}
	least := max(1, min(float64(info.Min_rtt), mean))
	return time.Duration(max(mean-float64(info.Rttvar), least)) * time.Microsecond
}

// acks is how many acknowledgements may have told a round-trip time since the last
// sample: of new data, alone or with data of the peer's.
func (p *sampler) acks(info *unix.TCPInfo) int32 {
	acks := int32(info.Segs_in - p.last.Segs_in) //nolint:gosec // they wrap
	if info.Delivered > 0 {
		acks = min(acks, int32(info.Delivered-p.last.Delivered)) //nolint:gosec // likewise
	}
	return acks
}
