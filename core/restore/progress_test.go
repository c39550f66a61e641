package restore_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/rackswarm/rackswarm/core/api"
	. "github.com/rackswarm/rackswarm/core/restore"
)

// While the content is copied, a run shows of each node that gets it how far it is,
// at which rate, and what it waits for.
func TestFetching(t *testing.T) {
	nodes := []api.Node{{Name: "keep2", Location: "ams1/r4", Alive: true}, {Name: "keep1", Alive: true}}
	run := api.Run{ID: "r1", Phase: api.RunCopying, PhaseSince: start, Request: api.RunRequest{Database: "main", Source: "db1", Restore: &api.Restore{As: api.AsReplica}},
		Backup:        &api.Backup{ID: "b1", Digest: "sha256:aa", SizeBytes: 900, Distribution: "backup-b1", Copies: []string{"keep1", "keep2"}},
		Distributions: []string{"backup-b1"}}
	for _, name := range []string{"db2", "db3", "db4"} {
		nodes = append(nodes, api.Node{Name: name, Alive: true})
		run.Members = append(run.Members, api.RunPart{Node: name, Goal: api.GoalProbe, Report: api.PartReport{Node: name, State: api.PartProbed,
			Probe: &api.DatabaseState{DataDir: "/srv/pg/data"}}})
	}
	run, _ = Advance(View{Run: run, Nodes: nodes, Now: start}) // names the distribution of the members
	if len(run.Distributions) != 2 {
		t.Fatalf("distributions %q", run.Distributions)
	}
	statuses := map[string][]api.NodeStatus{}
	for _, name := range run.Distributions {
		if name == run.Backup.Distribution {
			statuses[name] = []api.NodeStatus{{Node: "keep1", Phase: api.PhaseFetching, BytesTotal: 900, BytesDone: 300, Rate: 30}}
			continue
		}
		statuses[name] = []api.NodeStatus{
			{Node: "db2", Phase: api.PhaseFetching, BytesTotal: 900, BytesDone: 100, Rate: 10, Waiting: "no peer has 3 of 40 spans"},
			{Node: "db3", Phase: api.PhaseInstalled, BytesTotal: 900, BytesDone: 900, Installed: run.Backup.Digest},
		}
	}
	before := run
	got := Fetching(run, statuses, nodes)
	for i, want := range []struct {
		doing    string
		progress api.Progress
	}{
		{"copying, waiting: no peer has 3 of 40 spans", api.Progress{Stage: StageCopy, Done: 100, Total: 900, Rate: 10}},
		{"copied, waiting for the other nodes", api.Progress{Stage: StageCopy, Done: 900, Total: 900}},
		{"copying", api.Progress{Stage: StageCopy, Total: run.Backup.SizeBytes}},
	} {
		if r := got.Members[i].Report; r.Doing != want.doing || r.Progress == nil || *r.Progress != want.progress {
			t.Errorf("%s: %q %+v, want %q %+v", got.Members[i].Node, r.Doing, r.Progress, want.doing, want.progress)
		}
	}
	if len(got.Copying) != 2 || got.Copying[0].Rate != 30 || got.Copying[1].Node != "keep2" || got.Copying[1].Phase != api.PhasePending ||
		got.Copying[1].BytesTotal != run.Backup.SizeBytes || got.Copying[1].Location != "ams1/r4" || got.Copying[1].Unreachable {
		t.Errorf("copies: %+v", got.Copying)
	}
	if !reflect.DeepEqual(run, before) || run.Members[0].Report.Progress != nil {
		t.Error("the run that was given is changed")
	}
	for name := range statuses {
		statuses[name] = []api.NodeStatus{{Node: "db2", Phase: api.PhaseFailed, Error: &api.Error{Code: api.CodeNoSpace, Subject: "/srv", Message: "full"}}}
	}
	if e := Fetching(run, statuses, nil).Members[0].Report.Error; e == nil || !strings.Contains(e.Error(), "full") {
		t.Errorf("why db2 gets nothing: %v", e)
	}
	if c := Fetching(run, statuses, nil).Copying; !c[0].Unreachable {
		t.Errorf("a node that is gone: %+v", c[0])
	}
	run.Phase = api.RunRolling
	if got := Fetching(run, statuses, nil); got.Copying != nil || got.Members[0].Report.Progress != nil {
		t.Errorf("in another phase: %+v", got)
	}
}
