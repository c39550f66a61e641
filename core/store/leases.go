package store

import (
	"context"
	"time"
)

// Lease takes the lease of that name for owner, or renews it, for ttl of at least
// a millisecond on the store's clock, and reports whether owner holds it. Count
// ttl from before the call. A lease keeps two from doing the same work, no more:
// a store that lost it, or an owner that was held up, lets two believe that they
// hold it, so what they write must stand up to that, as PutRun does.
func (s *Store) Lease(ctx context.Context, name, owner string, ttl time.Duration) (held bool, err error) {
	held, err = s.run(ctx, leaseTake, []string{s.keys.lease(name)}, owner, ttl.Milliseconds()).Bool()
	return held, s.wrap(err, "take the lease %s for %s", name, owner)
}

// ReleaseLease frees the lease if owner holds it.
func (s *Store) ReleaseLease(ctx context.Context, name, owner string) error {
	err := s.run(ctx, leaseRelease, []string{s.keys.lease(name)}, owner).Err()
	return s.wrap(err, "release the lease %s of %s", name, owner)
}
