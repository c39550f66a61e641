package reconcile

import (
	"bytes"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/agent/internal/once"
)

// What cannot be recorded, as the disk is full, is said once and not with each progress.
func TestAFullDiskIsSaidOnce(t *testing.T) {
	file := t.TempDir() + "/full" // in the way of the directory of records
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var logged bytes.Buffer
	now := time.Now()
	r := &Reconciler{log: slog.New(slog.NewTextHandler(&logged, nil)), cfg: Config{Now: func() time.Time { return now }}, state: &stateDir{dir: file}}
	x := recall(&Record{Name: "site"})
	lines := func(want int, when string) {
		t.Helper()
		if n := strings.Count(logged.String(), "\n"); n != want {
			t.Errorf("%s there are %d lines: %s", when, n, logged.String())
		}
	}
	for range 30 {
		r.save(x)
		now = now.Add(time.Second)
	}
	lines(1, "after half a minute")
	now = now.Add(once.Again)
	r.save(x)
	lines(2, "much later")
}
