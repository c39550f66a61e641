package restore

import (
	"path/filepath"
	"testing"

	"github.com/rackswarm/rackswarm/core/api"
)

// Records are not signed, and the name of a run becomes part of paths: with one
// like x/../data, what is removed beside the data would be the data. No node takes
// part in a run whose name is none.
func TestForgedName(t *testing.T) {
	for _, id := range []string{"x/../data", "../data", "x/../../pg/data", "r1/..", ".", "..", "", "a b", "r1+capture", "x\x00y"} {
		for name, r := range map[string]api.Run{
			"member": {Members: []api.RunPart{{Node: "db1", Goal: api.GoalEnd}}, Request: api.RunRequest{Restore: &api.Restore{As: api.AsReplica}}},
			"source": {Source: &api.RunPart{Node: "db1", Goal: api.GoalEnd, Report: api.PartReport{Node: "db1", State: api.PartCaptured}}},
		} {
			t.Run(name+" of "+filepath.Clean(id), func(t *testing.T) {
				w := newWorld(t)
				w.install(toyData{Cluster: "c1", Content: "precious"}, true)
				w.run = r
				w.run.ID, w.run.Phase, w.run.Request.Database = id, api.RunRolling, "main"
				w.open()
				mine, _ := partOf(w.run, "db1")
				if p := w.worker.begin(w.run, mine); p != nil {
					t.Error("the node takes part")
					for range 3 {
						p.step(t.Context(), t.Context(), p.next())
					}
				}
				w.stands("precious", true)
			})
		}
	}
}
