package api

import "time"

// ReasonCode says what keeps a node from having what is wanted, or from having it
// sooner. Its values are stable, for programs.
type ReasonCode string

// The codes of reasons.
const (
	ReasonStoreDown   ReasonCode = "store_unreachable" // the store does not answer
	ReasonStopped     ReasonCode = "stopped"           // an operator stopped the transfer
	ReasonPaused      ReasonCode = "paused"            // an operator paused it
	ReasonDown        ReasonCode = "down"              // the node's agent does not answer
	ReasonUnheard     ReasonCode = "unheard"           // the node has not reported on what is wanted now
	ReasonNoSpace     ReasonCode = "no_space"          // its disk, or its quota, is full
	ReasonRefused     ReasonCode = "refused"           // a hook does not let it switch
	ReasonFailed      ReasonCode = "failed"            // something else failed
	ReasonOthers      ReasonCode = "others"            // it has staged the content and waits for other nodes
	ReasonNoPeer      ReasonCode = "no_peer"           // it is connected to nobody
	ReasonManifest    ReasonCode = "manifest"          // the manifest is on its way
	ReasonUnserved    ReasonCode = "unserved"          // no peer has what it lacks
	ReasonLimit       ReasonCode = "limit"             // a limit binds
	ReasonSenderLimit ReasonCode = "sender_limit"      // a limit binds what it sends to others
	ReasonPriority    ReasonCode = "priority"          // something more urgent goes first
	ReasonSeeds       ReasonCode = "seeds"             // only initial seeders give anything
	ReasonDisk        ReasonCode = "disk"              // it hashes, or installs
	ReasonFetching    ReasonCode = "fetching"          // it fetches, and nothing of the above holds it up
)

// Reason is one thing that a node waits for, in a form for programs and in words.
type Reason struct {
	Code    ReasonCode `json:"code"`
	Subject string     `json:"subject,omitempty"` // the limit, the node, the hook
	Message string     `json:"message"`
	Fix     string     `json:"fix,omitempty"`
	Rate    int64      `json:"rate,omitempty"` // bytes per second that a limit allows
}

// PeerRate is how fast a peer sends now.
type PeerRate struct {
	Name     string `json:"name"`
	Location string `json:"location"`
	Initial  bool   `json:"initial,omitempty"`
	Rate     int64  `json:"rate"` // bytes per second
}

// NodeExplanation says what one node waits for, the most important reason first.
type NodeExplanation struct {
	Node      string     `json:"node"`
	Location  string     `json:"location"`
	Phase     Phase      `json:"phase"`
	BytesDone int64      `json:"bytes_done"`
	Bytes     int64      `json:"bytes_total"`
	Rate      int64      `json:"rate"`    // bytes per second received
	Reasons   []Reason   `json:"reasons"` // empty if the node has what is wanted
	Top       []PeerRate `json:"top"`     // the peers that send most, fastest first
	// ReportedAt is when the node said this last, by its clock; zero if it never did.
	ReportedAt time.Time `json:"reported_at,omitzero"`
}

// Explanation answers GET /v1/distributions/{name}/explain. Without the store only
// the answering node is in it.
type Explanation struct {
	Distribution string `json:"distribution"`
	Digest       string `json:"digest"`
	StoreDown    bool   `json:"store_down,omitempty"`
	// Troubles are what is wrong with sources of the artifact, by name of the node; none
	// once all nodes have what is wanted.
	Troubles []SeedTrouble     `json:"troubles,omitempty"`
	Nodes    []NodeExplanation `json:"nodes"` // by location, then name
}

// Reason says that a hold is what a node waits for.
func (h Hold) Reason() Reason {
	r := Reason{Code: ReasonPaused, Subject: h.By, Message: h.String(), Fix: "go on with: rackswarm resume " + h.target()}
	if h.Kind == HoldStop {
		r.Code = ReasonStopped
	}
	if h.Node != "" {
		r.Fix += ", on node " + h.Node + " itself"
	}
	return r
}

// target names what is held as the commands do.
func (h Hold) target() string {
	if h.Distribution == "" || h.All {
		return "--all"
	}
	return h.Distribution
}

// Reason says that an error is what a node waits for.
func (e *Error) Reason() Reason {
	r := Reason{Code: ReasonFailed, Subject: e.Subject, Message: e.Message, Fix: e.Fix}
	switch e.Code {
	case CodeNoSpace, CodeQuota:
		r.Code = ReasonNoSpace
	case CodeRefused:
		r.Code = ReasonRefused
	case CodeStoreDown:
		r.Code = ReasonStoreDown
	}
	return r
}
