package restore_test

import (
	"testing"

	"github.com/rackswarm/rackswarm/core/api"
	. "github.com/rackswarm/rackswarm/core/restore"
)

// A store that begins anew knows for a moment of no node that is up: what was
// captured waits for those that shall keep it, but not for good.
func TestCaptureWaitsForNodes(t *testing.T) {
	run := api.Run{ID: "r", Phase: api.RunCapturing, PhaseSince: start,
		Request: api.RunRequest{Database: "main", Source: "db", Copies: &api.Copies{Count: 1, Path: "/srv"}},
		Source: &api.RunPart{Node: "db", Goal: api.GoalCapture,
			Report: api.PartReport{State: api.PartCaptured, Digest: "d", Content: &api.BackupContent{}}}}
	v := View{Run: run, Nodes: []api.Node{{Name: "db"}, {Name: "keep"}}, Now: start}
	waits, actions := Advance(v)
	if waits.Phase != api.RunCapturing || waits.Error != nil || len(actions) != 0 {
		t.Fatalf("with nobody there: %+v, %v", waits, actions)
	}
	v.Run, v.Now = waits, start.Add(LostAfter-1)
	if wake := Wake(v); !wake.Equal(start.Add(LostAfter)) {
		t.Errorf("wakes at %v", wake)
	}
	back := v
	back.Nodes = []api.Node{{Name: "db", Alive: true}, {Name: "keep", Alive: true}}
	if r, _ := Advance(back); r.Phase != api.RunCopying || !r.TroubleSince.IsZero() || r.Backup.Copies[0] != "keep" {
		t.Errorf("when they are back: %+v", r)
	}
	v.Now = start.Add(LostAfter)
	if r, _ := Advance(v); r.Phase != api.RunCleaning || r.Error == nil || r.Error.Code != api.CodeNoTargets {
		t.Errorf("when nobody comes back: %+v", r)
	}
}
