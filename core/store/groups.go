package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/rackswarm/rackswarm/core/overlay"
	"github.com/rackswarm/rackswarm/core/unit"
)

// JoinGroup makes m a member for ttl, or refreshes it. Watchers hear of a new
// or changed record, not of a refresh.
func (s *Store) JoinGroup(ctx context.Context, k GroupKey, m overlay.Member, ttl time.Duration) error {
	if err := checkName(string(m.Node)); err != nil {
		return err
	}
	record, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode member %s: %w", m.Node, err)
	}
	err = s.run(ctx, groupJoin, s.keys.group(k), s.keys.groupChannel(k), idleMillis(ttl),
		string(m.Node), record, ttl.Milliseconds()).Err()
	return s.wrap(err, "join group %s as %s", k, m.Node)
}

// LeaveGroup ends the membership of node and frees its slot. Not being a member
// is no error.
func (s *Store) LeaveGroup(ctx context.Context, k GroupKey, node unit.NodeID) error {
	err := s.run(ctx, groupLeave, s.keys.group(k), s.keys.groupChannel(k), idleMillis(0), string(node)).Err()
	return s.wrap(err, "leave group %s as %s", k, node)
}

// Group returns the members and slot holders of now: what has expired is
// dropped first, and watchers hear of it. A group nobody joined is empty, at
// version 0. Slots ends with the highest slot that is held.
func (s *Store) Group(ctx context.Context, k GroupKey) (overlay.Group, error) {
	v, _, err := s.snapshot(ctx, k, noVersion)
	if err != nil {
		return overlay.Group{}, err
	}
	return v.group(k), nil
}

// noVersion is the version of no snapshot.
const noVersion = -1

// snapshot reads the group unless its version still is have; ok says whether it
// has read.
func (s *Store) snapshot(ctx context.Context, k GroupKey, have int64) (v view, ok bool, err error) {
	reply, err := s.run(ctx, groupSnapshot, s.keys.group(k), s.keys.groupChannel(k), idleMillis(0), have).StringSlice()
	if err != nil {
		return view{}, false, s.wrap(err, "read group %s", k)
	}
	if len(reply) < 2 {
		return view{}, false, nil
	}
	v, err = parseSnapshot(reply)
	if err != nil {
		return view{}, false, fmt.Errorf("read group %s: %w", k, err)
	}
	return v, true, nil
}
