package store

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/rackswarm/rackswarm/core/api"
)

// maxReport bounds the JSON of one report, in bytes: a driver may say much, and
// all who lead the run read it.
const maxReport = 64 << 10

// PutPartReport replaces the report of node p.Node on its part in a run; a node
// has one part in a run. Watchers to whom the run was added hear of it. It is
// ErrNotFound if there is no such run (any more), and an *api.Error with
// CodeInvalid if the report takes more than 64 KiB.
func (s *Store) PutPartReport(ctx context.Context, run string, p api.PartReport) error {
	record, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("encode report of %s on run %s: %w", p.Node, run, err)
	}
	if len(record) > maxReport {
		return &api.Error{
			Code: api.CodeInvalid, Subject: p.Node,
			Message: fmt.Sprintf("the report on run %s takes %d bytes; at most %d are kept", run, len(record), maxReport),
			Fix:     "shorten what the database's driver says",
		}
	}
	keys := []string{s.keys.runs(), s.keys.reports(run)}
	stands, err := s.run(ctx, partReport, keys, s.keys.reportsChannel(run), run, p.Node, record).Bool()
	if err != nil {
		return s.wrap(err, "report part of %s in run %s", p.Node, run)
	}
	if !stands {
		return noRun("report a part", run)
	}
	return nil
}

// PartReports returns the last report of every node that made one on the run,
// sorted by node.
func (s *Store) PartReports(ctx context.Context, run string) ([]api.PartReport, error) {
	records, err := s.client.HGetAll(ctx, s.keys.reports(run)).Result()
	if err != nil {
		return nil, s.wrap(err, "list reports on run %s", run)
	}
	return decodeReports(ctx, run, records), nil
}

func decodeReports(ctx context.Context, run string, records map[string]string) []api.PartReport {
	all := decodeSound(ctx, "report on run "+run+" of", records, func(p api.PartReport) string { return p.Node })
	slices.SortFunc(all, func(a, b api.PartReport) int { return byReporter(a, b.Node) })
	return all
}

func byReporter(p api.PartReport, node string) int { return cmp.Compare(p.Node, node) }
