package scenario

import (
	"slices"
	"time"

	"github.com/rackswarm/rackswarm/core/topo"
	"github.com/rackswarm/rackswarm/core/unit"
)

// Scenario is an experiment. One that Parse returned is valid and complete:
// every host has its link, every name is that of a host or a location.
type Scenario struct {
	Name     string
	Artifact Artifact
	// Locations are those that the file declares and those on the way to them,
	// parents first; the root is not among them.
	Locations []Location
	// Hosts in the order of the file: host n of a location is LOCATION/n.
	Hosts     []Host
	Initial   []unit.NodeID
	Receivers []unit.NodeID // in the order of Hosts, without the initial seeders
	// Join is when each receiver joins, after the distribution was accepted, in
	// the order of Receivers: Stagger spread evenly, the first at 0.
	Join     []time.Duration
	Stagger  time.Duration
	Deadline time.Duration
	Priority Priority // of the artifact
	// Window is when nothing of the artifact may move, from Closes to Opens, which
	// are whole minutes apart: both are on the minute of the clock. Opens is 0 if there
	// is none.
	Window     Window
	Strategy   Strategy
	Bandwidth  *Bandwidth // nil: links are used to the full
	Store      Store
	TLS        bool
	Background []Flow
	Probes     []Probe
	Faults     []Fault // by At
}

// Artifact is what is distributed: pseudo-random bytes from Seed.
type Artifact struct {
	Size  unit.Bytes
	Piece unit.Bytes // 0: as a publisher would choose
	Seed  uint64
	// Files is 1 for a file. More make a tree: sizes are log-normal (median 4 KiB,
	// σ 2), scaled to Size.
	Files int
}

// Location is a place with its uplink to its parent.
type Location struct {
	Location unit.Location
	Uplink   topo.Link // topo.Unlimited if the file does not say
	RTT      time.Duration
	Loss     float64 // share of the packets lost each way, 0 to 1
}

// Host is a machine.
type Host struct {
	Node     unit.NodeID // LOCATION/n
	Location unit.Location
	Link     topo.Link
}

// Strategy switches the parts of the swarm's logic.
type Strategy struct {
	Overlay, Division, Stealing, LowLatency bool
	Picker                                  Picker
}

// Picker is how a node chooses what to fetch next.
type Picker string

// Pickers.
const (
	Stealing   Picker = "stealing" // our own
	Random     Picker = "random"
	Rarest     Picker = "rarest" // first, with tit-for-tat and optimistic unchoke
	Sequential Picker = "sequential"
	Market     Picker = "market"
)

// Bandwidth makes the agents leave room for others.
type Bandwidth struct {
	Reserve  float64 // share of each link, 0 to below 1
	SNMP     bool
	Interval time.Duration
}

// Store is the kind of the coordination store.
type Store string

// Stores.
const (
	Redis    Store = "redis"
	RedisTLS Store = "redis-tls"
	Sentinel Store = "sentinel"
	Cluster  Store = "cluster"
	Embedded Store = "embedded"
)

// Priority is how urgent a transfer is.
type Priority string

// Priorities.
const (
	Background Priority = "background"
	Normal     Priority = "normal"
	Urgent     Priority = "urgent"
)

// Window is a time in which a transfer stands still.
type Window struct{ Closes, Opens time.Duration }

// Proto is what background traffic and probes are made of.
type Proto string

// Protocols.
const (
	TCP  Proto = "tcp"
	UDP  Proto = "udp"
	HTTP Proto = "http"
)

// Flow is traffic of the site itself. Without Stop it lasts until the end.
type Flow struct {
	From, To    unit.NodeID
	Rate        unit.Rate
	Start, Stop time.Duration // Stop 0: until the end
	Proto       Proto         // TCP or UDP
}

// Probe measures round trips every 10 ms, or fetches of a page of 20 KB.
type Probe struct {
	From, To unit.NodeID
	Proto    Proto // UDP or HTTP
}

// Fault is something that goes wrong, or right again, At a time.
type Fault struct {
	At     time.Duration
	Action Action
	// Node is the host concerned, Location the location whose uplink is; both are
	// empty if the store is.
	Node     unit.NodeID
	Location unit.Location
	For      time.Duration // Partition, BusyCPU, BusyDisk: how long; 0 until the end
	Link     topo.Link     // SetLink: the new capacities
	Silent   bool          // SetLink: the device goes on to tell the old ones
	Rate     unit.Rate     // Slow: what the host's link lets out from now on
	To       unit.Location // Move
	Says     Says          // Device
	Load     float64       // BusyCPU: the share of the host's processor that others take
	Size     unit.Bytes    // Distribute: of a further artifact, to the same receivers
	Priority Priority      // Distribute
}

// Action is what a fault does.
type Action string

// Actions.
const (
	Kill       Action = "kill" // SIGKILL to the agent
	Start      Action = "start"
	KillStore  Action = "kill store"
	StartStore Action = "start store"
	Partition  Action = "partition" // nothing passes the location's uplink
	SetLink    Action = "link"
	Corrupt    Action = "corrupt" // the node sends wrong bytes
	Slow       Action = "slow"
	Move       Action = "move"
	Device     Action = "snmp" // the device of the location's uplink answers otherwise
	BusyCPU    Action = "cpu"  // others use the host's processor
	BusyDisk   Action = "disk" // others use the host's disk
	Distribute Action = "distribute"
)

// Says is what a device answers by SNMP.
type Says string

// Answers.
const (
	Truth   Says = "truth"
	Zeros   Says = "zeros"   // counters that stand at zero
	Nothing Says = "nothing" // it is not there
)

// Strikes reports whether a fault has an action.
func (s *Scenario) Strikes(a Action) bool {
	return slices.ContainsFunc(s.Faults, func(f Fault) bool { return f.Action == a })
}

// StrikesNode reports whether a fault has an action and is of a node.
func (s *Scenario) StrikesNode(a Action, node unit.NodeID) bool {
	return slices.ContainsFunc(s.Faults, func(f Fault) bool { return f.Action == a && f.Node == node })
}

// Tree is the network of the scenario before any fault.
func (s *Scenario) Tree() (*topo.Tree, error) {
	places := make([]topo.Place, len(s.Locations))
	for i, l := range s.Locations {
		places[i] = topo.Place{Location: l.Location, Uplink: l.Uplink}
	}
	hosts := make([]topo.Host, len(s.Hosts))
	for i, h := range s.Hosts {
		hosts[i] = topo.Host{Node: h.Node, Location: h.Location, Link: h.Link}
	}
	return topo.New(places, hosts)
}
