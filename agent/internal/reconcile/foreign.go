package reconcile

import "github.com/rackswarm/rackswarm/core/artifact"

// asked offers what this node holds of an artifact that another BitTorrent client
// wants, if anything.
func (r *Reconciler) asked(infoHash [20]byte) {
	for d := range r.heldDigests() {
		if d.Short() != infoHash {
			continue
		}
		if t := r.transfers[d]; t == nil || t.idle() {
			r.seed(d)
		}
	}
}

// visited reports whether another client is connected that still needs something:
// it counts like a node that does.
func (r *Reconciler) visited(d artifact.Digest) bool {
	stats, ok := r.cfg.Swarm.Stats(d)
	return ok && stats.Visitors > 0
}
