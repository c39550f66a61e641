package swarmapi

import (
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/unit"
)

// Swarm moves the bytes of transfers. A transfer is named by its artifact's
// digest. All methods may be called from any goroutine, return without waiting
// for peers, and do nothing for a transfer that was not joined.
type Swarm interface {
	// Join enters the transfer's overlay. Until Provide is called, the manifest
	// is fetched from peers and told by ManifestFetched. Joining again is no
	// error and keeps what was provided.
	Join(d artifact.Digest, o JoinOptions)
	// Provide, after Join, gives the manifest, which must have digest d and be
	// verified, and the content: what is there, and where spans go.
	Provide(d artifact.Digest, m *artifact.Manifest, c Content)
	// Leave ends the transfer on this node. Calls of the content that are under
	// way may still finish, so content outlives Leave or answers with errors.
	Leave(d artifact.Digest)
	// SpansLost replaces what is known of the provided content's spans by have,
	// which has shrunk: peers are told, and what is missing is fetched again.
	SpansLost(d artifact.Digest, have artifact.Bitset)
	// SetRates bounds the block payload of all transfers together, in place of what
	// the loop was configured with. Neither rate is zero.
	SetRates(download, upload unit.Rate)
	// Limit says how urgent one transfer is, and bounds its block payload, until the
	// next call. A rate of zero lets nothing pass, and withdraws what was requested.
	// After Join it is bandwidth.Normal, and has no bound.
	Limit(d artifact.Digest, rank bandwidth.Rank, download, upload bandwidth.Budget)
	// Notices is what happens in transfers, in order. It has one reader, who must
	// keep reading.
	Notices() <-chan Notice
	// Stats reports on a transfer; false if it is not joined.
	Stats(d artifact.Digest) (Stats, bool)
}

// JoinOptions says how a node takes part in a transfer.
type JoinOptions struct {
	Initial      bool  // this node holds the published source: it is an initial seeder
	ManifestSize int64 // bytes of the encoded manifest, from the artifact's record
}

// Content is the local side of a transfer: spans on disk. It is safe for
// concurrent use.
type Content interface {
	// Have is a copy of the spans that stand on disk, verified.
	Have() artifact.Bitset
	// ReadAt fills buf from byte begin of the span.
	ReadAt(span, begin int, buf []byte) error
	// WriteSpan verifies and stores a whole span.
	WriteSpan(span int, data []byte) error
	// VerifySpan reads a span from disk again and hashes it, whatever is known of
	// its files. An error says that it is not right; wrong bytes are out of Have
	// by then.
	VerifySpan(span int) error
}

// Stats is a transfer in numbers, since Join.
type Stats struct {
	BytesDone int64        // of the provided content, verified and on disk
	Rate      int64        // block payload received, bytes per second over the last second
	Received  api.Received // block payload by where its sender is
	Sent      int64        // block payload
	Peers     int          // connected now
	Visitors  int          // of them, other BitTorrent clients that lack something
	Spans     int          // of the content; 0 before Provide
	Missing   int          // of these, not on disk
	Unserved  int          // of those missing, that no connected peer has
	Role      string       // "representative of ams1, root", "initial seeder", "member"
	// DownBound and UpBound say which limit binds now.
	DownBound, UpBound Bound
	// DownBinding and UpBinding say what a NodeBound is of: the node's own link, or
	// the uplink of a location; and why.
	DownBinding, UpBinding bandwidth.Binding
	// Top are the connected peers that send most, fastest first, at most three.
	Top []api.PeerRate
}

// Bound is a limit that binds.
type Bound uint8

// The bounds: none, that of SetRates or the configuration, that of Limit.
const (
	Unbound Bound = iota
	NodeBound
	TransferBound
)
