package module

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
)

func parseSeed(text string) (seedOptions, error) {
	c, r, err := parseArguments([]byte(text))
	if err != nil {
		return seedOptions{}, err
	}
	return r.seed(c)
}

func TestParseSeed(t *testing.T) {
	plain := common{call: call{Module: moduleSeed}, wait: true, timeout: time.Hour}
	for name, c := range map[string]struct {
		text string
		want seedOptions
	}{
		"safe unless it says otherwise": {`{"database":"main","source":"db1"}`, seedOptions{common: plain,
			want: api.RunRequest{Database: "main", Source: "db1", Restore: &api.Restore{As: api.AsReplica, MaxUnavailable: 1}}}},
		"everything": {`{"database":"main","backup":"latest","as":"standalone","node_names":["db2"],"require_replica":"no","allow_primary":true,"force":1,
			"batch":"2","max_lag":"1MiB","health_timeout":90,"run_id":"x","wait":false,"timeout":5}`,
			seedOptions{common: common{call: plain.call, timeout: 5 * time.Second}, members: []string{"db2"},
				want: api.RunRequest{ID: "x", Database: "main", Backup: "latest", Restore: &api.Restore{As: api.AsStandalone, AllowStopped: true, AllowPrimary: true,
					Force: true, MaxUnavailable: 2, MaxLagBytes: 1 << 20, HealthTimeout: 90}}}},
		"abort": {`{"run_id":"x","state":"aborted"}`, seedOptions{common: plain, abort: true,
			want: api.RunRequest{ID: "x", Restore: &api.Restore{As: api.AsReplica, MaxUnavailable: 1}}}},
	} {
		got, err := parseSeed(strings.Replace(c.text, "{", `{"_swarm":{"module":"replica_seed"},`, 1))
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, %v, want %+v", name, got, err, c.want)
		}
	}
}

func TestParseSeedRejects(t *testing.T) {
	for name, c := range map[string]struct{ text, subject, want string }{
		"no database":          {`{"source":"db1"}`, "database", "missing"},
		"no source":            {`{"database":"main"}`, "source", "either source or backup"},
		"two sources":          {`{"database":"main","source":"a","backup":"b"}`, "source", "either source or backup"},
		"batch":                {`{"database":"main","source":"a","batch":0}`, "batch", "at least 1"},
		"lag":                  {`{"database":"main","source":"a","max_lag":"far"}`, "max_lag", "16MiB"},
		"as":                   {`{"database":"main","source":"a","as":"primary"}`, "as", "replica, standalone"},
		"abort of what":        {`{"state":"aborted"}`, "run_id", "missing"},
		"an option of another": {`{"database":"main","source":"a","dest":"/x"}`, "dest", "not an option"},
		"standalone of all":    {`{"database":"main","backup":"a","as":"standalone"}`, "node_names", "missing"},
	} {
		_, err := parseSeed(c.text)
		var e *api.Error
		if !errors.As(err, &e) || e.Subject != c.subject || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want one of %s with %q", name, err, c.subject, c.want)
		}
	}
}

// Each host's part ends as its own member did, and not as the others' did.
func TestSeedVerdict(t *testing.T) {
	broken := &api.Error{Code: api.CodeInternal, Message: "it did not come up"}
	part := func(node string, state api.PartState, err *api.Error) api.RunPart {
		return api.RunPart{Node: node, Report: api.PartReport{Node: node, State: state, Error: err, Health: &api.DatabaseHealth{LagBytes: 5}}}
	}
	run := func(phase api.RunPhase, members ...api.RunPart) api.Run {
		r := api.Run{ID: "r", Phase: phase, Members: members, Source: &api.RunPart{Node: "db1", Report: api.PartReport{State: api.PartEnded}}, Backup: &api.Backup{ID: "b"}}
		if phase != api.RunComplete {
			r.Error = &api.Error{Message: "the run did not go through"}
		}
		return r
	}
	for name, c := range map[string]struct {
		run      api.Run
		own      string
		everyone bool
		changed  bool
		over     bool   // before the run is
		err      string // "" for success
	}{
		"switched":                    {run(api.RunRolling, part("db2", api.PartCommitted, nil)), "db2", false, true, true, ""},
		"a good replica":              {run(api.RunRolling, part("db2", api.PartSkipped, nil)), "db2", false, false, true, ""},
		"rolled back":                 {run(api.RunPartial, part("db2", api.PartRolledBack, broken)), "db2", false, false, true, "did not come up"},
		"stuck":                       {run(api.RunPartial, part("db2", api.PartStuck, broken)), "db2", false, false, true, "did not come up"},
		"ended by another":            {run(api.RunFailed, part("db2", api.PartFailed, &api.Error{Code: api.CodeAborted, Message: "the run ended before"})), "db2", false, false, true, "did not go through"},
		"not reached":                 {run(api.RunPartial, part("db2", api.PartConfigured, nil)), "db2", false, false, false, "did not go through"},
		"another one failed":          {run(api.RunPartial, part("db2", api.PartCommitted, nil), part("db3", api.PartRolledBack, broken)), "db2", false, true, true, ""},
		"another one failed, for all": {run(api.RunPartial, part("db2", api.PartCommitted, nil), part("db3", api.PartRolledBack, broken)), "db2", true, true, true, "did not go through"},
		"the source":                  {run(api.RunComplete, part("db2", api.PartCommitted, nil)), "db1", false, false, false, ""},
		"the source of a failure":     {run(api.RunFailed), "db1", false, false, false, "did not go through"},
		"no part":                     {run(api.RunComplete, part("db2", api.PartCommitted, nil)), "db9", false, false, false, "had no part"},
		"all":                         {run(api.RunComplete, part("db2", api.PartCommitted, nil)), "", true, true, false, ""},
	} {
		task := &seedTask{result: &result{}}
		task.report(c.run, c.own, c.everyone)
		err := task.verdict(c.run, c.own, c.everyone)
		if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %v, want %q", name, err, c.err)
		}
		if task.result.Changed != c.changed || partOver(c.run, c.own) != c.over || task.result.Backup != "b" {
			t.Errorf("%s: over %v, result %+v", name, partOver(c.run, c.own), task.result)
		}
	}
}

func TestSeedProgress(t *testing.T) {
	r := api.Run{Phase: api.RunRolling, Source: &api.RunPart{Node: "db1", Report: api.PartReport{State: api.PartCaptured}}, Members: []api.RunPart{
		{Node: "db2", Report: api.PartReport{State: api.PartCatchingUp, Doing: "waiting for the primary", Health: &api.DatabaseHealth{Replicating: true, LagBytes: 3 << 20}}}}}
	if got := seedProgress(r, "db2"); got != "rolling, db2 catching_up, waiting for the primary, 3.0 MiB behind" {
		t.Errorf("progress is %q", got)
	}
	r.Phase, r.Source.Report.Progress = api.RunCapturing, &api.Progress{Done: 1 << 20, Total: 4 << 20}
	if got := seedProgress(r, "db9"); got != "capturing, db1 captured, 25% of 4.0 MiB" {
		t.Errorf("progress is %q", got)
	}
}

// oneRun is a fleet with a run.
type oneRun struct {
	runs
	phase   api.RunPhase
	aborted bool
}

func (o *oneRun) Run(context.Context, string) (api.Run, error) {
	return api.Run{ID: "x", Phase: o.phase}, nil
}

func (o *oneRun) AbortRun(context.Context, string) (api.Run, error) {
	o.aborted = true
	return api.Run{ID: "x"}, nil
}

// What the step that submits has changed, the one that waits tells.
func TestAbortIsAChange(t *testing.T) {
	for _, c := range []struct {
		phase   api.RunPhase
		check   bool
		asked   bool
		changed bool
	}{{api.RunRolling, false, true, true}, {api.RunRolling, true, false, true}, {api.RunComplete, false, false, false}} {
		fleet := &oneRun{phase: c.phase}
		task := &seedTask{seedOptions: seedOptions{common: common{checkMode: c.check}, abort: true, want: api.RunRequest{ID: "x"}}, runs: fleet, result: &result{}}
		s, err := task.submit(t.Context())
		if err != nil || s.Run != "x" || s.Aborted != c.changed || fleet.aborted != c.asked {
			t.Errorf("%s, check mode %v: %+v, %v, asked: %v", c.phase, c.check, s, err, fleet.aborted)
		}
	}
}
