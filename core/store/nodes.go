package store

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
)

// PutNode records that n is there, for ttl, and makes it known for good. The
// caller sets LastSeen; Alive is not stored.
func (s *Store) PutNode(ctx context.Context, n api.Node, ttl time.Duration) error {
	if err := checkName(n.Name); err != nil {
		return err
	}
	n.Alive = false
	record, err := json.Marshal(n)
	if err != nil {
		return fmt.Errorf("encode node %s: %w", n.Name, err)
	}
	keys := []string{s.keys.nodesKnown(), s.keys.nodesAlive()}
	return s.wrap(s.run(ctx, nodePut, keys, n.Name, record, ttl.Milliseconds()).Err(), "record node %s", n.Name)
}

// Nodes returns every node that was ever recorded and not forgotten, sorted by
// name. Alive says whether its record has not expired.
func (s *Store) Nodes(ctx context.Context) ([]api.Node, error) {
	known, err := s.client.HGetAll(ctx, s.keys.nodesKnown()).Result()
	if err != nil {
		return nil, s.wrap(err, "list nodes")
	}
	alive, err := s.run(ctx, nodeAlive, []string{s.keys.nodesAlive()}).StringSlice()
	if err != nil {
		return nil, s.wrap(err, "list nodes that are alive")
	}
	nodes := decodeSound(ctx, "node", known, func(n api.Node) string { return n.Name })
	slices.Sort(alive)
	for i := range nodes {
		_, nodes[i].Alive = slices.BinarySearch(alive, nodes[i].Name)
	}
	slices.SortFunc(nodes, func(a, b api.Node) int { return cmp.Compare(a.Name, b.Name) })
	return nodes, nil
}

// RemoveNode drops the record that says the node is alive: a clean shutdown. It
// stays known.
func (s *Store) RemoveNode(ctx context.Context, name string) error {
	return s.wrap(s.client.ZRem(ctx, s.keys.nodesAlive(), name).Err(), "sign off node %s", name)
}

// ForgetNode makes the node unknown. One that is alive comes back with its next
// PutNode. ErrNotFound if it was not known.
func (s *Store) ForgetNode(ctx context.Context, name string) error {
	if err := s.RemoveNode(ctx, name); err != nil {
		return err
	}
	n, err := s.client.HDel(ctx, s.keys.nodesKnown(), name).Result()
	if err != nil {
		return s.wrap(err, "forget node %s", name)
	}
	if n == 0 {
		return notFound("forget node", name, "no node of this name is known", "list the nodes to see their names")
	}
	return nil
}
