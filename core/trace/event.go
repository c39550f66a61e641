package trace

import "github.com/rackswarm/rackswarm/core/unit"

// Event is what happened: one of the types below. Its name in a line is its
// type's in lower case, words joined by underscores.
type Event interface{ kind() string }

// Anchor is the first event of a trace: the wall clock when the node's own time
// was zero. With it the traces of agents that share a machine's clock are put on
// one base.
type Anchor struct {
	Unix int64 `json:"unix"` // nanoseconds since 1970
}

// Join and Leave: the node enters or leaves the transfer. Initial is whether it
// is an initial seeder.
type (
	Join struct {
		Location unit.Location `json:"location"`
		Initial  bool          `json:"initial,omitempty"`
	}
	Leave struct{}
)

// Role is what the node has become in the overlay, in words, such as
// "representative of ams1".
type Role struct {
	Role string `json:"role"`
}

// Slot is the store's answer to the claim of a representative slot of a
// location.
type Slot struct {
	Location unit.Location `json:"location"`
	Slot     int           `json:"slot"`
	Held     bool          `json:"held"`
}

// Connect and Disconnect: a connection to a peer stands, or ended for the given
// reason.
type (
	Connect struct {
		Peer unit.NodeID `json:"peer"`
	}
	Disconnect struct {
		Peer   unit.NodeID `json:"peer"`
		Reason string      `json:"reason,omitempty"`
	}
)

// Start, Stop, Have and DontHave are announcements about spans (requirement
// 16). Received is whether the peer told this node; otherwise this node told
// the peer.
type (
	Start    Announcement
	Stop     Announcement
	Have     Announcement
	DontHave Announcement
)

// Announcement is what the announcements have in common.
type Announcement struct {
	Peer     unit.NodeID `json:"peer"`
	Spans    []uint32    `json:"spans"`
	Received bool        `json:"received,omitempty"`
	// Datagram is whether it was received by datagram. What its copy by TCP says
	// again is not traced.
	Datagram bool `json:"datagram,omitempty"`
}

// Request and Block: this node asked a peer for bytes of a span, or they
// arrived. Kept is whether they were of use.
type (
	Request struct {
		Peer   unit.NodeID `json:"peer"`
		Span   uint32      `json:"span"`
		Begin  uint32      `json:"begin"`  // bytes from the start of the span
		Length uint32      `json:"length"` // bytes
	}
	Block struct {
		Peer   unit.NodeID `json:"peer"`
		Span   uint32      `json:"span"`
		Begin  uint32      `json:"begin"`
		Length uint32      `json:"length"`
		Kept   bool        `json:"kept"`
	}
)

// Span is what became of a span all of whose blocks had arrived: Stored says
// that it was verified and written.
type Span struct {
	Span   uint32 `json:"span"`
	Stored bool   `json:"stored"`
	Reason string `json:"reason,omitempty"` // if it was not stored
}

// Complete: the node has everything.
type Complete struct{}

func (Anchor) kind() string     { return "anchor" }
func (Join) kind() string       { return "join" }
func (Leave) kind() string      { return "leave" }
func (Role) kind() string       { return "role" }
func (Slot) kind() string       { return "slot" }
func (Connect) kind() string    { return "connect" }
func (Disconnect) kind() string { return "disconnect" }
func (Start) kind() string      { return "start" }
func (Stop) kind() string       { return "stop" }
func (Have) kind() string       { return "have" }
func (DontHave) kind() string   { return "dont_have" }
func (Request) kind() string    { return "request" }
func (Block) kind() string      { return "block" }
func (Span) kind() string       { return "span" }
func (Complete) kind() string   { return "complete" }
