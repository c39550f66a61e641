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

// PutArtifact records a. Its Seeds come first, in their order, so that Source
// stays the path on the first; seeds that were known before follow.
func (s *Store) PutArtifact(ctx context.Context, a api.Artifact) error {
	args := []any{a.Digest, nil}
	for _, seed := range a.Seeds {
		args = append(args, seed)
	}
	a.Seeds, a.Troubles = nil, nil
	record, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("encode artifact %s: %w", a.Digest, err)
	}
	args[1] = record
	return s.wrap(s.run(ctx, artifactPut, s.artifactKeys(a.Digest), args...).Err(), "record artifact %s", a.Digest)
}

func (s *Store) artifactKeys(digest string) []string {
	return []string{s.keys.artifacts(), s.keys.seeds(digest)}
}

// Artifact returns the artifact of that digest, or ErrNotFound.
func (s *Store) Artifact(ctx context.Context, digest string) (api.Artifact, error) {
	var record *redis.StringCmd
	var seeds seedsRead
	_, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		record = p.HGet(ctx, s.keys.artifacts(), digest)
		seeds = s.readSeeds(ctx, p, digest)
		return nil
	})
	switch {
	case errors.Is(record.Err(), redis.Nil):
		return api.Artifact{}, noArtifact("look up artifact", digest)
	case err != nil:
		return api.Artifact{}, s.wrap(err, "look up artifact %s", digest)
	}
	a, err := decode[api.Artifact]("artifact", digest, record.Val())
	if err != nil {
		return api.Artifact{}, err
	}
	seeds.into(ctx, &a)
	return a, nil
}

// seedsRead are the seeds of an artifact, on their way.
type seedsRead struct {
	names    *redis.StringSliceCmd
	troubles *redis.MapStringStringCmd
}

func (s *Store) readSeeds(ctx context.Context, p redis.Pipeliner, digest string) seedsRead {
	return seedsRead{p.ZRange(ctx, s.keys.seeds(digest), 0, -1), p.HGetAll(ctx, s.keys.troubles(digest))}
}

func (r seedsRead) into(ctx context.Context, a *api.Artifact) {
	a.Seeds = r.names.Val()
	troubles := r.troubles.Val()
	if len(troubles) == 0 {
		return
	}
	a.Troubles = decodeSound(ctx, "trouble of "+a.Digest+" on", troubles, func(t api.SeedTrouble) string { return t.Node })
	slices.SortFunc(a.Troubles, func(x, y api.SeedTrouble) int { return cmp.Compare(x.Node, y.Node) })
}

func noArtifact(op, digest string) error {
	return notFound(op, digest, "no artifact of this digest is published", "publish it, or list the artifacts to see their digests")
}

// Artifacts returns all artifacts, sorted by name, then digest.
func (s *Store) Artifacts(ctx context.Context) ([]api.Artifact, error) {
	records, err := s.client.HGetAll(ctx, s.keys.artifacts()).Result()
	if err != nil {
		return nil, s.wrap(err, "list artifacts")
	}
	all, err := decodeAll[api.Artifact]("artifact", records)
	if err != nil {
		return nil, err
	}
	seeds := make([]seedsRead, len(all))
	_, err = s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, a := range all {
			seeds[i] = s.readSeeds(ctx, p, a.Digest)
		}
		return nil
	})
	if err != nil {
		return nil, s.wrap(err, "list seeds")
	}
	for i := range all {
		seeds[i].into(ctx, &all[i])
	}
	slices.SortFunc(all, func(a, b api.Artifact) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Digest, b.Digest))
	})
	return all, nil
}

// AddSeed records that node holds the published source of the artifact too, or
// returns ErrNotFound.
func (s *Store) AddSeed(ctx context.Context, digest, node string) error {
	found, err := s.run(ctx, seedAdd, s.artifactKeys(digest), digest, node).Bool()
	if err != nil {
		return s.wrap(err, "add seed %s of %s", node, digest)
	}
	if !found {
		return noArtifact("add a seed", digest)
	}
	return nil
}

// RemoveSeed undoes AddSeed. A node that is not a seed is no error.
func (s *Store) RemoveSeed(ctx context.Context, digest, node string) error {
	err := atomically(ctx, s.client, func(p redis.Pipeliner) error {
		p.ZRem(ctx, s.keys.seeds(digest), node)
		p.HDel(ctx, s.keys.troubles(digest), node)
		return nil
	})
	return s.wrap(err, "remove seed %s of %s", node, digest)
}

// PutSeedTrouble records what is wrong with the source on a seed, or, with an
// error without code, that nothing is. It returns ErrNotFound if t.Node is not a
// seed.
func (s *Store) PutSeedTrouble(ctx context.Context, digest string, t api.SeedTrouble) error {
	var record []byte
	if t.Error.Code != "" {
		var err error
		if record, err = json.Marshal(t); err != nil {
			return fmt.Errorf("encode trouble of seed %s of %s: %w", t.Node, digest, err)
		}
	}
	keys := []string{s.keys.seeds(digest), s.keys.troubles(digest)}
	found, err := s.run(ctx, seedTrouble, keys, t.Node, record).Bool()
	if err != nil {
		return s.wrap(err, "record trouble of seed %s of %s", t.Node, digest)
	}
	if !found {
		return notFound("record trouble", t.Node, "the node is no seed of "+digest, "publish it on that node")
	}
	return nil
}

// DeleteArtifact forgets the artifact and its seeds, or returns ErrNotFound.
func (s *Store) DeleteArtifact(ctx context.Context, digest string) error {
	var deleted *redis.IntCmd
	err := atomically(ctx, s.client, func(p redis.Pipeliner) error {
		deleted = p.HDel(ctx, s.keys.artifacts(), digest)
		p.Del(ctx, s.keys.seeds(digest), s.keys.troubles(digest))
		return nil
	})
	if err != nil {
		return s.wrap(err, "delete artifact %s", digest)
	}
	if deleted.Val() == 0 {
		return noArtifact("delete artifact", digest)
	}
	return nil
}
