package store

import (
	"encoding/json"
	"fmt"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/unit"
)

// decodeAll decodes the values of a hash, in no order.
func decodeAll[T any](kind string, records map[string]string) ([]T, error) {
	all := make([]T, 0, len(records))
	for name, record := range records {
		v, err := decode[T](kind, name, record)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
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
