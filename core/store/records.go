package store

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/unit"
)

// decodeMap decodes the values of a hash, by their fields.
func decodeMap[T any](kind string, records map[string]string) (map[string]T, error) {
	all := make(map[string]T, len(records))
	for name, record := range records {
		v, err := decode[T](kind, name, record)
		if err != nil {
			return nil, err
		}
		all[name] = v
	}
	return all, nil
}

// decodeAll decodes the values of a hash, in no order.
func decodeAll[T any](kind string, records map[string]string) ([]T, error) {
	all, err := decodeMap[T](kind, records)
	if err != nil {
		return nil, err
	}
	return slices.Collect(maps.Values(all)), nil
}

// decodeSound decodes records that one must be able to do without: every node may
// write there, so what does not decode, or speaks of another name than its own, is left out:
// it must not hide what the others say.
func decodeSound[T any](ctx context.Context, kind string, records map[string]string, name func(T) string) []T {
	all := make([]T, 0, len(records))
	for key, record := range records {
		v, err := decodeOwn(kind, key, record, name)
		if err != nil {
			slog.DebugContext(ctx, "record left out", "error", err)
			continue
		}
		all = append(all, v)
	}
	return all
}

// decodeOwn decodes a record that must speak of what it stands for.
func decodeOwn[T any](kind, key, record string, name func(T) string) (T, error) {
	v, err := decode[T](kind, key, record)
	if err == nil && name(v) != key {
		err = fmt.Errorf("the record of %s %s speaks of %q", kind, key, name(v))
	}
	return v, err
}

func decode[T any](kind, name, record string) (T, error) {
	var v T
	if err := json.Unmarshal([]byte(record), &v); err != nil {
		return v, fmt.Errorf("decode the record of %s %s: %w", kind, name, err)
	}
	return v, nil
}

// checkName refuses node names that scripts could not quote.
func checkName(name string) error {
	if _, err := unit.ParseNodeID(name); err != nil {
		return &api.Error{Code: api.CodeInvalid, Subject: "node.name", Message: err.Error(), Fix: "change the node's name"}
	}
	return nil
}
