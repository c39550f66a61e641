package restore_test

import (
	"strings"
	"testing"

	"github.com/rackswarm/rackswarm/core/api"
	. "github.com/rackswarm/rackswarm/core/restore"
)

func TestCheck(t *testing.T) {
	want := api.BackupContent{Driver: "postgres", Version: "15.18", Architecture: "x86_64", ClusterID: "c1", DataBytes: 1 << 30}
	fine := api.DatabaseState{Driver: "postgres", Kind: api.DatabaseReplica, Version: "15", ProgramVersion: "15.4", Architecture: "x86_64",
		ClusterID: "c1", DataDir: "/srv/pg/data", FreeBytes: 2 << 30}
	for _, c := range []struct {
		name   string
		change func(p *api.DatabaseState, r *api.Restore)
		code   string // "" is fine
		says   string
	}{
		{"a replica", func(*api.DatabaseState, *api.Restore) {}, "", ""},
		{"nothing there", func(p *api.DatabaseState, _ *api.Restore) { p.Kind, p.ClusterID = api.DatabaseAbsent, "" }, "", ""},
		{"an empty directory", func(p *api.DatabaseState, _ *api.Restore) { p.Kind = api.DatabaseEmpty }, "", ""},
		{"a stopped replica", func(p *api.DatabaseState, _ *api.Restore) { p.Kind, p.WasReplica = api.DatabaseStopped, true }, "", ""},
		{"a stopped database", func(p *api.DatabaseState, _ *api.Restore) { p.Kind = api.DatabaseStopped }, api.CodeState, "require_replica"},
		{"a stopped database that may go", func(p *api.DatabaseState, r *api.Restore) { p.Kind, r.AllowStopped = api.DatabaseStopped, true }, "", ""},
		{"a primary", func(p *api.DatabaseState, r *api.Restore) { p.Kind, r.AllowStopped = api.DatabasePrimary, true }, api.CodeState, "allow_primary"},
		{"a primary that may go", func(p *api.DatabaseState, r *api.Restore) { p.Kind, r.AllowPrimary = api.DatabasePrimary, true }, "", ""},
		{"something else", func(p *api.DatabaseState, r *api.Restore) {
			p.Kind, r.AllowPrimary, r.AllowStopped = api.DatabaseForeign, true, true
		}, api.CodeForeignContent, "not this kind"},
		{"a kind that is not known", func(p *api.DatabaseState, _ *api.Restore) { p.Kind = "" }, api.CodeForeignContent, ""},
		{"a mountpoint", func(p *api.DatabaseState, _ *api.Restore) { p.Mountpoint = true }, api.CodeUnsupported, "below the mount"},
		{"a tablespace", func(p *api.DatabaseState, _ *api.Restore) { p.Outside = []string{"/ts/fast"} }, api.CodeUnsupported, "/ts/fast"},
		{"another driver", func(p *api.DatabaseState, _ *api.Restore) { p.Driver = "files" }, api.CodeUnsupported, "files"},
		{"another major version", func(p *api.DatabaseState, _ *api.Restore) { p.ProgramVersion = "16.1" }, api.CodeUnsupported, "16.1"},
		{"an architecture", func(p *api.DatabaseState, _ *api.Restore) { p.Architecture = "aarch64" }, api.CodeUnsupported, "aarch64"},
		{"another cluster", func(p *api.DatabaseState, _ *api.Restore) { p.ClusterID = "c2" }, api.CodeState, "c2"},
		{"another cluster, as a standalone", func(p *api.DatabaseState, r *api.Restore) { p.ClusterID, r.As = "c2", api.AsStandalone }, "", ""},
		{"a cluster that cannot be told", func(p *api.DatabaseState, _ *api.Restore) { p.ClusterID = "" }, "", ""},
		{"no space", func(p *api.DatabaseState, _ *api.Restore) { p.FreeBytes = 1 << 30 }, api.CodeNoSpace, "side by side"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, r := fine, api.Restore{As: api.AsReplica}
			c.change(&p, &r)
			err := Check(p, r, want)
			switch {
			case c.code == "" && err != nil:
				t.Errorf("refused: %v", err)
			case c.code != "" && (err == nil || err.Code != c.code || !strings.Contains(err.Error(), c.says) || err.Subject != p.DataDir || err.Fix == ""):
				t.Errorf("want %s with %q, got %#v", c.code, c.says, err)
			}
		})
	}
}

func TestCheckSource(t *testing.T) {
	for kind, ok := range map[string]bool{api.DatabasePrimary: true, api.DatabaseReplica: true, api.DatabaseStopped: true,
		api.DatabaseAbsent: false, api.DatabaseEmpty: false, api.DatabaseForeign: false, "": false} {
		if err := CheckSource(api.DatabaseState{Kind: kind}); (err == nil) != ok {
			t.Errorf("%s: %v", kind, err)
		}
	}
	err := CheckSource(api.DatabaseState{Kind: api.DatabasePrimary, Outside: []string{"/ts/a", "/ts/b"}})
	if err == nil || !strings.Contains(err.Message, "/ts/a, /ts/b") {
		t.Errorf("tablespaces: %v", err)
	}
}

func TestSkips(t *testing.T) {
	well := &api.DatabaseHealth{Healthy: true}
	for _, c := range []struct {
		p    api.DatabaseState
		r    api.Restore
		want bool
	}{
		{api.DatabaseState{Kind: api.DatabaseReplica, Health: well}, api.Restore{As: api.AsReplica}, true},
		{api.DatabaseState{Kind: api.DatabaseReplica, Health: well}, api.Restore{As: api.AsReplica, Force: true}, false},
		{api.DatabaseState{Kind: api.DatabaseReplica, Health: well}, api.Restore{As: api.AsStandalone}, false},
		{api.DatabaseState{Kind: api.DatabaseReplica, Health: &api.DatabaseHealth{}}, api.Restore{As: api.AsReplica}, false},
		{api.DatabaseState{Kind: api.DatabaseReplica}, api.Restore{As: api.AsReplica}, false},
		{api.DatabaseState{Kind: api.DatabasePrimary, Health: well}, api.Restore{As: api.AsReplica}, false},
	} {
		if got := Skips(c.p, c.r); got != c.want {
			t.Errorf("%+v, %+v: %v", c.p, c.r, got)
		}
	}
}
