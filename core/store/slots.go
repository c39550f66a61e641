package store

import (
	"context"
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

// ClaimSlot takes one of slots leases of the group for node, atomically, so that
// there are never more holders than slots (requirement 23). Who holds one gets
// it again, renewed. ok is false when all are held. The number may change from
// call to call: holders of a slot beyond the last number cannot renew, and count
// until their lease ends. Membership is not asked for, but its end is the end of
// the slot too.
func (s *Store) ClaimSlot(ctx context.Context, k GroupKey, node unit.NodeID, slots int, lease time.Duration) (slot int, ok bool, err error) {
	if err := checkName(string(node)); err != nil {
		return 0, false, err
	}
	slot, err = s.run(ctx, groupClaim, s.keys.group(k), s.keys.groupChannel(k), idleMillis(lease),
		string(node), max(0, slots), lease.Milliseconds()).Int()
	if err != nil {
		return 0, false, s.wrap(err, "claim a slot of %s for %s", k, node)
	}
	if slot < 0 {
		return 0, false, nil
	}
	return slot, true, nil
}

// RenewSlot extends the lease. ok is false when node does not hold the slot (any
// more).
func (s *Store) RenewSlot(ctx context.Context, k GroupKey, node unit.NodeID, slot int, lease time.Duration) (ok bool, err error) {
	ok, err = s.run(ctx, groupRenew, s.keys.group(k), s.keys.groupChannel(k), idleMillis(lease),
		string(node), slot, lease.Milliseconds()).Bool()
	return ok, s.wrap(err, "renew slot %d of %s for %s", slot, k, node)
}

// ReleaseSlot frees the slot if node holds it.
func (s *Store) ReleaseSlot(ctx context.Context, k GroupKey, node unit.NodeID, slot int) error {
	err := s.run(ctx, groupRelease, s.keys.group(k), s.keys.groupChannel(k), idleMillis(0), string(node), slot).Err()
	return s.wrap(err, "release slot %d of %s for %s", slot, k, node)
}
