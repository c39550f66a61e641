package swarmapi

import "github.com/rackswarm/rackswarm/core/artifact"

// Notice is something that happened in a transfer: one of ManifestFetched,
// Completed, Failed and Asked.
type Notice interface{ notice() }

// ManifestFetched says that peers sent a whole manifest, which has the digest.
// The receiver checks the signature before it calls Provide, or calls Leave.
type ManifestFetched struct {
	Digest   artifact.Digest
	Manifest *artifact.Manifest
}

// Completed says that every span of the provided content is verified and on
// disk. It is sent once after each Provide or SpansLost that left it complete,
// or after the last missing span was written.
type Completed struct{ Digest artifact.Digest }

// Failed says that WriteSpan returned an error that is not the sender's fault,
// such as a full disk. The transfer fetches no more until Leave and Join.
type Failed struct {
	Digest artifact.Digest
	Err    error
}

// Asked says that another BitTorrent client wants an artifact that no transfer
// here offers, by the truncated info-hash of BEP 52. It waits a few seconds for
// Join and Provide.
type Asked struct{ InfoHash [20]byte }

func (ManifestFetched) notice() {}
func (Completed) notice()       {}
func (Failed) notice()          {}
func (Asked) notice()           {}
