package node

import (
	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/overlay"
	"github.com/rackswarm/rackswarm/core/swarm"
	"github.com/rackswarm/rackswarm/core/unit"
	"github.com/rackswarm/rackswarm/core/wire"
)

// Action is something that the machine's caller does.
type Action interface{ isAction() }

// JoinGroup writes the record into the store, under overlay.MemberTTL, and
// watches the group.
type JoinGroup struct {
	Transfer artifact.Digest
	Location unit.Location
	Member   overlay.Member
}

// LeaveGroup undoes a JoinGroup.
type LeaveGroup struct {
	Transfer artifact.Digest
	Location unit.Location
}

// ClaimSlot asks the store for a representative slot under overlay.SlotLease;
// SlotAnswered brings the answer.
type ClaimSlot struct {
	Transfer artifact.Digest
	Location unit.Location
	Slots    int
}

// Dial connects to a peer; PeerConnected or PeerDisconnected follows.
type Dial struct {
	Transfer artifact.Digest
	Peer     unit.NodeID
	Addr     string
}

// Hangup closes the connection to a peer; PeerDisconnected need not follow. Ban
// says that the peer misbehaved and is not to be let in again for a while; Mute, that
// it may come back, to be given what it asks for, but is asked for nothing.
type Hangup struct {
	Transfer  artifact.Digest
	Peer      unit.NodeID
	Reason    string
	Ban, Mute bool
}

// Send sends a control message.
type Send struct {
	Transfer artifact.Digest
	Peer     unit.NodeID
	Message  wire.Message
}

// SendBlock serves a block of the content; CancelBlock withdraws it if it was
// not sent yet.
type (
	SendBlock struct {
		Transfer artifact.Digest
		Peer     unit.NodeID
		Block    swarm.Block
	}
	CancelBlock struct {
		Transfer artifact.Digest
		Peer     unit.NodeID
		Block    swarm.Block
	}
)

// SendManifest serves a range of the manifest.
type SendManifest struct {
	Transfer       artifact.Digest
	Peer           unit.NodeID
	Offset, Length uint32
}

// ManifestFetched hands over a manifest that a peer sent, unverified.
type ManifestFetched struct {
	Transfer artifact.Digest
	Torrent  []byte
}

// StoreSpan verifies and writes a span all of whose blocks have arrived;
// SpanStored brings the result.
type StoreSpan struct {
	Transfer artifact.Digest
	Span     int32
}

// DropSpan throws away what arrived of a span.
type DropSpan struct {
	Transfer artifact.Digest
	Span     int32
}

// VerifySpan reads a span from disk again and hashes it, whatever its files'
// stamps say: a peer says that it was sent wrong bytes. SpanVerified brings the
// result; if it is bad, the content has forgotten the span by then.
type VerifySpan struct {
	Transfer artifact.Digest
	Span     int32
}

// Completed says that all of the content is here.
type Completed struct{ Transfer artifact.Digest }

func (JoinGroup) isAction()       {}
func (LeaveGroup) isAction()      {}
func (ClaimSlot) isAction()       {}
func (Dial) isAction()            {}
func (Hangup) isAction()          {}
func (Send) isAction()            {}
func (SendBlock) isAction()       {}
func (CancelBlock) isAction()     {}
func (SendManifest) isAction()    {}
func (ManifestFetched) isAction() {}
func (StoreSpan) isAction()       {}
func (DropSpan) isAction()        {}
func (VerifySpan) isAction()      {}
func (Completed) isAction()       {}
