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
// acknowledged: the handshakes are, on every connection that is looked at.
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
	if info.Min_rtt == math.MaxUint32 { // none was measured
		s.MinRTT = 0
	}
	p.last = *info
	return s, info.Bytes_acked > 0
}

// rtt is the mean round-trip time of what was acknowledged since the last sample.
// The kernel's is smoothed, each acknowledgement counting for an eighth of it, and so
// tells of old ones as well: of those too few came, it would take the sign of a
// queue from the end of one block to the begin of the next.
func (p *sampler) rtt(info *unix.TCPInfo) time.Duration {
	acks := int32(info.Segs_in-p.last.Segs_in) - int32(info.Data_segs_in-p.last.Data_segs_in) //nolint:gosec // they wrap
	old, smoothed := float64(p.last.Rtt), float64(info.Rtt)
	if acks <= 0 || old == 0 {
		return time.Duration(info.Rtt) * time.Microsecond
	}
	weight := math.Pow(7./8, float64(acks))
	mean := max((smoothed-weight*old)/(1-weight), 1)
	return time.Duration(mean) * time.Microsecond
}
