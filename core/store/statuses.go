package store

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/rackswarm/rackswarm/core/api"
)

// keepStatuses is how long reports outlive the last one, so that a late report
// on a deleted distribution does not stay for good. Nodes repeat their report
// more often than that, changed or not.
const keepStatuses = 30 * 24 * time.Hour

// PutStatus replaces the report of node st.Node on distribution dist.
func (s *Store) PutStatus(ctx context.Context, dist string, st api.NodeStatus) error {
	record, err := json.Marshal(st)
	if err != nil {
		return fmt.Errorf("encode status of %s on %s: %w", dist, st.Node, err)
	}
	err = atomically(ctx, s.client, func(p redis.Pipeliner) error {
		p.HSet(ctx, s.keys.status(dist), st.Node, record)
		p.PExpire(ctx, s.keys.status(dist), keepStatuses)
		return nil
	})
	return s.wrap(err, "report status of %s on %s", dist, st.Node)
}

// AnnounceStatus hints to those who follow dist that a report on it says more than
// other numbers: it costs the store a message for each of them.
func (s *Store) AnnounceStatus(ctx context.Context, dist string) error {
	return s.wrap(s.client.Publish(ctx, s.keys.statusChannel(dist), "").Err(), "announce a status of %s", dist)
}

// StatusHints returns where something can be received after AnnounceStatus of dist
// or a change of distributions, until ctx ends. Hints that are not taken are one.
// Some may be lost: look now and then without. It takes a connection.
func (s *Store) StatusHints(ctx context.Context, dist string) <-chan struct{} {
	hints := make(chan struct{}, 1)
	go func() {
		pubsub := s.client.Subscribe(ctx, s.keys.statusChannel(dist), s.keys.distributionsChannel())
		defer pubsub.Close()
		for messages := pubsub.Channel(); ; {
			select {
			case <-ctx.Done():
				return
			case _, ok := <-messages:
				if !ok {
					return
				}
				kick(hints)
			}
		}
	}()
	return hints
}

// Statuses returns the last report of every node that made one on dist, sorted
// by location, then name.
func (s *Store) Statuses(ctx context.Context, dist string) ([]api.NodeStatus, error) {
	records, err := s.client.HGetAll(ctx, s.keys.status(dist)).Result()
	if err != nil {
		return nil, s.wrap(err, "list statuses of %s", dist)
	}
	all := decodeSound(ctx, "status of "+dist+" on", records, func(s api.NodeStatus) string { return s.Node })
	slices.SortFunc(all, func(a, b api.NodeStatus) int {
		return cmp.Or(cmp.Compare(a.Location, b.Location), cmp.Compare(a.Node, b.Node))
	})
	return all, nil
}

// DeleteStatuses drops all reports on dist. None there is no error.
func (s *Store) DeleteStatuses(ctx context.Context, dist string) error {
	return s.wrap(s.client.Del(ctx, s.keys.status(dist)).Err(), "delete statuses of %s", dist)
}
