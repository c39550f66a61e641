package restore_test

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/rackswarm/rackswarm/core/api"
	. "github.com/rackswarm/rackswarm/core/restore"
)

// apiError is err as users see it; nil if it is none.
func apiError(err error) *api.Error {
	var e *api.Error
	errors.As(err, &e)
	return e
}

func seed() api.RunRequest {
	return api.RunRequest{Database: "main", Source: "db1",
		Copies:  &api.Copies{Count: 1, Path: "/srv/backups"},
		Restore: &api.Restore{As: api.AsReplica}}
}

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		field  string // that is refused; "" for none
		change func(r *api.RunRequest)
	}{
		{"", func(*api.RunRequest) {}},
		{"", func(r *api.RunRequest) { r.Copies = nil }},
		{"", func(r *api.RunRequest) { r.Restore = nil }},
		{"", func(r *api.RunRequest) { r.ID = strings.Repeat("a", 60) }},
		{"id", func(r *api.RunRequest) { r.ID = strings.Repeat("a", 61) }},
		{"id", func(r *api.RunRequest) { r.ID = "../etc" }},
		{"id", func(r *api.RunRequest) { r.ID = "-a" }},
		{"id", func(r *api.RunRequest) { r.ID = "täglich" }},
		{"database", func(r *api.RunRequest) { r.Database = "" }},
		{"database", func(r *api.RunRequest) { r.Database = "a.b" }},
		{"source", func(r *api.RunRequest) { r.Source = "" }},
		{"source", func(r *api.RunRequest) { r.Source = "db 1" }},
		{"source", func(r *api.RunRequest) { r.Backup = "b1" }},
		{"copies", func(r *api.RunRequest) { r.Source, r.Backup = "", "b1" }},
		{"backup", func(r *api.RunRequest) { r.Source, r.Backup = "", "a/b" }},
		{"restore", func(r *api.RunRequest) { r.Copies, r.Restore = nil, nil }},
		{"copies.name", func(r *api.RunRequest) { r.Copies.Name = "a b" }},
		{"copies.name", func(r *api.RunRequest) { r.Copies.Name = Latest }},
		{"copies.count", func(r *api.RunRequest) { r.Copies.Count = 0 }},
		{"copies.path", func(r *api.RunRequest) { r.Copies.Path = "backups" }},
		{"copies.selector.locations[0]", func(r *api.RunRequest) { r.Copies.Selector.Locations = []string{"a//b"} }},
		{"copies.keep_only.last", func(r *api.RunRequest) { r.Copies.KeepOnly.Last = -1 }},
		{"copies.keep_only.days", func(r *api.RunRequest) { r.Copies.KeepOnly.Days = -1 }},
		{"restore.as", func(r *api.RunRequest) { r.Restore.As = "primary" }},
		{"restore.selector.node_names[0]", func(r *api.RunRequest) { r.Restore.Selector.NodeNames = []string{"a b"} }},
		{"restore.max_unavailable", func(r *api.RunRequest) { r.Restore.MaxUnavailable = -1 }},
		{"restore.max_lag_bytes", func(r *api.RunRequest) { r.Restore.MaxLagBytes = -1 }},
		{"restore.health_timeout", func(r *api.RunRequest) { r.Restore.HealthTimeout = -1 }},
		{"restore.health_timeout", func(r *api.RunRequest) { r.Restore.HealthTimeout = math.NaN() }},
	} {
		r := seed()
		c.change(&r)
		err := Validate(r)
		e := apiError(err)
		switch {
		case c.field == "" && err != nil:
			t.Errorf("%+v is refused: %v", r, err)
		case c.field != "" && (e == nil || e.Subject != c.field || e.Code != api.CodeInvalid || e.Fix == ""):
			t.Errorf("%s: got %#v", c.field, err)
		}
	}
}

func fleet() []api.Node {
	db := map[string]string{"main": "postgres"}
	return []api.Node{
		{Name: "db4", Location: "ams/r2", Alive: true, Databases: db},
		{Name: "db3", Location: "ams/r1", Alive: false, Databases: db},
		{Name: "db1", Location: "ams/r1", Alive: true, Databases: db},
		{Name: "db2", Location: "ams/r1", Alive: true, Databases: db},
		{Name: "f1", Location: "fra/r1", Alive: true, Databases: map[string]string{"files": "files"}},
		{Name: "s1", Location: "ams/r1", Alive: true},
		{Name: "s2", Location: "ams/r2", Alive: true},
	}
}

func members(r api.Run) (names []string) {
	for _, m := range r.Members {
		names = append(names, m.Node)
	}
	return names
}

func TestNewRun(t *testing.T) {
	backups := []api.Backup{
		{ID: "b1", Database: "main", TakenAt: start.AddDate(0, 0, -2), Content: api.BackupContent{Driver: "postgres"}},
		{ID: "b3", Database: "main", TakenAt: start.AddDate(0, 0, -1), Content: api.BackupContent{Driver: "postgres"}},
		{ID: "other", Database: "files", TakenAt: start, Content: api.BackupContent{Driver: "files"}},
	}
	r, err := NewRun(seed(), "r1", fleet(), backups, start)
	if err != nil || r.Source.Node != "db1" || !slices.Equal(members(r), []string{"db2", "db4"}) || r.Phase != api.RunPlanned {
		t.Errorf("seed: %v, %+v", err, r)
	}
	latest := api.RunRequest{Database: "main", Backup: Latest, Restore: &api.Restore{As: api.AsStandalone, Selector: api.Selector{NodeNames: []string{"db3"}}}}
	r, err = NewRun(latest, "r1", fleet(), backups, start)
	if err != nil || r.Backup.ID != "b3" || r.Source != nil || !slices.Equal(members(r), []string{"db3"}) {
		t.Errorf("latest: %v, %+v", err, r)
	}
	for _, c := range []struct {
		name, code, subject, says string
		change                    func(r *api.RunRequest, nodes []api.Node)
	}{
		{"no such database", api.CodeNotFound, "database", "files, main", func(r *api.RunRequest, _ []api.Node) { r.Database = "mian" }},
		{"no such source", api.CodeNotFound, "source", "db1, db2, db3, db4", func(r *api.RunRequest, _ []api.Node) { r.Source = "db9" }},
		{"a source without it", api.CodeNotFound, "source", "no database", func(r *api.RunRequest, _ []api.Node) { r.Source = "s1" }},
		{"a source that is down", api.CodeNodeLost, "db3", "start it", func(r *api.RunRequest, _ []api.Node) { r.Source = "db3" }},
		{"no such backup", api.CodeNotFound, "backup", "b3, b1", func(r *api.RunRequest, _ []api.Node) { *r = latest; r.Backup = "b9" }},
		{"another's backup", api.CodeInvalid, "backup", "of database files", func(r *api.RunRequest, _ []api.Node) { *r = latest; r.Backup = "other" }},
		{"an unknown member", api.CodeNotFound, "restore.selector.node_names", "db9", func(r *api.RunRequest, _ []api.Node) { r.Restore.Selector.NodeNames = []string{"db9"} }},
		{"a member without it", api.CodeNotFound, "restore.selector.node_names", "s1", func(r *api.RunRequest, _ []api.Node) { r.Restore.Selector.NodeNames = []string{"s1"} }},
		{"nobody", api.CodeNoTargets, "restore.selector", "db2", func(r *api.RunRequest, _ []api.Node) { r.Restore.Selector.Locations = []string{"fra"} }},
		{"only the source", api.CodeNoTargets, "restore.selector", "db2", func(r *api.RunRequest, _ []api.Node) { r.Restore.Selector.NodeNames = []string{"db1"} }},
		{"another driver", api.CodeUnsupported, "db2", "mariadb", func(_ *api.RunRequest, nodes []api.Node) { nodes[3].Databases = map[string]string{"main": "mariadb"} }},
		{"too many copies", api.CodeNoTargets, "copies.count", "6 nodes", func(r *api.RunRequest, _ []api.Node) { r.Copies.Count = 7 }},
		{"a name that is taken", api.CodeConflict, "copies.name", "b1", func(r *api.RunRequest, _ []api.Node) { r.Copies.Name = "b1" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			req, nodes := seed(), fleet()
			c.change(&req, nodes)
			_, err := NewRun(req, "r1", nodes, backups, start)
			e := apiError(err)
			if e == nil || e.Code != c.code || e.Subject != c.subject || !strings.Contains(e.Error(), c.says) || e.Fix == "" {
				t.Errorf("got %#v", err)
			}
		})
	}
	if _, err := NewRun(seed(), "a b", fleet(), nil, start); err == nil {
		t.Error("a malformed ID is taken")
	}
}

// Copies go to other locations first, and to the source last.
func TestCopiesAreSpread(t *testing.T) {
	for count, want := range map[int]string{1: "db2", 2: "db2 f1", 3: "db2 db4 f1", 4: "db2 db4 f1 s1", 6: "db1 db2 db4 f1 s1 s2"} {
		w := newWorld()
		for _, n := range fleet() {
			kind := ""
			if n.Databases["main"] != "" {
				kind = api.DatabaseReplica
			}
			m := w.add(n.Name, n.Location, kind)
			m.down = !n.Alive
		}
		if err := w.begin(api.RunRequest{Database: "main", Source: "db1", Copies: &api.Copies{Count: count, Path: "/b"}}); err != nil {
			t.Fatal(err)
		}
		w.settle(w.idle)
		if got := strings.Join(w.backup["r1"].Copies, " "); got != want || w.run.Phase != api.RunComplete {
			t.Errorf("%d copies: on %s, want %s (%s)", count, got, want, w.run.Phase)
		}
	}
}

func TestConflict(t *testing.T) {
	run := func(id, source string, phase api.RunPhase, members ...string) api.Run {
		r := api.Run{ID: id, Phase: phase, Request: api.RunRequest{Database: "main"}, Source: &api.RunPart{Node: source}}
		for _, m := range members {
			r.Members = append(r.Members, api.RunPart{Node: m})
		}
		return r
	}
	mine := run("r1", "db1", api.RunPlanned, "db2", "db3")
	for _, c := range []struct {
		name  string
		other api.Run
		want  bool
	}{
		{"itself", mine, false},
		{"others' nodes", run("r2", "db4", api.RunRolling, "db5"), false},
		{"a member", run("r2", "db4", api.RunRolling, "db3"), true},
		{"the source as a member", run("r2", "db4", api.RunCopying, "db1"), true},
		{"one that has ended", run("r2", "db4", api.RunFailed, "db3"), false},
	} {
		if err := Conflict(mine, []api.Run{c.other}); (err != nil) != c.want {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
