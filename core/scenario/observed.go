package scenario

import (
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

// Observed is what a run saw, in the lab or in the simulator; Report makes ratios
// of it. Times count from the distribution's acceptance.
type Observed struct {
	Nodes map[unit.NodeID]NodeObserved // of all hosts that took part, initial seeders too
	// Ended is when the run was over: all had finished, or the deadline. Faults that
	// were to come later have not happened. 0 if that is not known.
	Ended time.Duration
	// Crossed is payload over uplinks, headers taken off, retransmissions included.
	Crossed map[unit.Location]Crossing
	// Peaks and Bytes are sampled once a second.
	LinkUse    map[unit.Location]Peak
	Bytes      []Point // payload received by all, by time
	StartWays  []StartWay
	Overlay    OverlayReport
	Probes     []ProbeReport
	Background []FlowReport
	// Links is what passed the uplinks in intervals that follow one another.
	Links   map[unit.Location][]LinkInterval
	Devices map[unit.Location]Queries // asked by SNMP
	IdleCPU Percent                   // of agents before the distribution
	// Transfers are those beside the artifact.
	Transfers []TransferReport
	Notes     []string
}

// NodeObserved is what a run saw of a host.
type NodeObserved struct {
	Finished  bool
	Finish    time.Duration
	SHA256    bool
	Received  unit.Bytes
	Duplicate unit.Bytes
	Sent      unit.Bytes
	// Crossed is payload over the host's own link, headers taken off, where that
	// is counted. It stands in for Received and Sent of systems that count nothing.
	Crossed Crossing
	MaxRSS  unit.Bytes
	CPU     time.Duration
	// Failure says why the host did not finish.
	Failure string
}

// StartWay is what a START took from the decision to the peer.
type StartWay struct {
	From, To unit.NodeID
	Took     time.Duration
}

// LinkInterval is what passed an uplink on layer 2, in bytes, until a time: in all,
// and on the data port. The interval begins where the one before ended.
type LinkInterval struct {
	End       time.Duration
	All, Ours Crossing
}

// Crossing is payload that passed a link, in bytes: Down into the place.
type Crossing struct{ Down, Up unit.Bytes }
