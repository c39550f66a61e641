package control_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/agent/internal/control"
	"github.com/rackswarm/rackswarm/agent/internal/pki"
	"github.com/rackswarm/rackswarm/agent/internal/runner"
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/client"
)

// serveDatabases starts a server whose fleet has the database main on two nodes.
// It takes requests for runs, and nobody works on them.
func serveDatabases(t testing.TB, change func(*control.Config)) *fleet {
	t.Helper()
	f := serve(t, func(c *control.Config) {
		c.Databases = runner.New(runner.Config{Self: "web1", Store: c.Store})
		if change != nil {
			change(c)
		}
	})
	for _, name := range []string{"db1", "db2"} {
		f.must(f.store.PutNode(f.ctx, api.Node{Name: name, Location: "ams1/r1", DataAddr: "127.0.0.1:1", LastSeen: time.Now(),
			Databases: map[string]string{"main": "postgres"}}, time.Hour))
	}
	return f
}

// seed asks for a replica on db2.
func seed(id string) api.RunRequest {
	return api.RunRequest{ID: id, Database: "main", Source: "db1",
		Restore: &api.Restore{Selector: api.Selector{NodeNames: []string{"db2"}}, As: api.AsReplica}}
}

func TestRunIsCreatedOnce(t *testing.T) {
	f := serveDatabases(t, nil)
	first, err := f.client.CreateRun(f.ctx, seed("r1"))
	f.must(err)
	again, err := f.client.CreateRun(f.ctx, seed("r1"))
	f.must(err)
	if first.ID != "r1" || first.Phase != api.RunPlanned || len(first.Members) != 1 || !again.CreatedAt.Equal(first.CreatedAt) {
		t.Errorf("created %+v, then %+v", first, again)
	}
	other := seed("r1")
	other.Restore.Force = true
	_, err = f.client.CreateRun(f.ctx, other)
	wantError(t, err, api.CodeConflict, "r1")

	_, err = f.client.CreateRun(f.ctx, seed("r2"))
	wantError(t, err, api.CodeConflict, "db1") // r1 works there
	f.moveRun("r1", api.RunComplete)
	named, err := f.client.CreateRun(f.ctx, seed(""))
	f.must(err)
	if !strings.HasPrefix(named.ID, "main-20") {
		t.Errorf("the client chose the ID %q", named.ID)
	}
	all, err := f.client.Runs(f.ctx)
	f.must(err)
	if len(all) != 2 || all[0].ID != named.ID || all[1].ID != "r1" {
		t.Errorf("listed %+v", all)
	}
}

// What parts tell, and whether their nodes are there, comes with the run.
func TestRunShowsItsParts(t *testing.T) {
	f := serveDatabases(t, nil)
	_, err := f.client.CreateRun(f.ctx, seed("r1"))
	f.must(err)
	f.must(f.store.PutPartReport(f.ctx, "r1", api.PartReport{Node: "db1", State: api.PartCapturing, Doing: "pg_basebackup"}))
	f.must(f.store.RemoveNode(f.ctx, "db2"))
	run, err := f.client.Run(f.ctx, "r1")
	f.must(err)
	if run.Source.Report.Doing != "pg_basebackup" || run.Source.Unreachable || !run.Members[0].Unreachable {
		t.Errorf("source %+v, member %+v", run.Source, run.Members[0])
	}
	aborting, err := f.client.AbortRun(f.ctx, "r1")
	f.must(err)
	if !aborting.Aborting {
		t.Error("not aborting")
	}
	wantError(t, f.client.DeleteRun(f.ctx, "r1"), api.CodeInUse, "r1")
	f.moveRun("r1", api.RunAborted)
	f.must(f.client.DeleteRun(f.ctx, "r1"))
	_, err = f.client.Run(f.ctx, "r1")
	wantError(t, err, api.CodeNotFound, "r1")
}

// While nodes fetch the content, a run and its events show how far each of them is.
func TestRunShowsWhatIsFetched(t *testing.T) {
	f := serveDatabases(t, nil)
	_, err := f.client.CreateRun(f.ctx, seed("r1"))
	f.must(err)
	_, err = f.store.UpdateRun(f.ctx, "r1", func(r api.Run) (api.Run, error) {
		r.Phase, r.Distributions = api.RunCopying, []string{"backup-b1"}
		r.Backup = &api.Backup{ID: "b1", SizeBytes: 900, Distribution: "backup-b1", Copies: []string{"db1", "db2"}}
		return r, nil
	})
	f.must(err)
	report := func(done, rate int64) {
		f.must(f.store.PutStatus(f.ctx, "backup-b1", api.NodeStatus{Node: "db2", Phase: api.PhaseFetching, BytesTotal: 1000, BytesDone: done, Rate: rate}))
	}
	report(250, 30)
	run, err := f.client.Run(f.ctx, "r1")
	f.must(err)
	if len(run.Copying) != 2 || run.Copying[0].Phase != api.PhasePending || run.Copying[0].BytesTotal != 900 || run.Copying[1].BytesDone != 250 || run.Copying[1].Rate != 30 {
		t.Errorf("%+v", run.Copying)
	}
	enough, moved := fmt.Errorf("enough"), false
	err = f.client.WatchRun(f.ctx, "r1", false, func(r api.Run) error {
		if moved && r.Copying[1].BytesDone == 500 {
			return enough
		}
		if !moved {
			report(500, 60)
			moved = true
		}
		return nil
	})
	if err != enough { //nolint:errorlint // unchanged is meant
		t.Errorf("what nodes report later: %v", err)
	}
	stored, err := f.store.Run(f.ctx, "r1")
	f.must(err)
	if stored.Copying != nil {
		t.Error("it is on record")
	}
}

func (f *fleet) moveRun(id string, phase api.RunPhase) {
	f.Helper()
	_, err := f.store.UpdateRun(f.ctx, id, func(r api.Run) (api.Run, error) {
		r.Phase = phase
		return r, nil
	})
	f.must(err)
}

// A watch tells of the record and of reports, goes on when the agent restarts, and
// ends with the run.
func TestWatchRunFollows(t *testing.T) {
	f := serveDatabases(t, nil)
	_, err := f.client.CreateRun(f.ctx, seed("r1"))
	f.must(err)
	var seen []string
	steps := []func(){
		func() { f.moveRun("r1", api.RunCapturing) },
		func() {
			f.must(f.store.PutPartReport(f.ctx, "r1", api.PartReport{Node: "db1", State: api.PartCaptured}))
		},
		func() {
			f.stop()
			f.moveRun("r1", api.RunComplete)
			serveOn(t, f.store, func(c *control.Config) { c.Socket = f.socket })
		},
	}
	err = f.client.WatchRun(f.ctx, "r1", true, func(r api.Run) error {
		seen = append(seen, string(r.Phase)+" "+string(r.Source.Report.State))
		if len(steps) > 0 {
			steps[0]()
			steps = steps[1:]
		}
		return nil
	})
	f.must(err)
	if want := "planned ,capturing ,capturing captured,complete captured"; strings.Join(seen, ",") != want {
		t.Errorf("saw %q, want %s", seen, want)
	}
}

func TestWatchRunEndsWithTheRecord(t *testing.T) {
	f := serveDatabases(t, nil)
	_, err := f.client.CreateRun(f.ctx, seed("r1"))
	f.must(err)
	err = f.client.WatchRun(f.ctx, "r1", true, func(api.Run) error { return f.store.DeleteRun(f.ctx, "r1") })
	wantError(t, err, api.CodeNotFound, "r1")
	enough := fmt.Errorf("enough")
	_, err = f.client.CreateRun(f.ctx, seed("r2"))
	f.must(err)
	if err := f.client.WatchRun(f.ctx, "r2", false, func(api.Run) error { return enough }); err != enough { //nolint:errorlint // unchanged is meant
		t.Errorf("the callback's error became %v", err)
	}
}

func TestBackups(t *testing.T) {
	f := serveDatabases(t, nil)
	for i, database := range []string{"main", "other", "main"} {
		f.must(f.store.PutBackup(f.ctx, api.Backup{ID: fmt.Sprintf("b%d", i), Database: database, Digest: digestOf(byte(i)), Distribution: fmt.Sprintf("backup-b%d", i),
			TakenAt: time.Unix(int64(i), 0)}))
	}
	all, err := f.client.Backups(f.ctx, "")
	f.must(err)
	own, err := f.client.Backups(f.ctx, "main")
	f.must(err)
	if len(all) != 3 || len(own) != 2 || own[0].ID != "b2" || own[1].ID != "b0" {
		t.Errorf("all %+v, of main %+v", all, own)
	}
	_, err = f.client.PutDistribution(f.ctx, api.Distribution{Name: "backup-b1", Digest: f.artifact(1), Path: "/srv/backups/b1", Selector: api.Selector{NodeNames: []string{"db2"}}})
	f.must(err)
	one, err := f.client.Backup(f.ctx, "b1")
	f.must(err)
	d, err := f.client.VerifyBackup(f.ctx, "b1")
	f.must(err)
	if one.Database != "other" || d.Name != "backup-b1" || d.VerifyGeneration != 1 {
		t.Errorf("backup %+v, distribution %+v", one, d)
	}
	f.must(f.client.DeleteBackup(f.ctx, "b1"))
	_, err = f.client.Backup(f.ctx, "b1")
	wantError(t, err, api.CodeNotFound, "b1")
}

func nightly() api.Schedule {
	return api.Schedule{Name: "nightly", When: "0 2 * * *", Run: api.RunRequest{Database: "main", Source: "db1",
		Copies: &api.Copies{Count: 1, Path: "/srv/backups"}}}
}

func TestSchedules(t *testing.T) {
	f := serveDatabases(t, nil)
	set, err := f.client.PutSchedule(f.ctx, nightly())
	f.must(err)
	all, err := f.client.Schedules(f.ctx)
	f.must(err)
	if set.When != "0 2 * * *" || len(all) != 1 || all[0].Name != "nightly" {
		t.Errorf("set %+v, listed %+v", set, all)
	}
	f.must(f.client.DeleteSchedule(f.ctx, "nightly"))
	wantError(t, f.client.DeleteSchedule(f.ctx, "nightly"), api.CodeNotFound, "nightly")
}

func TestListsOfDatabasesAreNeverNull(t *testing.T) {
	f := serveDatabases(t, nil)
	for _, path := range []string{"/v1/runs", "/v1/backups", "/v1/backups?database=x", "/v1/schedules"} {
		if _, body := f.raw("GET", path, ""); !strings.Contains(body, "[]") {
			t.Errorf("%s: %s", path, body)
		}
	}
	// A run that keeps no backup knows what it captured.
	_, err := f.client.CreateRun(f.ctx, seed("r1"))
	f.must(err)
	_, err = f.store.UpdateRun(f.ctx, "r1", func(r api.Run) (api.Run, error) {
		r.Backup = &api.Backup{Database: "main", Node: "db1"}
		return r, nil
	})
	f.must(err)
	for _, path := range []string{"/v1/runs", "/v1/runs/r1"} {
		if _, body := f.raw("GET", path, ""); strings.Contains(body, "null") || !strings.Contains(body, `"backup"`) {
			t.Errorf("%s: %s", path, body)
		}
	}
}

// raw calls the server as no client of ours would.
func (f *fleet) raw(method, path, body string) (status int, answer string) {
	f.Helper()
	c := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", f.socket)
	}}}
	defer c.CloseIdleConnections()
	req, err := http.NewRequestWithContext(f.ctx, method, "http://agent"+path, strings.NewReader(body))
	f.must(err)
	resp, err := c.Do(req)
	f.must(err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	f.must(err)
	return resp.StatusCode, string(text)
}

// Each mistake is answered with the field that is wrong and what to write.
func TestBadRunsAndSchedules(t *testing.T) {
	f := serveDatabases(t, nil)
	change := func(fn func(*api.RunRequest)) api.RunRequest {
		r := seed("r1")
		fn(&r)
		return r
	}
	for _, c := range []struct {
		req           api.RunRequest
		code, subject string
		says          string
	}{
		{api.RunRequest{ID: "r1"}, api.CodeInvalid, "database", "missing"},
		{change(func(r *api.RunRequest) { r.ID = "../x" }), api.CodeInvalid, "id", "not a name"},
		{change(func(r *api.RunRequest) { r.Database = "nope" }), api.CodeNotFound, "database", "there are: main"},
		{change(func(r *api.RunRequest) { r.Source = "web9" }), api.CodeNotFound, "source", "web9"},
		{change(func(r *api.RunRequest) { r.Restore.Selector.NodeNames[0] = "web9" }), api.CodeNotFound, "restore.selector.node_names", "web9"},
		{change(func(r *api.RunRequest) { r.Restore = nil }), api.CodeInvalid, "restore", "copies"},
		{change(func(r *api.RunRequest) { r.Restore.As = "boss" }), api.CodeInvalid, "restore.as", "boss"},
		{change(func(r *api.RunRequest) { r.Source, r.Backup = "", "latest" }), api.CodeNotFound, "backup", "no backup"},
	} {
		_, err := f.client.CreateRun(f.ctx, c.req)
		if e := wantError(t, err, c.code, c.subject); !strings.Contains(e.Message, c.says) {
			t.Errorf("%+v: %+v does not say %q", c.req, e, c.says)
		}
	}
	for subject, fn := range map[string]func(*api.Schedule){
		"when":                      func(s *api.Schedule) { s.When = "at night" },
		"time_zone":                 func(s *api.Schedule) { s.TimeZone = "Mars/North" },
		"run.database":              func(s *api.Schedule) { s.Run.Database = "" },
		"run.id":                    func(s *api.Schedule) { s.Run.ID = "r1" },
		"run.copies.path":           func(s *api.Schedule) { s.Run.Copies.Path = "srv" },
		"run.copies.count":          func(s *api.Schedule) { s.Run.Copies.Count = 0 },
		"run.copies.keep_only.last": func(s *api.Schedule) { s.Run.Copies.KeepOnly.Last = -1 },
	} {
		s := nightly()
		fn(&s)
		_, err := f.client.PutSchedule(f.ctx, s)
		wantError(t, err, api.CodeInvalid, subject)
	}
	for _, c := range []struct{ method, path, body, says string }{
		{"POST", "/v1/runs", "", "empty"},
		{"POST", "/v1/runs", `{"databas":"main"}`, "databas"},
		{"POST", "/v1/runs", `{"database":1}`, "database"},
		{"PUT", "/v1/schedules/a", `{"name":"b"}`, "name"},
		{"GET", "/v1/runs/r1/events?until=done", "", "finished"},
	} {
		if status, answer := f.raw(c.method, c.path, c.body); status != http.StatusBadRequest || !strings.Contains(answer, c.says) {
			t.Errorf("%s %s %s: %d %s", c.method, c.path, c.body, status, answer)
		}
	}
}

func TestUnknownNames(t *testing.T) {
	f := serveDatabases(t, nil)
	for what, err := range map[string]error{
		"run":      second(f.client.Run(f.ctx, "nope")),
		"watch":    f.client.WatchRun(f.ctx, "nope", false, func(api.Run) error { return nil }),
		"abort":    second(f.client.AbortRun(f.ctx, "nope")),
		"delete":   f.client.DeleteRun(f.ctx, "nope"),
		"backup":   second(f.client.Backup(f.ctx, "nope")),
		"verify":   second(f.client.VerifyBackup(f.ctx, "nope")),
		"prune":    f.client.DeleteBackup(f.ctx, "nope"),
		"schedule": f.client.DeleteSchedule(f.ctx, "nope"),
	} {
		if !client.IsNotFound(err) {
			t.Errorf("%s: %v", what, err)
			continue
		}
		wantError(t, err, api.CodeNotFound, "nope")
	}
}

func second[T any](_ T, err error) error { return err }

// Readers and nodes read; operators do the rest.
func TestRolesOfDatabases(t *testing.T) {
	certs := newCertificates(t)
	f := serveDatabases(t, certs.listen)
	for _, role := range []pki.Role{pki.RoleReader, pki.RoleNode} {
		c := certs.as(f, role)
		for _, err := range []error{second(c.Runs(f.ctx)), second(c.Backups(f.ctx, "")), second(c.Schedules(f.ctx))} {
			f.must(err)
		}
		for _, err := range []error{
			second(c.CreateRun(f.ctx, seed("r1"))), second(c.AbortRun(f.ctx, "r1")), c.DeleteRun(f.ctx, "r1"),
			c.DeleteBackup(f.ctx, "b1"), second(c.VerifyBackup(f.ctx, "b1")),
			second(c.PutSchedule(f.ctx, nightly())), c.DeleteSchedule(f.ctx, "nightly"),
		} {
			if code(err) != api.CodeForbidden {
				t.Errorf("%s: %v", role, err)
			}
		}
	}
	_, err := certs.as(f, pki.RoleOperator).CreateRun(f.ctx, seed("r1"))
	f.must(err)
}

func TestAgentThatLeadsNoRuns(t *testing.T) {
	f := serve(t, nil)
	_, err := f.client.CreateRun(f.ctx, seed("r1"))
	wantError(t, err, api.CodeUnsupported, "databases")
	wantError(t, f.client.DeleteRun(f.ctx, "r1"), api.CodeUnsupported, "databases")
}
