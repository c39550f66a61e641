package loop

import (
	"context"
	"slices"
	"testing"

	"github.com/rackswarm/rackswarm/core/unit"
)

// What a store that answers slowly is to be told does not pile up, and is told
// in order.
func TestRecordsForASlowStore(t *testing.T) {
	tr := &transfer{records: newQueue[record]()}
	var done []string
	put := func(kind recordKind, at unit.Location, what string) {
		tr.record(kind, at, func(context.Context) { done = append(done, what) })
	}
	for range 100 {
		put(recordJoin, "a", "old record in a")
		put(recordClaim, "a", "old claim")
	}
	put(recordJoin, "a", "join a")
	put(recordClaim, "a", "claim a")
	put(recordJoin, "", "join the root")
	for range 100 {
		put(recordLeave, "a", "leave a")
		put(recordJoin, "", "join the root with a newer record")
	}
	put(recordJoin, "a", "join a again")
	tr.records.close()
	for r, ok := tr.records.take(t.Context()); ok; r, ok = tr.records.take(t.Context()) {
		r.do(t.Context())
	}
	want := []string{"join a", "claim a", "join the root with a newer record", "leave a", "join a again"}
	if !slices.Equal(done, want) {
		t.Errorf("done: %q, want %q", done, want)
	}
}
