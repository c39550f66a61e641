package scenario

import (
	"github.com/rackswarm/rackswarm/core/unit"
)

// Report is what a run of a scenario under one system came to. Times are in
// seconds since the distribution was accepted, with all agents registered.
type Report struct {
	Scenario string       `json:"scenario"`
	System   string       `json:"system"`
	Nodes    []NodeReport `json:"nodes"` // receivers that finished, in the scenario's order
	// Failed are the receivers that did not: with the reason Killed, those that a
	// fault killed for good.
	Failed []Failure `json:"failed"`

	// Bound and the ratios to it are 0 if the scenario can never be complete.
	Bound  float64 `json:"bound_s"`
	Last   float64 `json:"last_s"`
	Spread float64 `json:"spread"` // (p95−p5)/median of the finish times
	// StartLatency is START's way from the decision to the peer.
	StartLatency    StartLatency `json:"start_latency_ms"`
	Median          float64      `json:"median_s"`
	LastOverBound   float64      `json:"last_over_bound"`
	MedianOverBound float64      `json:"median_over_bound"`
	// SeedingRatio is what the initial seeders sent ÷ the artifact.
	SeedingRatio float64                  `json:"seeding_ratio"`
	UplinkCopies map[unit.Location]UpDown `json:"uplink_copies"`
	Overlay      OverlayReport            `json:"overlay"`
	Probes       []ProbeReport            `json:"probes"`
	Background   []FlowReport             `json:"background"`
	LinkUse      map[unit.Location]Peak   `json:"link_use"`
	// Links are what passed the uplinks over time, and Steps how we followed what
	// else passed them; both are empty if nobody looked.
	Links   map[unit.Location]LinkReport `json:"links,omitempty"`
	Steps   []StepReport                 `json:"steps,omitempty"`
	Devices map[unit.Location]Queries    `json:"snmp_queries,omitempty"`
	IdleCPU Percent                      `json:"idle_cpu,omitzero"`
	// Transfers are those that the scenario distributes beside the artifact.
	Transfers []TransferReport `json:"transfers,omitempty"`
	CPUPerGiB float64          `json:"cpu_s_per_gib"`
	Complete  []Point          `json:"complete_over_time"` // nodes
	Bytes     []Point          `json:"bytes_over_time"`    // payload received by all
	// Missing says why the system could not be run at all; the rest is empty then.
	Missing string `json:"missing,omitempty"`
	// Notes are what is worth knowing of this run, such as bytes of which agents
	// and interfaces do not agree.
	Notes []string `json:"notes,omitempty"`
}

// NodeReport is a receiver that has everything.
type NodeReport struct {
	Node      unit.NodeID `json:"node"`
	Finish    float64     `json:"finish_s"`
	SHA256    bool        `json:"sha256_ok"`
	Received  int64       `json:"bytes_received"`  // block payload, duplicates included
	Duplicate int64       `json:"bytes_duplicate"` // thrown away
	MaxRSS    float64     `json:"max_rss_mib"`
	CPU       float64     `json:"cpu_s"`
}

// Failure is a receiver that did not finish.
type Failure struct {
	Node   unit.NodeID `json:"node"`
	Reason string      `json:"reason"`
}

// Killed is the reason of a Failure that is part of the scenario.
const Killed = "killed"

// Percentiles in milliseconds.
type Percentiles struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
}

// StartLatency is START's way in milliseconds: all of them, those between two
// hosts of one location, and those across an uplink.
type StartLatency struct {
	Percentiles
	Within ClassLatency `json:"within,omitzero"`
	Across ClassLatency `json:"across,omitzero"`
}

// ClassLatency is that of a class of which there were so many.
type ClassLatency struct {
	Percentiles
	Count int `json:"count"`
}

// UpDown are copies of the artifact over an uplink.
type UpDown struct {
	Down float64 `json:"down"` // into the location
	Up   float64 `json:"up"`
}

// Peak is the highest share of a link's capacity used in one second, on layer 2.
type Peak struct {
	Up   float64 `json:"up_peak"`
	Down float64 `json:"down_peak"`
}

// OverlayReport is how the overlay came to be.
type OverlayReport struct {
	Built           float64               `json:"built_s"`         // until it changed no more
	Representatives map[unit.Location]int `json:"representatives"` // the most at a time
	StoreOps        int64                 `json:"store_ops"`
	StoreOpsPeak    float64               `json:"store_ops_peak_per_s"`
}

// ProbeReport is what a probe saw, idle before the distribution and while it ran.
// Step is the part of the run that is within StepTime after a step of the
// background, Calm the rest of it.
type ProbeReport struct {
	From    unit.NodeID `json:"from"`
	To      unit.NodeID `json:"to"`
	Proto   Proto       `json:"proto,omitempty"`
	IdleP50 float64     `json:"idle_p50_ms"`
	IdleP99 float64     `json:"idle_p99_ms"`
	RunP50  float64     `json:"run_p50_ms"`
	RunP99  float64     `json:"run_p99_ms"`
	CalmP50 float64     `json:"calm_p50_ms,omitempty"`
	CalmP99 float64     `json:"calm_p99_ms,omitempty"`
	StepP50 float64     `json:"step_p50_ms,omitempty"`
	StepP99 float64     `json:"step_p99_ms,omitempty"`
	Lost    int         `json:"lost"`
}

// FlowReport is what background traffic got, in bits per second.
type FlowReport struct {
	From  unit.NodeID `json:"from"`
	To    unit.NodeID `json:"to"`
	Proto Proto       `json:"proto,omitempty"`
	Start float64     `json:"start_s,omitempty"`
	// Lasted is how long it was on, 0 if the run was over before.
	Lasted float64 `json:"lasted_s,omitempty"`
	Asked  float64 `json:"asked_bps"`
	Got    float64 `json:"got_bps"`
	// Lost is the share of UDP packets that did not arrive.
	Lost float64 `json:"lost,omitempty"`
}

// LinkReport is the use of a location's uplink over time.
type LinkReport struct {
	Up   DirectionReport `json:"up"`
	Down DirectionReport `json:"down"` // into the location
}

// DirectionReport is the use of one direction of an uplink over time. Rates are
// bits per second on layer 2.
type DirectionReport struct {
	// Capacity is what the link can carry from each time on, Limit what is left of
	// it without the reserve. Unlimited links have none.
	Capacity []Point `json:"capacity_bps"`
	Limit    []Point `json:"limit_bps"`
	// Use is the mean since the point before.
	Use []UsePoint `json:"use"`
	// Over is the longest time in seconds that Use was above Limit without a break
	// while only we sent.
	Over float64 `json:"over_s"`
}

// UsePoint is the end of an interval, and what passed a link in it: on the data
// port, and all else. It is a list of three numbers in JSON.
type UsePoint [3]float64

// Names of the numbers of a UsePoint.
const (
	UseTime = iota // in seconds
	UseOurs        // in bits per second
	UseOthers
)

// StepReport is how we followed a change of what an uplink has left for us.
type StepReport struct {
	At   float64       `json:"at_s"`
	Link unit.Location `json:"link"`
	Up   bool          `json:"up"` // the direction
	// Before and After are what was left for us: the capacity without the reserve
	// and the background, the floor at least.
	Before float64 `json:"before_bps"`
	After  float64 `json:"after_bps"`
	// Followed is after how many seconds we were within After, if there is less
	// than before; or used nine tenths of it, if there is more and we had used what
	// there was. Missed says that this did not come before the next step or the
	// end, after so many seconds.
	Followed float64 `json:"followed_s"`
	Missed   bool    `json:"missed"`
}

// TransferReport is a further artifact. Times are from At on.
type TransferReport struct {
	At       float64  `json:"at_s"`
	Size     int64    `json:"bytes"`
	Priority Priority `json:"priority"`
	// Complete is how many receivers had it, right, when the run was over.
	Complete int     `json:"complete"`
	Median   float64 `json:"median_s"`
	Last     float64 `json:"last_s"`
}

// Queries are those that a device got by SNMP.
type Queries struct {
	Mean float64 `json:"per_s"`
	// Peak is the most in about a second, as the rate at which so many follow one
	// another.
	Peak float64 `json:"peak_per_s"`
}

// Percent is a part of one processor's time, in percent: of the agents, those of
// the mean one and of the busiest.
type Percent struct {
	Mean float64 `json:"mean"`
	Most float64 `json:"most"`
}

// Point is a value at a time in seconds: a pair in JSON.
type Point [2]float64
