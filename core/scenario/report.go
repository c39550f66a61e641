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
	StartLatency    Percentiles `json:"start_latency_ms"`
	Median          float64     `json:"median_s"`
	LastOverBound   float64     `json:"last_over_bound"`
	MedianOverBound float64     `json:"median_over_bound"`
	// SeedingRatio is what the initial seeders sent ÷ the artifact.
	SeedingRatio float64                  `json:"seeding_ratio"`
	UplinkCopies map[unit.Location]UpDown `json:"uplink_copies"`
	Overlay      OverlayReport            `json:"overlay"`
	Probes       []ProbeReport            `json:"probes"`
	Background   []FlowReport             `json:"background"`
	LinkUse      map[unit.Location]Peak   `json:"link_use"`
	CPUPerGiB    float64                  `json:"cpu_s_per_gib"`
	Complete     []Point                  `json:"complete_over_time"` // nodes
	Bytes        []Point                  `json:"bytes_over_time"`    // payload received by all
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
type ProbeReport struct {
	From    unit.NodeID `json:"from"`
	To      unit.NodeID `json:"to"`
	IdleP50 float64     `json:"idle_p50_ms"`
	IdleP99 float64     `json:"idle_p99_ms"`
	RunP50  float64     `json:"run_p50_ms"`
	RunP99  float64     `json:"run_p99_ms"`
	Lost    int         `json:"lost"`
}

// FlowReport is what background traffic got, in bits per second.
type FlowReport struct {
	From  unit.NodeID `json:"from"`
	To    unit.NodeID `json:"to"`
	Asked float64     `json:"asked_bps"`
	Got   float64     `json:"got_bps"`
}

// Point is a value at a time in seconds: a pair in JSON.
type Point [2]float64
