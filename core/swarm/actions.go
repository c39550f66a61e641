package swarm

import (
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

// Action is something that the caller does for the swarm.
type Action interface{ isAction() }

// Block is a range of bytes of a span: what a request names.
type Block struct {
	Span          int32
	Begin, Length int32 // bytes
}

// Request asks a peer for a block.
type Request struct {
	Peer  unit.NodeID
	Block Block
}

// Cancel withdraws a request.
type Cancel struct {
	Peer  unit.NodeID
	Block Block
}

// Upload serves a block to a peer.
type Upload struct {
	Peer    unit.NodeID
	Block   Block
	Uplinks int32 // of our own locations that it crosses
}

// RejectReason says why a request is not served.
type RejectReason uint8

// Reasons of a Reject.
const (
	// NotHere: the span is not on this node (any more).
	NotHere RejectReason = iota + 1
	// Busy: the span is hashed before it is served, or others are served first; ask
	// again after RetryAfter.
	Busy
	// ServedElsewhere: an initial seeder has given the span to another peer,
	// whose copy spreads it (requirement 25); ask again after RetryAfter.
	ServedElsewhere
)

// Reject refuses a block.
type Reject struct {
	Peer       unit.NodeID
	Block      Block
	Reason     RejectReason
	RetryAfter time.Duration
}

// Store asks for the verification and writing of a span all of whose blocks
// are here; Stored brings the result.
type Store struct{ Span int32 }

// Drop gives up what was received of a span so far.
type Drop struct{ Span int32 }

// Verify asks for a span to be read from disk again and hashed; Verified brings
// the result.
type Verify struct{ Span int32 }

// Announcement is what an Announce tells.
type Announcement uint8

// Kinds of announcements.
const (
	Have Announcement = iota + 1
	DontHave
	Start
	Stop
	Suspect
)

// Announce tells a peer about spans of ours.
type Announce struct {
	Peer  unit.NodeID
	What  Announcement
	Spans []uint32
}

// HangupReason says why a connection is given up.
type HangupReason uint8

// Reasons of a Hangup.
const (
	// BadData: the peer sent wrong bytes again after it was given the chance
	// to verify what it has.
	BadData HangupReason = iota + 1
	// BadLeaves: the peer gave leaves that are not the manifest's.
	BadLeaves
	// BadRequest: the peer asked for something that does not exist.
	BadRequest
	// Silent: the peer owes blocks and has sent nothing for too long.
	Silent
	// Pardoned: the peer was muted for long enough, and may say anew what it has.
	Pardoned
)

// String says it in words.
func (r HangupReason) String() string {
	switch r {
	case BadData:
		return "sent bytes that failed verification repeatedly"
	case BadLeaves:
		return "sent hashes that are not those of the manifest"
	case BadRequest:
		return "sent a message about spans or bytes that do not exist"
	case Silent:
		return "owed blocks and sent nothing"
	case Pardoned:
		return "its ban is over"
	}
	return "unknown reason"
}

// Hangup closes the connection to a peer. PeerLeft is to follow, after all actions
// that were decided together with it.
type Hangup struct {
	Peer   unit.NodeID
	Reason HangupReason
}

// Completed says that every span is stored.
type Completed struct{}

func (Request) isAction()   {}
func (Cancel) isAction()    {}
func (Upload) isAction()    {}
func (Reject) isAction()    {}
func (Store) isAction()     {}
func (Drop) isAction()      {}
func (Verify) isAction()    {}
func (Announce) isAction()  {}
func (Hangup) isAction()    {}
func (Completed) isAction() {}
