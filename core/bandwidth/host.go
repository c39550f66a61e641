package bandwidth

import (
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

// HostSample is what a host says of itself at one time: counters that only grow.
type HostSample struct {
	At  unit.Time
	CPU CPUTimes
	// PSI is nil where the kernel has no pressure stall information.
	PSI  *Pressure
	Disk DiskCounters // of the disk that content lies on
	// Interface is the network interface that NIC and Speed are of, "" if they are not
	// known. NIC is what it moved, Own what the agent moved of that, both with headers
	// or both without.
	Interface string
	NIC, Own  Moved
	Speed     unit.Rate // of the interface, 0 if it is not known
}

// HostUse is how busy a host was from one sample to the next.
type HostUse struct {
	At   unit.Time     // of the second sample
	Over time.Duration // between both

	// CPUIdle is the part of the CPU time in which nothing ran or waited for I/O.
	CPUIdle Part
	// Stalled are the parts of the time in which some task waited for CPU, I/O or
	// memory, nil if the kernel does not tell.
	Stalled *Stalls
	// DiskLatency is the mean time of an I/O, 0 if there was none.
	DiskLatency time.Duration
	// Interface is the network interface that the following is of, "" if its counters
	// do not go on from those of the first sample. Others is what others than the agent
	// moved, Own what the agent moved, Speed the interface's speed, 0 if it is not
	// known.
	Interface            string
	OthersUp, OthersDown unit.Rate
	OwnUp, OwnDown       unit.Rate
	Speed                unit.Rate
}

// Stalls are parts of a time in which tasks were held up.
type Stalls struct{ CPU, IO, Memory Part }

// HostMeter makes a host's use of samples.
type HostMeter struct {
	last HostSample
	any  bool
}

// Sample takes the next sample. It returns false for the first one, and for one
// whose counters do not go on from the last one's: the next one counts again.
func (m *HostMeter) Sample(s HostSample) (HostUse, bool) {
	last, any := m.last, m.any
	if any && s.At <= last.At {
		return HostUse{}, false
	}
	m.last, m.any = s, true
	if !any {
		return HostUse{}, false
	}
	over := s.At.Sub(last.At)
	idle, ok := s.CPU.idleSince(last.CPU)
	if !ok {
		return HostUse{}, false
	}
	u := HostUse{
		At: s.At, Over: over, CPUIdle: idle, Speed: s.Speed,
		DiskLatency: s.Disk.latencySince(last.Disk, over),
	}
	if s.PSI != nil && last.PSI != nil {
		u.Stalled = s.PSI.since(last.PSI, over)
	}
	own := since(last.Own, s.Own)
	u.OwnUp, u.OwnDown = own.Up.Per(over), own.Down.Per(over)
	if s.Interface != "" && s.Interface == last.Interface && last.NIC.Up <= s.NIC.Up && last.NIC.Down <= s.NIC.Down {
		all := since(last.NIC, s.NIC)
		u.Interface = s.Interface
		u.OthersUp = (all.Up - own.Up).Per(over)
		u.OthersDown = (all.Down - own.Down).Per(over)
	}
	return u, true
}

// CPUFactor is requirement 40's: what is left of a limit when a part of the CPU
// is idle. From threshold on it is all of it, below in proportion: 5% idle of a
// threshold of 20% leave a quarter. A threshold of 0 asks for nothing.
func CPUFactor(idle, threshold Part) Part {
	if !(idle < threshold) { // nor is what is not a number
		return 1
	}
	return max(idle, 0) / threshold
}

// CPUTimes are the times that all CPUs together spent, in ticks of the kernel.
type CPUTimes struct{ Busy, Wait, Idle uint64 }

// idleSince returns the idle part since from; waiting for I/O is busy. It is
// false if no time passed, or the counters went back.
func (c CPUTimes) idleSince(from CPUTimes) (Part, bool) {
	if c.Busy < from.Busy || c.Idle < from.Idle {
		return 0, false
	}
	busy, idle := float64(c.Busy-from.Busy), float64(c.Idle-from.Idle)
	if c.Wait > from.Wait { // the kernel takes some of it back now and then
		busy += float64(c.Wait - from.Wait)
	}
	if busy+idle == 0 {
		return 0, false
	}
	return Part(idle / (busy + idle)), true
}

// Stall is one resource's pressure.
type Stall struct {
	Avg10 Part          // of the last 10 s
	Total time.Duration // in which some task was held up, since the start
}

// Pressure is the pressure stall information of a host.
type Pressure struct{ CPU, IO, Memory Stall }

func (p *Pressure) since(from *Pressure, over time.Duration) *Stalls {
	return &Stalls{
		CPU: p.CPU.since(from.CPU, over), IO: p.IO.since(from.IO, over), Memory: p.Memory.since(from.Memory, over),
	}
}

func (s Stall) since(from Stall, over time.Duration) Part {
	if s.Total < from.Total {
		return s.Avg10
	}
	return min(Part(float64(s.Total-from.Total)/float64(over)), 1)
}

// DiskCounters are those of a disk: I/Os that ended, the time that they took
// together, and those under way.
type DiskCounters struct {
	Done     uint64
	Took     time.Duration
	UnderWay uint64
}

// latencySince returns the mean time of the I/Os that ended since from. If none
// did and one is under way, that one takes longer than over.
func (d DiskCounters) latencySince(from DiskCounters, over time.Duration) time.Duration {
	switch {
	case d.Done < from.Done || d.Took < from.Took:
		return 0
	case d.Done > from.Done:
		return time.Duration(uint64(d.Took-from.Took) / (d.Done - from.Done)) //nolint:gosec // both are positive
	case d.UnderWay > 0:
		return over
	}
	return 0
}
