package store

import (
	"slices"
	"testing"

	"github.com/rackswarm/rackswarm/core/api"
)

// A record that a node has spoilt, or wrote in another's name, hides no other.
func TestUnsoundRecordsAreLeftOut(t *testing.T) {
	records := map[string]string{
		"a": `{"name":"a"}`, "b": `{"name":"b","labels":{"x":"y"}}`,
		"c": `{"name":`, "d": ``, "e": `[]`, "f": `{"name":"a"}`, "g": `{"name":7}`, "h": `null`,
	}
	nodes := decodeSound(t.Context(), "node", records, func(n api.Node) string { return n.Name })
	var names []string
	for _, n := range nodes {
		names = append(names, n.Name)
	}
	if slices.Sort(names); !slices.Equal(names, []string{"a", "b"}) {
		t.Errorf("nodes %q, want a and b", names)
	}
}
