package store

import (
	"context"
	"crypto/rand"
	"strings"
)

// identityField is the only field of an identity's hash.
const identityField = "id"

// Identity names the records of artifacts and distributions that the store
// holds. It stays the same as long as they last, and is drawn anew when the
// store answers without it: another database, or one that lost its data. A
// record that is missing was deleted only if the identity is the one under which
// it was seen.
func (s *Store) Identity(ctx context.Context) (string, error) {
	var parts []string
	for _, key := range s.keys.identities() {
		if err := s.client.HSetNX(ctx, key, identityField, rand.Text()).Err(); err != nil {
			return "", s.wrap(err, "identify the store")
		}
		id, err := s.client.HGet(ctx, key, identityField).Result()
		if err != nil {
			return "", s.wrap(err, "identify the store")
		}
		parts = append(parts, id)
	}
	return strings.Join(parts, "-"), nil
}
