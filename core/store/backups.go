package store

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/redis/go-redis/v9"

	"github.com/rackswarm/rackswarm/core/api"
)

// PutBackup records b, in place of what stood under its ID.
func (s *Store) PutBackup(ctx context.Context, b api.Backup) error {
	record, err := json.Marshal(b)
	if err != nil {
		return fmt.Errorf("encode backup %s: %w", b.ID, err)
	}
	return s.wrap(s.client.HSet(ctx, s.keys.backups(), b.ID, record).Err(), "record backup %s", b.ID)
}

// Backup returns the backup of that ID, or ErrNotFound.
func (s *Store) Backup(ctx context.Context, id string) (api.Backup, error) {
	record, err := s.client.HGet(ctx, s.keys.backups(), id).Result()
	if errors.Is(err, redis.Nil) {
		return api.Backup{}, noBackup("look up backup", id)
	}
	if err != nil {
		return api.Backup{}, s.wrap(err, "look up backup %s", id)
	}
	return decodeOwn("backup", id, record, backupID)
}

// Backups returns all backups, sorted by database, newest first.
func (s *Store) Backups(ctx context.Context) ([]api.Backup, error) {
	records, err := s.client.HGetAll(ctx, s.keys.backups()).Result()
	if err != nil {
		return nil, s.wrap(err, "list backups")
	}
	all := decodeSound(ctx, "backup", records, backupID)
	slices.SortFunc(all, func(a, b api.Backup) int {
		return cmp.Or(cmp.Compare(a.Database, b.Database), b.TakenAt.Compare(a.TakenAt), cmp.Compare(a.ID, b.ID))
	})
	return all, nil
}

// DeleteBackup forgets the record of the backup, or returns ErrNotFound.
func (s *Store) DeleteBackup(ctx context.Context, id string) error {
	n, err := s.client.HDel(ctx, s.keys.backups(), id).Result()
	if err != nil {
		return s.wrap(err, "delete backup %s", id)
	}
	if n == 0 {
		return noBackup("delete backup", id)
	}
	return nil
}

func backupID(b api.Backup) string { return b.ID }

func noBackup(op, id string) error {
	return notFound(op, id, "there is no backup of this ID", "list the backups to see their IDs")
}
