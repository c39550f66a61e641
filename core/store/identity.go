package store

import (
	"context"
	"crypto/rand"

	"github.com/redis/go-redis/v9"
)

// identityField is the only field of an identity's hash.
const identityField = "id"

// Identity names the records of artifacts and distributions that the store
// holds. It stays the same as long as they last, and is drawn anew when the
// store answers without it: another database, or one that lost its data. A
// record that is missing was deleted only if the identity is the one under which
// it was seen. It takes one round trip.
func (s *Store) Identity(ctx context.Context) (string, error) {
	var parts []*redis.StringCmd
	_, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, key := range s.keys.identities() {
			p.HSetNX(ctx, key, identityField, rand.Text())
			parts = append(parts, p.HGet(ctx, key, identityField))
		}
		return nil
	})
	if err != nil {
		return "", s.wrap(err, "identify the store")
	}
	return parts[0].Val() + "-" + parts[1].Val(), nil
}
