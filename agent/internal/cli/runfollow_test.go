package cli

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/restore"
)

// rolling is a run that switches so many nodes.
func rolling(members int) api.Run {
	run := api.Run{ID: "s1", Phase: api.RunRolling, Request: api.RunRequest{Database: "main", Source: "db0", Restore: &api.Restore{}},
		Source: &api.RunPart{Node: "db0", Location: "ams1/r1", Report: api.PartReport{State: api.PartPinned}}}
	for i := range members {
		run.Members = append(run.Members, api.RunPart{Node: fmt.Sprintf("db%d", i+1), Location: "ams1/r1"})
	}
	return run
}

func TestRunLines(t *testing.T) {
	var out strings.Builder
	now := noon
	l := &runLines{w: &out, now: func() time.Time { return now }, said: map[string]string{}, last: now}
	run := rolling(2)
	l.show(run)
	l.show(run) // what is known is not said again
	run.Members[0].Report = api.PartReport{State: api.PartVerified, Doing: "pg_verifybackup", Progress: &api.Progress{Done: 1 << 20, Total: 4 << 20}}
	l.show(run)
	run.Members[0].Report.Progress.Done = 2 << 20 // too soon to tell
	l.show(run)
	now = now.Add(lineInterval)
	run.Members[1].Report = api.PartReport{State: api.PartCatchingUp, Health: &api.DatabaseHealth{Replicating: true, LagBytes: 3 << 20, Message: "behind\x1b[2J"}}
	l.show(run)
	run.Members[1].Unreachable = true
	run.Members[1].Report.Health = nil
	run.Aborting = true
	l.show(run)
	const want = `s1: rolling
db0 ams1/r1: source: pinned
db1 ams1/r1: member: waiting
db2 ams1/r1: member: waiting
db1 ams1/r1: member: verified, pg_verifybackup
db2 ams1/r1: member: catching up (behind [2J)
db1: pg_verifybackup 50% of 4.0 MiB
db2: lag 3.0 MiB
s1: rolling, aborting
db2 ams1/r1: member: catching up (down)
`
	if got := out.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// On a terminal every node has a line as far as there are rows, and the view ends
// however the run does.
func TestRunBars(t *testing.T) {
	for _, phase := range []api.RunPhase{api.RunComplete, api.RunFailed, api.RunRolling} {
		var out buffer
		const rows = 6
		b := &runBars{bars: newBars(&out, rows), lines: map[string]*bar{}}
		run := rolling(9)
		b.show(run)
		run.Phase = phase
		run.Members[0].Report = api.PartReport{State: api.PartCommitted, Health: &api.DatabaseHealth{Replicating: true, LagBytes: 5}}
		b.show(run)
		b.close()
		if len(b.lines) > rows {
			t.Errorf("%d lines in %d rows", len(b.lines), rows)
		}
		for _, w := range []string{"s1", "db1", "committed", "lag 5 B", string(phase)} {
			if !strings.Contains(out.String(), w) {
				t.Errorf("%s: %q is not shown:\n%s", phase, w, out.String())
			}
		}
	}
}

// copying is a run whose content is fetched by two members and a node that keeps it.
func copying() api.Run {
	run := rolling(2)
	run.Phase = api.RunCopying
	for i := range run.Members {
		run.Members[i].Report = api.PartReport{State: api.PartProbed, Doing: "copying",
			Progress: &api.Progress{Stage: restore.StageCopy, Done: int64(3-i) << 20, Total: 4 << 20, Rate: int64(3-i) << 20}}
	}
	run.Copying = []api.NodeStatus{{Node: "db2", Location: "ams1/r1", Phase: api.PhaseFetching, BytesDone: 4 << 20, BytesTotal: 4 << 20},
		{Node: "keep1", Location: "ams1/r2", Phase: api.PhaseFetching, BytesDone: 1 << 20, BytesTotal: 4 << 20, Waiting: "no peer has 3 of 40 spans"}}
	return run
}

// While nodes fetch, each shows how much of it and how fast, and one line which is
// the last.
func TestRunLinesOfCopies(t *testing.T) {
	var out strings.Builder
	now := noon
	l := &runLines{w: &out, now: func() time.Time { return now }, said: map[string]string{}, last: now}
	l.show(copying())
	now = now.Add(lineInterval)
	l.show(copying())
	const want = `s1: copying
db0 ams1/r1: source: pinned
db1 ams1/r1: member: probed, copying
db2 ams1/r1: member: probed, copying
db2 ams1/r1: copy: fetching
keep1 ams1/r2: copy: fetching, waiting: no peer has 3 of 40 spans
s1: 1 of 4 nodes have the content, 62% of 16.0 MiB, 5.0 MiB/s; last is keep1 with 25%
db1: copying 75% of 4.0 MiB, 3.0 MiB/s
db2: copying 50% of 4.0 MiB, 2.0 MiB/s
keep1 (copy): waiting: no peer has 3 of 40 spans 25% of 4.0 MiB
`
	if got := out.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestRunBarsOfCopies(t *testing.T) {
	var out buffer
	b := &runBars{bars: newBars(&out, 20), lines: map[string]*bar{}}
	b.show(copying())
	run := copying()
	run.Phase, run.Copying = api.RunRolling, nil
	for i := range run.Members {
		run.Members[i].Report = api.PartReport{State: api.PartVerified}
	}
	b.show(run)
	if line := b.lines["copy keep1"]; line == nil || *line.text.Load() != "has its copy" || line.Current() != 1 {
		t.Error("a copy is not complete after its phase")
	}
	run.Phase = api.RunComplete
	b.show(run)
	b.close()
	text := *b.lines[""].text.Load()
	if text != "complete" || b.lines["db2"] == nil || len(b.lines) != 6 {
		t.Errorf("%q in %d lines", text, len(b.lines))
	}
	b = &runBars{bars: newBars(&out, 20), lines: map[string]*bar{}}
	b.show(copying())
	for key, want := range map[string]string{
		"": "copying  1 of 4 nodes have the content, 62% of 16.0 MiB, 5.0 MiB/s; last is keep1 with 25%", "db1": "probed  copying 75% of 4.0 MiB, 3.0 MiB/s",
		"copy keep1": "fetching  waiting: no peer has 3 of 40 spans 25% of 4.0 MiB",
	} {
		if got := *b.lines[key].text.Load(); got != want {
			t.Errorf("line %q: %q, want %q", key, got, want)
		}
	}
	if got := b.lines[""].Current(); got != 10<<20 {
		t.Errorf("the run's bar stands at %d", got)
	}
	b.close()
}
