package store

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/unit"
)

// PendingNode is a node that still needs an artifact.
type PendingNode struct {
	Node     unit.NodeID
	Location unit.Location
}

// SetPending records for ttl that node needs the artifact d (requirement 28).
// Watchers hear Demand when it is the first or the second.
func (s *Store) SetPending(ctx context.Context, d artifact.Digest, node unit.NodeID, loc unit.Location, ttl time.Duration) error {
	if err := checkName(string(node)); err != nil {
		return err
	}
	err := s.run(ctx, pendingSet, s.keys.pending(d), s.keys.demandChannel(), d.String(),
		string(node), string(loc), ttl.Milliseconds(), idleMillis(ttl)).Err()
	return s.wrap(err, "record that %s needs %s", node, d)
}

// ClearPending records that node needs d no longer. Watchers hear Demand when
// it was the last or the last but one.
func (s *Store) ClearPending(ctx context.Context, d artifact.Digest, node unit.NodeID) error {
	err := s.run(ctx, pendingClear, s.keys.pending(d), s.keys.demandChannel(), d.String(), string(node)).Err()
	return s.wrap(err, "record that %s needs %s no longer", node, d)
}

// Pending returns who needs d now, sorted by node.
func (s *Store) Pending(ctx context.Context, d artifact.Digest) ([]PendingNode, error) {
	flat, err := s.run(ctx, pendingList, s.keys.pending(d), s.keys.demandChannel(), d.String()).StringSlice()
	if err != nil {
		return nil, s.wrap(err, "list who needs %s", d)
	}
	nodes := make([]PendingNode, 0, len(flat)/2)
	for i := 0; i+1 < len(flat); i += 2 {
		nodes = append(nodes, PendingNode{unit.NodeID(flat[i]), unit.Location(flat[i+1])})
	}
	slices.SortFunc(nodes, func(a, b PendingNode) int { return cmp.Compare(a.Node, b.Node) })
	return nodes, nil
}
