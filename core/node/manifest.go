package node

import (
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
	"github.com/rackswarm/rackswarm/core/wire"
)

// A manifest is fetched from one peer at a time, in chunks, of which manifestAhead
// bytes are asked for before they are here: it may have hundreds of them, and the
// peer may be far away. A peer that refuses is asked again after manifestRetry,
// one that is silent is left after manifestTimeout.
const (
	manifestAhead   = 4 * wire.MaxManifestChunk
	manifestRetry   = 200 * time.Millisecond
	manifestTimeout = 10 * time.Second
)

// manifestFetch is the state of getting the manifest from peers.
type manifestFetch struct {
	limit   int64
	from    unit.NodeID // "" while nobody is asked
	buf     []byte
	asked   int64 // bytes that were asked of from, from the beginning
	askedAt unit.Time
	tries   int                       // chooses the next peer
	refused map[unit.NodeID]unit.Time // not to be asked before
	handed  bool                      // the whole was handed over and is being verified
}

func newManifestFetch(size int64) *manifestFetch {
	if size <= 0 || size > wire.MaxManifest {
		size = wire.MaxManifest
	}
	return &manifestFetch{limit: size, refused: map[unit.NodeID]unit.Time{}}
}

func (f *manifestFetch) peerLeft(peer unit.NodeID) {
	if f.from == peer && !f.handed {
		f.from, f.buf = "", nil
	}
}

func (f *manifestFetch) nextDeadline(peers int) unit.Time {
	switch {
	case f == nil || peers == 0 || f.handed:
		return unit.Never
	case f.from != "":
		return f.askedAt.Add(manifestTimeout)
	}
	return f.askedAt.Add(manifestRetry)
}

// fetchManifest asks the next peer if nobody is being asked.
func (t *transfer) fetchManifest(now unit.Time, out []Action) []Action {
	f := t.manifest
	if f == nil || f.handed || t.down.closed() {
		return out
	}
	if f.from != "" && now.Sub(f.askedAt) >= manifestTimeout {
		f.refused[f.from] = now.Add(manifestTimeout)
		f.from, f.buf = "", nil
	}
	if f.from != "" {
		return out
	}
	f.askedAt = now
	ids := sortedKeys(t.peers)
	for i := range ids {
		peer := ids[(f.tries+i)%len(ids)]
		if !f.refused[peer].Reached(now) {
			continue
		}
		f.tries++
		f.from, f.asked = peer, 0
		return t.askManifest(1, out)
	}
	return out
}

// askManifest asks for more chunks until at least the first bytes, as many as
// end says, were asked for.
func (t *transfer) askManifest(end int64, out []Action) []Action {
	f := t.manifest
	for ; f.asked < end; f.asked += wire.MaxManifestChunk {
		out = t.send(f.from, wire.ManifestRequest{Offset: uint32(f.asked), Length: wire.MaxManifestChunk}, out)
	}
	return out
}

func (t *transfer) manifestData(now unit.Time, peer unit.NodeID, msg wire.ManifestData, out []Action) []Action {
	f := t.manifest
	if f == nil || f.handed || f.from != peer {
		return out
	}
	total := int64(msg.Total)
	if total > f.limit {
		// The record in the store may be as wrong as the peer: no reason to ban it.
		f.from, f.buf = "", nil
		f.refused[peer] = now.Add(manifestTimeout)
		return t.fetchManifest(now, out)
	}
	if total == 0 || int(msg.Offset) != len(f.buf) || len(msg.Data) == 0 ||
		int64(len(f.buf)+len(msg.Data)) > total {
		return t.badManifest(now, peer, "sent a manifest of the wrong size", out)
	}
	f.buf, f.askedAt = append(f.buf, msg.Data...), now
	if have := int64(len(f.buf)); have < total {
		return t.askManifest(min(total, have+manifestAhead), out)
	}
	f.handed = true
	return append(out, ManifestFetched{t.digest, f.buf})
}

// manifestBad handles a manifest that failed verification.
func (t *transfer) manifestBad(now unit.Time, out []Action) []Action {
	if t.manifest == nil || !t.manifest.handed {
		return out
	}
	return t.badManifest(now, t.manifest.from, "sent a manifest that failed verification", out)
}

func (t *transfer) badManifest(now unit.Time, peer unit.NodeID, reason string, out []Action) []Action {
	f := t.manifest
	f.from, f.buf, f.handed = "", nil, false
	out = append(out, Hangup{Transfer: t.digest, Peer: peer, Reason: reason, Ban: true})
	return t.disconnected(now, peer, out)
}

func (t *transfer) manifestRefused(now unit.Time, peer unit.NodeID, out []Action) []Action {
	f := t.manifest
	if f == nil || f.from != peer || f.handed {
		return out
	}
	wait := manifestRetry
	if f.buf != nil { // more answers of this peer are on their way
		wait = manifestTimeout
	}
	f.from, f.buf = "", nil
	f.refused[peer] = now.Add(wait)
	return t.fetchManifest(now, out)
}

// manifestWanted serves the manifest if it is known here, which may be long
// before the content is prepared.
func (t *transfer) manifestWanted(peer unit.NodeID, msg wire.ManifestRequest, out []Action) []Action {
	if !t.known {
		return t.send(peer, wire.ManifestReject{}, out)
	}
	return append(out, SendManifest{t.digest, peer, msg.Offset, msg.Length})
}
