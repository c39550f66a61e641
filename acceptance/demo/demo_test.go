package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
)

func TestNodeLinesSayWhereBytesCameFrom(t *testing.T) {
	st := api.Status{Nodes: []api.NodeStatus{
		{Node: "ams-r2-1", Location: "ams/r2", Phase: api.PhaseFetching, BytesDone: 3 << 20, BytesTotal: 12 << 20, Rate: 1 << 20,
			Received: api.Received{ByLevel: []int64{1 << 10, 2 << 10, 3 << 10}}},
		{Node: "fra-r1-1", Location: "fra/r1", Phase: api.PhasePending},
	}}
	lines := nodeLines(st)
	if len(lines) != 3 {
		t.Fatalf("%d lines for two nodes: %q", len(lines), lines)
	}
	for i, want := range []string{
		"NODE RACK PHASE DONE RATE OWN RACK OWN DC OTHER DC",
		"ams-r2-1 ams/r2 fetching ##........ 25% 1.0 MiB/s 3.0 KiB 2.0 KiB 1.0 KiB",
		"fra-r1-1 fra/r1 pending .......... 0% - - - -",
	} {
		if got := strings.Join(strings.Fields(lines[i]), " "); got != want {
			t.Errorf("line %d is %q, not %q", i, got, want)
		}
	}
}

func TestLinkBoundIsThatOfOneLink(t *testing.T) {
	b := bounds{bytes: 1448 << 10, rate: 1514 << 10} // what a second of full frames carries
	got, err := b.linkBound(newFleet("", t.TempDir()).agents)
	if err != nil || got.Round(time.Millisecond) != time.Second {
		t.Errorf("the bound is %v, %v; one copy over one link takes 1s", got, err)
	}
}

func TestRemoveTreeRemovesReadOnlyDirectories(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tree")
	locked := filepath.Join(dir, "a", "locked")
	if err := os.MkdirAll(locked, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(locked, "f"), nil, 0o444); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(locked, 0o555); err != nil {
		t.Fatal(err)
	}
	if err := removeTree(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(dir); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", dir, err)
	}
}
