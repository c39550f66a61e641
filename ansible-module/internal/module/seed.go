package module

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/client"
	"github.com/rackswarm/rackswarm/core/unit"
)

// seedOptions is a task of the module replica_seed as the user wrote it.
type seedOptions struct {
	common
	want    api.RunRequest // ID is "" until it is derived; so are the members, where they are the play's hosts
	abort   bool
	members []string // nodes; none for those of the play's hosts
}

// member is one node's part of a run in a result.
type member struct {
	Node  string        `json:"node"`
	State api.PartState `json:"state"`
	Error *api.Error    `json:"error,omitempty"`
}

// stateAborted ends a run instead of starting one.
const stateAborted = "aborted"

func (r *reader) seed(c call) (seedOptions, error) {
	o := seedOptions{common: r.common(c), members: r.list("node_names")}
	o.want = api.RunRequest{ID: r.text("run_id"), Database: r.text("database"), Source: r.text("source"), Backup: r.text("backup")}
	o.want.Restore = &api.Restore{
		As:             r.choice("as", api.AsReplica, api.AsStandalone),
		AllowStopped:   !r.flag("require_replica", true),
		AllowPrimary:   r.flag("allow_primary", false),
		Force:          r.flag("force", false),
		MaxUnavailable: r.count("batch", 1),
		MaxLagBytes:    r.bytes("max_lag"),
		HealthTimeout:  r.seconds("health_timeout", 0).Seconds(),
	}
	o.abort = r.choice("state", api.StatePresent, stateAborted) == stateAborted
	if r.refuseUnknown(); r.err != nil {
		return seedOptions{}, r.err
	}
	return o, o.check()
}

// count reads a number of at least one.
func (r *reader) count(option string, otherwise int) int {
	text := r.text(option)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		r.fail(option, fmt.Sprintf("%q is not a number of at least 1", text), "write for example 1")
	}
	return n
}

// bytes reads an amount; 0 if there is none.
func (r *reader) bytes(option string) int64 {
	text := r.text(option)
	if text == "" {
		return 0
	}
	b, err := unit.ParseBytes(text)
	if err != nil {
		r.fail(option, err.Error(), "write for example 16MiB")
	}
	return int64(b)
}

func (o seedOptions) check() error {
	switch {
	case o.abort && o.want.ID == "":
		return mistake("run_id", "is missing", "say which run is to be aborted")
	case o.abort:
		return nil
	case o.want.Database == "":
		return mistake("database", "is missing", "name the instance as the agents' configuration does")
	case (o.want.Source == "") == (o.want.Backup == ""):
		return mistake("source", "give either source or backup",
			"source is the node that the database is captured on, backup the ID of a backup or latest")
	case o.want.Restore.As == api.AsStandalone && len(o.members) == 0 && o.call.Step == stepAll:
		return mistake("node_names", "is missing", "name the node that gets the database")
	}
	return nil
}

// runs is what a task asks of the fleet. *client.Client answers it.
type runs interface {
	CreateRun(ctx context.Context, req api.RunRequest) (api.Run, error)
	Run(ctx context.Context, id string) (api.Run, error)
	WatchRun(ctx context.Context, id string, untilFinished bool, fn func(api.Run) error) error
	AbortRun(ctx context.Context, id string) (api.Run, error)
}

// seedTask is one call of the module replica_seed.
type seedTask struct {
	seedOptions
	client *client.Client
	runs   runs
	result *result
}

func runSeed(ctx context.Context, r *reader, c call, into *result) error {
	o, err := r.seed(c)
	if err != nil {
		return err
	}
	cl, err := o.connect()
	if err != nil {
		return err
	}
	defer cl.Close()
	return explain((&seedTask{o, cl, cl, into}).do(ctx))
}

func (t *seedTask) do(ctx context.Context) error {
	step := t.call.Step
	if step != stepWait {
		s, err := t.submit(ctx)
		if err != nil {
			return err
		}
		if step == stepSubmit {
			t.result.Answer = &answer{Submitted: s}
			return nil
		}
		t.call.Submitted, t.call.Everyone = s, true
	}
	return t.awaitStep(ctx)
}

// submit has the run made that all hosts of the task join, or aborts it.
func (t *seedTask) submit(ctx context.Context) (*submitted, error) {
	s := &submitted{Run: t.want.ID}
	if t.abort {
		return s, t.abortRun(ctx, s)
	}
	nodes := t.members
	if len(nodes) == 0 {
		var err error
		if s.Nodes, err = t.playNodes(ctx, t.client, t.result); err != nil {
			return nil, err
		}
		nodes = slices.Collect(maps.Values(s.Nodes))
	}
	t.want.Restore.Selector = api.Selector{NodeNames: t.targets(nodes)}
	if t.want.ID == "" {
		t.want.ID = t.call.Task
	}
	if t.checkMode {
		return s, t.preview(ctx)
	}
	run, err := t.runs.CreateRun(ctx, t.want)
	s.Run = run.ID
	return s, err
}

// targets are the nodes that are restored: all but the one that is captured.
func (t *seedTask) targets(nodes []string) []string {
	return slices.DeleteFunc(sorted(nodes), func(n string) bool { return n == t.want.Source })
}

// preview checks, for check mode, that the nodes have the database.
func (t *seedTask) preview(ctx context.Context) error {
	fleet, err := t.client.Nodes(ctx)
	if err != nil {
		return err
	}
	var without []string
	for _, name := range append(t.want.Restore.Selector.NodeNames, t.want.Source) {
		i := slices.IndexFunc(fleet, func(n api.Node) bool { return n.Name == name })
		if name != "" && (i < 0 || fleet[i].Databases[t.want.Database] == "") {
			without = append(without, name)
		}
	}
	if len(without) > 0 {
		return &api.Error{Code: api.CodeNotFound, Subject: t.want.Database, Message: "is no database of " + strings.Join(without, ", "),
			Fix: "name it under databases in their agent.yaml"}
	}
	return nil
}

// abortRun asks the run to end; one that has ended stays as it is.
func (t *seedTask) abortRun(ctx context.Context, s *submitted) error {
	run, err := t.runs.Run(ctx, t.want.ID)
	if err != nil || run.Phase.Finished() {
		return err
	}
	s.Aborted = true
	if t.checkMode {
		return nil
	}
	_, err = t.runs.AbortRun(ctx, t.want.ID)
	return err
}

func (t *seedTask) awaitStep(ctx context.Context) error {
	t.result.Run, t.result.Changed = t.call.Submitted.Run, t.call.Submitted.Aborted
	own, err := t.own(ctx, t.client)
	if err != nil {
		return err
	}
	t.result.Node = own
	t.done()
	switch {
	case t.checkMode && t.abort:
		return nil
	case t.checkMode:
		t.result.Changed = own == "" || own != t.want.Source
		t.result.Warnings = append(t.result.Warnings, "check mode looks at no database: replicas that follow well are left alone unless force is set")
		return nil
	case !t.wait:
		t.result.Changed = t.result.Changed || !t.abort && own != t.want.Source
		return nil
	}
	return t.await(ctx, own)
}

func (t *seedTask) done() {
	if t.call.Step == stepWait && !t.call.Background {
		t.result.Answer = &answer{Done: true}
	}
}

// errOver ends a watch.
var errOver = errors.New("the part is over")

// await waits until this host's part of the run is over, or the run where that
// is asked for.
func (t *seedTask) await(ctx context.Context, own string) error {
	patience, last := t.call.budget(t.timeout)
	inner, stop := context.WithTimeout(ctx, patience)
	defer stop()
	var run api.Run
	everyone := t.call.Everyone || t.abort
	err := t.runs.WatchRun(inner, t.result.Run, false, func(r api.Run) error {
		run = r
		if r.Phase.Finished() || !everyone && partOver(r, own) {
			return errOver
		}
		return nil
	})
	t.report(run, own, everyone)
	switch {
	case errors.Is(err, errOver):
		return t.verdict(run, own, everyone)
	case !errors.Is(err, context.DeadlineExceeded):
		return err
	case last || ctx.Err() != nil:
		return t.late(run, own)
	}
	t.result.Answer = &answer{Progress: seedProgress(run, own)}
	return nil
}

// partOver reports whether the node's part cannot change any more. That of the
// source, and of a node without a part, is over with the run.
func partOver(r api.Run, own string) bool {
	m := memberOf(r, own)
	return m != nil && m.Report.State.Final()
}

func memberOf(r api.Run, node string) *api.RunPart {
	i := slices.IndexFunc(r.Members, func(p api.RunPart) bool { return p.Node == node })
	if i < 0 {
		return nil
	}
	return &r.Members[i]
}

// report puts into the result what the run tells.
func (t *seedTask) report(r api.Run, own string, everyone bool) {
	t.result.Phase = r.Phase
	if r.Backup != nil {
		t.result.Backup = r.Backup.ID
	}
	if everyone {
		t.result.MemberList = nil
		for _, m := range r.Members {
			t.result.MemberList = append(t.result.MemberList, member{m.Node, m.Report.State, m.Report.Error})
			t.result.Changed = t.result.Changed || m.Report.State == api.PartCommitted
		}
	}
	m := memberOf(r, own)
	switch {
	case m == nil && r.Source != nil && r.Source.Node == own:
		t.result.State = string(r.Source.Report.State)
	case m != nil:
		t.result.State, t.result.OldData = string(m.Report.State), m.Report.OldData
		t.result.Changed = t.result.Changed || m.Report.State == api.PartCommitted
		if h := m.Report.Health; h != nil {
			t.result.LagBytes = &h.LagBytes
		}
	}
}

// verdict is the error of a part, or a run, that did not end well.
func (t *seedTask) verdict(r api.Run, own string, everyone bool) error {
	if t.abort {
		return nil
	}
	m := memberOf(r, own)
	if !everyone && m != nil {
		switch m.Report.State {
		case api.PartCommitted, api.PartSkipped:
			return nil
		}
		// Of a part that another one's failure ended the run knows more.
		if e := m.Report.Error; e != nil && (e.Code != api.CodeAborted || r.Error == nil) {
			return e
		}
	}
	switch {
	case r.Phase == api.RunComplete && (everyone || m != nil || r.Source != nil && r.Source.Node == own):
		return nil
	case r.Phase == api.RunComplete:
		return &api.Error{Code: api.CodeNotFound, Subject: own, Message: "had no part in the run " + r.ID,
			Fix: "set the variable rackswarm_node to the host's name in 'rackswarm nodes', and name the database in its agent.yaml"}
	case r.Error != nil:
		return r.Error
	}
	return &api.Error{Code: api.CodeInternal, Subject: r.ID, Message: "the run ended " + string(r.Phase), Fix: "see 'rackswarm-backup runs'"}
}

// late says what is still under way when the task's time is over.
func (t *seedTask) late(r api.Run, own string) error {
	return &api.Error{Code: api.CodeCanceled, Subject: t.result.Run, Message: "not over in the time given: " + seedProgress(r, own),
		Fix: "it goes on; wait for it by the same task with run_id: " + t.result.Run + ", or end it with state: " + stateAborted}
}

// seedProgress says in a few words how far a run and a node's part in it are.
func seedProgress(r api.Run, own string) string {
	what := []string{string(r.Phase)}
	part := memberOf(r, own)
	if part == nil {
		part = r.Source
	}
	if part == nil {
		return strings.Join(what, ", ")
	}
	p := part.Report
	if p.State != "" {
		what = append(what, part.Node+" "+string(p.State))
	}
	if p.Doing != "" {
		what = append(what, p.Doing)
	}
	if p.Progress != nil && p.Progress.Total > 0 {
		what = append(what, fmt.Sprintf("%d%% of %s", 100*p.Progress.Done/p.Progress.Total, unit.Bytes(p.Progress.Total)))
		if p.Progress.Rate > 0 {
			what = append(what, unit.Rate(p.Progress.Rate).String())
		}
	}
	if h := p.Health; h != nil && h.Replicating {
		what = append(what, unit.Bytes(h.LagBytes).String()+" behind")
	}
	return strings.Join(what, ", ")
}
