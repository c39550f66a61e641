package node

import (
	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/overlay"
	"github.com/rackswarm/rackswarm/core/swarm"
	"github.com/rackswarm/rackswarm/core/unit"
	"github.com/rackswarm/rackswarm/core/wire"
)

// Event is something that happened outside of the machine.
type Event interface{ isEvent() }

// Joined enters a transfer. ManifestSize bounds the manifest that peers may
// send, in bytes; 0 means wire.MaxManifest.
type Joined struct {
	Transfer     artifact.Digest
	Initial      bool
	ManifestSize int64
}

// Left ends a transfer.
type Left struct{ Transfer artifact.Digest }

// ContentReady says that the manifest is known and what of the content is here.
type ContentReady struct {
	Transfer artifact.Digest
	Lengths  []int32 // of the spans, in bytes
	Have     artifact.Bitset
}

// ContentChanged says that spans of the content have vanished, or were filled
// without the swarm.
type ContentChanged struct {
	Transfer artifact.Digest
	Have     artifact.Bitset
}

// ManifestBad says that what a ManifestFetched brought is not the manifest.
type ManifestBad struct{ Transfer artifact.Digest }

// ManifestVerified says that it is: the caller can serve it from now on.
type ManifestVerified struct{ Transfer artifact.Digest }

// GroupChanged brings a snapshot of a group from the store.
type GroupChanged struct {
	Transfer artifact.Digest
	Group    overlay.Group
}

// SlotAnswered is the store's answer to a ClaimSlot.
type SlotAnswered struct {
	Transfer artifact.Digest
	Location unit.Location
	Slot     int
	Held     bool
}

// StoreDown and StoreUp say whether the coordination store answers.
type (
	StoreDown struct{}
	StoreUp   struct{}
)

// PeerConnected says that a connection stands to a peer that Admits named, or to a
// foreign one; PeerDisconnected, that a connection ended or that a Dial failed.
type (
	PeerConnected struct {
		Transfer artifact.Digest
		Peer     unit.NodeID
		// Foreign: the peer speaks plain BitTorrent, and no group names it. It
		// is let in all the same, once the content is ready.
		Foreign bool
		// MaxRequest is the most that the peer sends for one request, in bytes;
		// 0 means 128 KiB.
		MaxRequest int32
	}
	PeerDisconnected struct {
		Transfer artifact.Digest
		Peer     unit.NodeID
	}
)

// MessageReceived brings a control message of a peer. The message belongs to
// the machine.
type MessageReceived struct {
	Transfer artifact.Digest
	Peer     unit.NodeID
	Message  wire.Message
}

// BlockReceived says that a peer's payload has arrived. Kept is whether it went
// into the span's buffer.
type BlockReceived struct {
	Transfer artifact.Digest
	Peer     unit.NodeID
	Block    swarm.Block
	Kept     bool
}

// BlockSent says that payload was sent to a peer.
type BlockSent struct {
	Transfer artifact.Digest
	Peer     unit.NodeID
	Length   int32
}

// SpanStored is the answer to a StoreSpan.
type SpanStored struct {
	Transfer artifact.Digest
	Span     int32
	Result   StoreResult
}

// SpanVerified is the answer to a VerifySpan: whether the bytes on disk are
// those of the manifest.
type SpanVerified struct {
	Transfer artifact.Digest
	Span     int32
	Good     bool
}

// StoreResult is what became of a span.
type StoreResult uint8

// Results of storing a span.
const (
	Stored    StoreResult = iota + 1 // verified and on disk
	Corrupt                          // the bytes failed verification
	NotStored                        // the disk refused: the transfer fetches no more
)

// Wake says that the deadline has come.
type Wake struct{}

func (Joined) isEvent()           {}
func (Left) isEvent()             {}
func (ContentReady) isEvent()     {}
func (ContentChanged) isEvent()   {}
func (ManifestBad) isEvent()      {}
func (ManifestVerified) isEvent() {}
func (GroupChanged) isEvent()     {}
func (SlotAnswered) isEvent()     {}
func (StoreDown) isEvent()        {}
func (StoreUp) isEvent()          {}
func (PeerConnected) isEvent()    {}
func (PeerDisconnected) isEvent() {}
func (MessageReceived) isEvent()  {}
func (BlockReceived) isEvent()    {}
func (BlockSent) isEvent()        {}
func (SpanStored) isEvent()       {}
func (SpanVerified) isEvent()     {}
func (Wake) isEvent()             {}
