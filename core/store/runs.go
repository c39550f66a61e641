package store

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/rackswarm/rackswarm/core/api"
)

// CreateRun records r, as its Generation 1, unless a run of its ID stands: of
// many who try, one creates it. It returns the run that stands then, without
// reports, and whether it is r. Watchers hear of a new one. After an answer that
// was lost on the way, created may be false although r is what stands.
func (s *Store) CreateRun(ctx context.Context, r api.Run) (stands api.Run, created bool, err error) {
	r.Generation = 1
	record, err := encodeRun(r)
	if err != nil {
		return api.Run{}, false, err
	}
	old, err := s.run(ctx, runCreate, s.keys.run(r.ID), s.keys.runsChannel(), r.ID, record).Text()
	switch {
	case errors.Is(err, redis.Nil):
		return r, true, nil
	case err != nil:
		return api.Run{}, false, s.wrap(err, "create run %s", r.ID)
	}
	stands, err = decodeRun(r.ID, old)
	return stands, false, err
}

// PutRun replaces the record of r, whose Generation is the one that was read, and
// returns r with the next Generation. It is ErrContended if another has written
// the record meanwhile, or an answer was lost on the way: read the run again. It
// is ErrNotFound if the run was deleted. What the parts report and who is
// unreachable is not recorded. Watchers hear of it.
func (s *Store) PutRun(ctx context.Context, r api.Run) (api.Run, error) {
	read := r.Generation
	r.Generation++
	record, err := encodeRun(r)
	if err != nil {
		return api.Run{}, err
	}
	stood, err := s.run(ctx, runPut, s.keys.run(r.ID), s.keys.runsChannel(), r.ID, record, read).Text()
	switch {
	case errors.Is(err, redis.Nil):
		return api.Run{}, noRun("record run", r.ID)
	case err != nil:
		return api.Run{}, s.wrap(err, "record run %s", r.ID)
	case stood != strconv.FormatInt(read, 10):
		return api.Run{}, contended("record run", r.ID, "another has changed the run meanwhile", "read it again")
	}
	return r, nil
}

// UpdateRun changes a run: fn gets what Run returns and decides what it becomes.
// It may be called several times and must have no side effects. An fn that
// changes nothing writes nothing; its error ends the update and is returned as it
// is. The result is the run as it stands then. Other errors are those of Run and,
// after many attempts, ErrContended.
func (s *Store) UpdateRun(ctx context.Context, id string, fn func(api.Run) (api.Run, error)) (api.Run, error) {
	for attempt := 1; ; attempt++ {
		old, err := s.Run(ctx, id)
		if err != nil {
			return api.Run{}, err
		}
		next, err := s.updateRunOnce(ctx, old, fn)
		if !errors.Is(err, ErrContended) || attempt == maxAttempts {
			return next, err
		}
		if err := backOff(ctx, attempt); err != nil {
			return api.Run{}, fmt.Errorf("update run %s: %w", id, err)
		}
	}
}

// updateRunOnce compares what is written, as fn may change what old points to.
func (s *Store) updateRunOnce(ctx context.Context, old api.Run, fn func(api.Run) (api.Run, error)) (api.Run, error) {
	before, err := encodeRun(old)
	if err != nil {
		return api.Run{}, err
	}
	next, err := fn(old)
	if err != nil {
		return api.Run{}, err
	}
	next.ID, next.Generation = old.ID, old.Generation
	after, err := encodeRun(next)
	if err != nil || after == before {
		return next, err
	}
	return s.PutRun(ctx, next)
}

// Run returns the run with what its parts reported last, or ErrNotFound.
func (s *Store) Run(ctx context.Context, id string) (api.Run, error) {
	var record *redis.StringCmd
	var reports *redis.MapStringStringCmd
	err := atomically(ctx, s.client, func(p redis.Pipeliner) error {
		record = p.HGet(ctx, s.keys.runs(), id)
		reports = p.HGetAll(ctx, s.keys.reports(id))
		return nil
	})
	switch {
	case errors.Is(err, redis.Nil):
		return api.Run{}, noRun("look up run", id)
	case err != nil:
		return api.Run{}, s.wrap(err, "look up run %s", id)
	}
	r, err := decodeRun(id, record.Val())
	if err != nil {
		return api.Run{}, err
	}
	merge(&r, decodeReports(ctx, id, reports.Val()))
	return r, nil
}

// Runs returns all runs, newest first, without the reports of their parts.
func (s *Store) Runs(ctx context.Context) ([]api.Run, error) {
	records, err := s.client.HGetAll(ctx, s.keys.runs()).Result()
	if err != nil {
		return nil, s.wrap(err, "list runs")
	}
	for id, record := range records {
		_, records[id], _ = strings.Cut(record, " ")
	}
	all := decodeSound(ctx, "run", records, runID)
	slices.SortFunc(all, func(a, b api.Run) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	return all, nil
}

// DeleteRun forgets the run and its reports, or returns ErrNotFound. Watchers
// hear of it.
func (s *Store) DeleteRun(ctx context.Context, id string) error {
	deleted, err := s.run(ctx, runDelete, s.keys.run(id), s.keys.runsChannel(), id).Bool()
	if err != nil {
		return s.wrap(err, "delete run %s", id)
	}
	if !deleted {
		return noRun("delete run", id)
	}
	return nil
}

func noRun(op, id string) error {
	return notFound(op, id, "there is no run of this ID", "list the runs to see their IDs")
}

// encodeRun writes the record of r: its generation, so that scripts need not read
// the rest, and r without what the parts report, which is kept apart, and without
// who is unreachable, which is not kept.
func encodeRun(r api.Run) (string, error) {
	r.Members = slices.Clone(r.Members)
	if r.Source != nil {
		source := *r.Source
		r.Source = &source
	}
	for _, p := range r.Parts() {
		p.Report, p.Unreachable = api.PartReport{}, false
	}
	record, err := json.Marshal(r)
	if err != nil {
		return "", fmt.Errorf("encode run %s: %w", r.ID, err)
	}
	return strconv.FormatInt(r.Generation, 10) + " " + string(record), nil
}

// decodeRun reads what encodeRun wrote.
func decodeRun(id, record string) (api.Run, error) {
	_, text, _ := strings.Cut(record, " ")
	return decodeOwn("run", id, text, runID)
}

func runID(r api.Run) string { return r.ID }

// merge gives each part of r the report of its node.
func merge(r *api.Run, reports []api.PartReport) {
	for _, p := range r.Parts() {
		if i, found := slices.BinarySearchFunc(reports, p.Node, byReporter); found {
			p.Report = reports[i]
		}
	}
}
