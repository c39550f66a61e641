package pgdriver_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rackswarm/rackswarm/core/pluginapi"
)

// Every call checks the settings, and says which one is wrong and why.
func TestSettings(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, value, want string }{
		{"colour", "red", "no such setting"},
		{"bin", "bin", "absolute"},
		{"bin", "/a/../b", "absolute"},
		{"log", "/a/$(rm)", "absolute"},
		{"config_file", "/it's", "absolute"},
		{"primary", "postgresql://a:b@c/d", "URI"},
		{"primary", "host=a password=b", "passfile="},
		{"primary", "host=a dbname=b", "cannot be given"},
		{"primary", "host=a replication=1", "cannot be given"},
		{"primary", "host=a service=b", "cannot be given"},
		{"primary", "port=1", "names no host"},
		{"primary", "host='a", "quoted"},
		{"connection", "sslpassword=x", "password"},
		{"config.primary_conninfo", "host=a", "cannot be set"},
		{"config.Port", "1", "cannot be set"},
		{"config.port", "1\nfsync=off", "more than one line"},
		{"user", "no-such-user", "does not know the user"},
	} {
		target := pluginapi.Target{DataDir: filepath.Join(t.TempDir(), "data"), Settings: map[string]string{c.name: c.value}}
		_, err := driver.Probe(t.Context(), target)
		wants(t, err, pluginapi.CodeInvalid, c.name, c.want)
		wants(t, driver.Start(t.Context(), target), pluginapi.CodeInvalid, c.name)
		if strings.Contains(err.Error(), "a:b@c") {
			t.Errorf("%v: a password is told", err)
		}
	}
	if _, err := driver.Probe(t.Context(), pluginapi.Target{DataDir: "data"}); codeOf(err) != pluginapi.CodeInvalid {
		t.Errorf("a relative data directory: %v", err)
	}
}

func TestProbeOfOthers(t *testing.T) {
	t.Parallel()
	u := needPostgres(t)
	dir := place(t)
	data := func(version string, uid int) string {
		path := filepath.Join(dir, "v"+version)
		for _, d := range []string{path, path + "/global"} {
			if err := os.Mkdir(d, 0o700); err != nil {
				t.Fatal(err)
			}
		}
		for _, f := range []string{"/PG_VERSION", "/global/pg_control"} {
			if err := os.WriteFile(path+f, []byte(version+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		shell(t, "chown", "-R", "postgres:", path)
		if err := os.Chown(path, uid, uid); err != nil {
			t.Fatal(err)
		}
		return path
	}
	probe := func(path string) error {
		_, err := driver.Probe(t.Context(), pluginapi.Target{DataDir: path})
		return err
	}
	wants(t, probe(data("9.6", int(u.UID))), pluginapi.CodeUnsupported, "9.6", "supported are")
	wants(t, probe(data("14", int(u.UID))), pluginapi.CodeUnsupported, "/usr/lib/postgresql/14/bin", "install")
	wants(t, probe(data("15", 0)), pluginapi.CodeUnsupported, "root", "chown")
	link := filepath.Join(dir, "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	wants(t, probe(link), pluginapi.CodeUnsupported, "symbolic link")

	// Programs of another version than the data.
	p := newPrimary(t, dir)
	p.target.Settings["bin"] = filepath.Join(dir, "bin")
	if err := os.Mkdir(dir+"/bin", 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"psql", "pg_basebackup", "pg_controldata"} {
		if err := os.Symlink(filepath.Join(bin, name), filepath.Join(dir, "bin", name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(dir+"/bin/postgres", []byte("#!/bin/sh\necho 'postgres (PostgreSQL) 14.9'\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	capture := filepath.Join(p.dir, "capture")
	if err := os.Mkdir(capture, 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := driver.Capture(t.Context(), p.target, pluginapi.CaptureRequest{Dir: capture}, nil)
	wants(t, err, pluginapi.CodeUnsupported, "14.9", "setting bin")
	delete(p.target.Settings, "bin")
}

func TestConfigureWantsARole(t *testing.T) {
	t.Parallel()
	p := newPrimary(t, place(t))
	r := p.replica("member")
	staged := r.stage(p.capture(""))
	request := pluginapi.ConfigureRequest{Dir: staged, Role: "leader", Member: "m"}
	wants(t, driver.Configure(t.Context(), r.target, request), pluginapi.CodeInvalid, "leader")
	request.Role, request.Member = pluginapi.AsReplica, ""
	wants(t, driver.Configure(t.Context(), r.target, request), pluginapi.CodeInvalid, "name")
	delete(r.target.Settings, "primary")
	request.Member = "m"
	wants(t, driver.Configure(t.Context(), r.target, request), pluginapi.CodeInvalid, "primary")
}

// Configuration that the source keeps elsewhere, as Debian does, is named by the
// member.
func TestConfigFileElsewhere(t *testing.T) {
	t.Parallel()
	p := newPrimary(t, place(t))
	p.stop()
	etc := filepath.Join(p.dir, "etc's dir") // refused: it would reach a shell
	p.target.Settings["config_file"] = etc
	_, err := driver.Probe(t.Context(), p.target)
	wants(t, err, pluginapi.CodeInvalid, "config_file")
	etc = filepath.Join(p.dir, "etc dir")
	if err := os.Mkdir(etc, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"postgresql.conf", "pg_hba.conf"} {
		if err := os.Rename(filepath.Join(p.target.DataDir, name), filepath.Join(etc, name)); err != nil {
			t.Fatal(err)
		}
	}
	appendTo(t, etc+"/postgresql.conf", "hba_file='"+etc+"/pg_hba.conf'\nident_file='"+p.target.DataDir+"/pg_ident.conf'\n")
	p.target.Settings["config_file"] = etc + "/postgresql.conf"
	p.start()
	r := p.replica("member")
	r.target.Settings["config_file"] = etc + "/postgresql.conf"
	r.receive(p.capture(""))
	r.start()
	r.awaitHealthy()
}
