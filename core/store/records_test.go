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

// Records that no server makes neither hold nor limit anybody.
func TestControlsThatAreNoneAreLeftOut(t *testing.T) {
	holds := decodeHolds(t.Context(), map[string]string{
		"*":     `{}`,
		"a":     `{"kind":"later","distribution":"a"}`,
		"b":     `{"kind":"pause","distribution":"b","node":"n"}`,
		"sound": `{"kind":"stop","distribution":"sound"}`,
	})
	if len(holds) != 1 || holds[0].Distribution != "sound" {
		t.Errorf("holds %v", holds)
	}
	if all := decodeHolds(t.Context(), map[string]string{"*": `{"kind":"stop","all":true}`}); len(all) != 0 {
		t.Errorf("holds %v", all)
	}
	if all := decodeHolds(t.Context(), map[string]string{"*": `{"kind":"pause","all":true}`}); len(all) != 1 {
		t.Errorf("holds %v", all)
	}
	limits := decodeLimits(t.Context(), map[string]string{
		"zero":     `{"name":"zero","download":0}`,
		"negative": `{"name":"negative","upload":-1}`,
		"none":     `{"name":"none"}`,
		"sound":    `{"name":"sound","upload":1}`,
	})
	if len(limits) != 1 || limits[0].Name != "sound" {
		t.Errorf("limits %v", limits)
	}
}
