package bandwidth

import (
	"math"
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

// Impact is how much of a host's CPU and disk we may use up. The zero Impact
// asks for nothing; begin with DefaultImpact.
type Impact struct {
	// CPUIdle is the part of the CPU that is to stay idle, where waiting for I/O is
	// busy. Below it the host's budget shrinks in proportion (requirement 40): at 5%
	// of 20% a quarter is left. 0 asks for nothing.
	CPUIdle Part
	// Unstalled is the same for the parts of the time in which no task waits for
	// I/O, or for memory, where the kernel tells. 0 asks for nothing.
	Unstalled Part
	// DiskLatency is by which part the disk may answer later than it does without
	// us, such as 0.2. Below 0 it asks for nothing.
	DiskLatency float64
}

// DefaultImpact asks for a fifth of the CPU and of the time free of stalls, and
// for nothing of the disk's latency.
func DefaultImpact() Impact { return Impact{CPUIdle: 0.2, Unstalled: 0.2, DiskLatency: -1} }

const (
	// leastFactor is what is left of a budget however busy the host is, so that a
	// transfer ends one day.
	leastFactor Part = 0.02
	// A factor that fell stays for holdFor, and then grows by recovery each second.
	holdFor       = time.Second
	recovery Part = 0.25
	// A disk that answers late makes its factor shrink by diskCut at each use; it is
	// not late by less than diskNoise.
	diskCut   Part = 0.7
	diskNoise      = time.Millisecond
	// diskLearn is the weight of a new latency in the base that others make.
	diskLearn = 0.1
)

// HostLoad makes a factor on the host's budget of how busy the host is. It falls
// at once, and rises only a while after the last reason to fall, slowly: what we
// move is part of the load, and the factor must not swing with it.
//
// A HostLoad is owned by one goroutine.
type HostLoad struct {
	impact  Impact
	factors [4]factor // of CPU, IOPressure, MemPressure and Disk
	base    time.Duration
}

type factor struct {
	reason Reason
	part   Part // from leastFactor to 1
	seen   Part // what the last use had left, of whole
	whole  Part
	fell   unit.Time
	at     unit.Time
}

// NewHostLoad returns a load that leaves all of the budget.
func NewHostLoad(i Impact) *HostLoad {
	h := &HostLoad{impact: i}
	for n, reason := range []Reason{CPU, IOPressure, MemPressure, Disk} {
		h.factors[n] = factor{reason: reason, part: 1}
	}
	return h
}

// Use takes the next use of the host. Ours says whether our transfers moved
// enough in that time to have a part in it: the disk's latency without us is
// learned when they did not.
func (h *HostLoad) Use(u HostUse, ours bool) {
	h.factors[0].proportional(u.At, u.CPUIdle, h.impact.CPUIdle)
	if u.Stalled != nil {
		h.factors[1].proportional(u.At, 1-u.Stalled.IO, h.impact.Unstalled)
		h.factors[2].proportional(u.At, 1-u.Stalled.Memory, h.impact.Unstalled)
	}
	h.disk(u, ours)
}

// proportional is requirement 40's rule.
func (f *factor) proportional(now unit.Time, left, threshold Part) {
	f.seen, f.whole = clampPart(left), threshold
	f.towards(now, CPUFactor(f.seen, threshold))
}

// disk lowers the factor while the disk is late. Nothing is proportional there:
// it is felt for.
func (h *HostLoad) disk(u HostUse, ours bool) {
	f := &h.factors[3]
	if u.DiskLatency <= 0 || h.impact.DiskLatency < 0 || math.IsNaN(h.impact.DiskLatency) {
		f.towards(u.At, 1)
		return
	}
	h.learnDisk(u.DiskLatency, ours)
	most := time.Duration(float64(h.base)*(1+h.impact.DiskLatency)) + diskNoise
	f.seen, f.whole = clampPart(Part(most)/Part(u.DiskLatency)), 1
	if u.DiskLatency > most && ours {
		f.towards(u.At, f.part*diskCut)
		return
	}
	f.towards(u.At, 1)
}

// learnDisk learns the latency without us. With us it is not more than that.
func (h *HostLoad) learnDisk(latency time.Duration, ours bool) {
	switch {
	case h.base == 0 || ours && latency < h.base:
		h.base = latency
	case !ours:
		h.base += time.Duration(diskLearn * float64(latency-h.base))
	}
}

// towards lowers the factor to p at once, or raises it slowly.
func (f *factor) towards(now unit.Time, p Part) {
	over := now.Sub(f.at)
	f.at = now
	if p = max(p, leastFactor); p <= f.part {
		if p < 1 {
			f.fell = now
		}
		f.part = p
		return
	}
	if now.Sub(f.fell) >= holdFor && over > 0 {
		f.part = min(p, f.part+recovery*Part(min(over, holdFor).Seconds()))
	}
}

// Factor is what is left of the host's budget, from 2% to 1.
func (h *HostLoad) Factor() Part { return h.binding().part }

func (h *HostLoad) binding() factor {
	least := h.factors[0]
	for _, f := range h.factors[1:] {
		if f.part < least.part {
			least = f
		}
	}
	return least
}

// Limit is the budget of the host's own link as the host's load leaves it. One that
// is unlimited becomes a part of speed, the interface's, while the host is busy. If
// that is not known (0), it becomes a part of the highest rate that was seen, but not
// less than the floor of a link: what was seen so far may have been next to nothing,
// and would stay so.
func (h *HostLoad) Limit(b Budget, speed, seen unit.Rate) Budget {
	f := h.binding()
	if f.part >= 1 || b.Rate == 0 {
		return b
	}
	limit := Binding{Reason: f.reason, Hop: b.Binding.Hop, Capacity: b.Binding.Capacity, Whole: b.Rate, Part: f.part}
	switch {
	case b.Rate < unit.Unlimited:
		limit.Rate = f.part.of(b.Rate)
	case 0 < speed && speed < unit.Unlimited:
		limit.Whole, limit.Rate = speed, f.part.of(speed)
	case f.part.of(seen) > floorRate:
		limit.Whole, limit.Rate = seen, f.part.of(seen)
	default:
		limit.Whole, limit.Rate = 0, floorRate // of what, is not known
	}
	return NewBudget(limit)
}
