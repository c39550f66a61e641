package pgdriver_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rackswarm/rackswarm/core/pluginapi"
)

// A replica that needs log the primary has no more starts, and will never stream
// (failure 3).
func TestLogIsGone(t *testing.T) {
	t.Parallel()
	p := newPrimary(t, place(t))
	r := p.replica("late")
	dir := p.capture("")
	p.advance()
	r.receive(dir)
	r.start()
	h := r.awaitFault(pluginapi.FaultLogGone)
	if !h.Fault.Final() || h.Writable || !strings.Contains(h.Message, "already been removed") {
		t.Errorf("%+v", h)
	}
}

// A pin that grew too large is given up by the primary, during a run as well
// (failure 4).
func TestPinIsLost(t *testing.T) {
	t.Parallel()
	p := newPrimary(t, place(t), "max_slot_wal_keep_size=1MB")
	if _, err := driver.Pin(t.Context(), p.target, "run-1"); err != nil {
		t.Fatal(err)
	}
	p.advance()
	if pin, err := driver.PinStatus(t.Context(), p.target, "run-1"); err != nil || !pin.Lost {
		t.Errorf("%+v, %v", pin, err)
	}
	dir := filepath.Join(p.dir, "capture")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := driver.Capture(t.Context(), p.target, pluginapi.CaptureRequest{Dir: dir, Pin: "run-1"}, nil)
	wants(t, err, pluginapi.CodeState, "rackswarm_pin_", "max_slot_wal_keep_size")
}

// A replica's pin, which is on the primary, is lost in the same way.
func TestPinOfReplicaIsLost(t *testing.T) {
	t.Parallel()
	p := newPrimary(t, place(t), "max_slot_wal_keep_size=1MB")
	r := p.replica("source")
	r.receive(p.capture(""))
	r.start()
	r.awaitHealthy()
	if _, err := driver.Pin(t.Context(), r.target, "run-1"); err != nil {
		t.Fatal(err)
	}
	p.advance()
	if pin, err := driver.PinStatus(t.Context(), r.target, "run-1"); err != nil || !pin.Lost {
		t.Errorf("%+v, %v", pin, err)
	}
}

// The primary of the settings is another database (failure 3).
func TestWrongPrimary(t *testing.T) {
	t.Parallel()
	dir := place(t)
	p := newPrimary(t, dir)
	r := p.replica("member")
	staged := r.stage(p.capture(""))

	if err := os.Mkdir(dir+"/b", 0o755); err != nil {
		t.Fatal(err)
	}
	other := newCluster(t, dir+"/b", "primary")
	initdb(t, other)
	other.start()
	other.sql("CREATE ROLE replicator REPLICATION LOGIN PASSWORD 'replica''s'")

	right := r.target.Settings["primary"]
	passfile := filepath.Join(r.dir, "pass file")
	appendTo(t, passfile, "*:*:*:*:replica's\n")
	r.target.Settings["primary"] = fmt.Sprintf("host=127.0.0.1 port=%d user=replicator passfile='%s'", other.port, passfile)
	wants(t, r.configure(staged), pluginapi.CodeState, "another database", "system identifier")

	r.target.Settings["primary"] = right
	if err := r.configure(staged); err != nil {
		t.Fatal(err)
	}
	r.target.Settings["primary"] = fmt.Sprintf("host=127.0.0.1 port=%d user=replicator passfile='%s'", other.port, passfile)
	appendTo(t, staged+"/postgresql.auto.conf", "primary_conninfo = '"+strings.ReplaceAll(r.target.Settings["primary"], "'", "''")+"'\nprimary_slot_name = ''\n")
	r.swapIn(staged)
	r.start()
	if h := r.awaitFault(pluginapi.FaultWrongCluster); !h.Fault.Final() {
		t.Errorf("%+v", h)
	}

	// The data follow another than the setting says.
	r.target.Settings["primary"] = right
	if h := r.awaitFault(pluginapi.FaultWrongCluster); !strings.Contains(h.Message, "primary_conninfo") {
		t.Errorf("%+v", h)
	}
}

func initdb(t *testing.T, c *cluster) {
	t.Helper()
	shell(t, "setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", bin+"/initdb", "-D", c.dir+"/s/data", "-U", "postgres", "-A", "scram-sha-256",
		"--auth-local=trust", "--pwfile="+c.password(), "-N", "--wal-segsize=1")
	if err := os.Rename(c.dir+"/s/data", c.target.DataDir); err != nil {
		t.Fatal(err)
	}
	appendTo(t, c.target.DataDir+"/postgresql.conf", fmt.Sprintf("port=%d\nunix_socket_directories='%s/s'\nfsync=off\n", c.port, c.dir))
}

func (c *cluster) password() string {
	path := filepath.Join(c.dir, "password")
	if err := os.WriteFile(path, []byte("secret\n"), 0o644); err != nil {
		c.t.Fatal(err)
	}
	return path
}

// Two members of one name: the second is refused when it is configured, and found
// out if it was started all the same (failure 5).
func TestTwoMembersOnOneSlot(t *testing.T) {
	t.Parallel()
	p := newPrimary(t, place(t))
	first, second := p.replica("first"), p.replica("second")
	dir := p.capture("")
	first.receive(dir)
	first.start()
	first.awaitHealthy()

	staged := second.stage(dir)
	err := driver.Configure(t.Context(), second.target, pluginapi.ConfigureRequest{Dir: staged, Role: pluginapi.AsReplica, Member: "first"})
	wants(t, err, pluginapi.CodeState, "rackswarm_member_first", "another replica")
	if _, err := os.Stat(staged + "/rackswarm.role"); !os.IsNotExist(err) {
		t.Errorf("it is marked as ready: %v", err)
	}

	if err := second.configure(staged); err != nil {
		t.Fatal(err)
	}
	appendTo(t, staged+"/postgresql.auto.conf", "primary_slot_name = 'rackswarm_member_first'\n")
	second.swapIn(staged)
	second.start()
	h := second.awaitFault(pluginapi.FaultDuplicate)
	if !h.Fault.Final() || !strings.Contains(h.Message, "rackswarm_member_first") {
		t.Errorf("%+v", h)
	}
	if h := first.awaitHealthy(); !h.Replicating {
		t.Errorf("the first: %+v", h)
	}
}

// A member that is restored again keeps following by its slot, whether the new or
// the old data run in the end; only a member that is gone loses it.
func TestMemberIsRestoredAgain(t *testing.T) {
	t.Parallel()
	p := newPrimary(t, place(t))
	r := p.replica("member")
	dir := p.capture("")
	r.receive(dir)
	r.start()
	r.awaitHealthy()
	staged := r.stage(dir)
	if err := r.configure(staged); err != nil {
		t.Fatal(err)
	}
	if err := driver.Cleanup(t.Context(), r.target, "member"); err != nil {
		t.Fatal(err)
	}
	r.stop()
	if err := driver.Cleanup(t.Context(), r.target, "member"); err != nil {
		t.Fatal(err)
	}
	const slots = "SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'rackswarm_member_member'"
	if n := p.sql(slots); n != "1" {
		t.Errorf("the old data follow by %s slots", n)
	}
	if err := os.RemoveAll(r.target.DataDir); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := driver.Cleanup(t.Context(), r.target, "member"); err != nil {
			t.Fatal(err)
		}
	}
	if n := p.sql(slots); n != "0" {
		t.Errorf("%s slots of a member that is gone", n)
	}
	if err := r.configure(staged); err != nil { // after a slot was lost
		t.Fatal(err)
	}
	if n := p.sql(slots); n != "1" {
		t.Errorf("configured again there are %s slots", n)
	}
}

// One flipped byte, a missing and an extra file, a short one (failures 8 and 9).
func TestDamageIsFound(t *testing.T) {
	t.Parallel()
	p := newPrimary(t, place(t))
	dir := p.capture("")
	table := p.sql("SELECT pg_relation_filepath('t')")
	segment := filepath.Base(firstOf(t, dir+"/pg_wal/0*"))
	for _, c := range []struct {
		name   string
		damage func(dir string) error
		file   string
	}{
		{"flipped byte", func(dir string) error { return flip(filepath.Join(dir, table), 5000) }, table},
		{"short file", func(dir string) error { return os.Truncate(filepath.Join(dir, table), 8192) }, table},
		{"missing file", func(dir string) error { return os.Remove(filepath.Join(dir, table)) }, table},
		{"extra file", func(dir string) error { return os.WriteFile(dir+"/base/more", nil, 0o600) }, "base/more"},
		{"no label", func(dir string) error { return os.Remove(dir + "/backup_label") }, "backup_label"},
		{"edited manifest", func(dir string) error { return flip(dir+"/backup_manifest", 200) }, ""},
		{"no manifest", func(dir string) error { return os.Remove(dir + "/backup_manifest") }, ""},
		{"no version", func(dir string) error { return os.Remove(dir + "/PG_VERSION") }, "PG_VERSION"},
		{"no log", func(dir string) error { return os.Remove(dir + "/pg_wal/" + segment) }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			copied := filepath.Join(place(t), "copy")
			shell(t, "cp", "-a", dir, copied)
			if err := driver.Verify(t.Context(), p.target, copied, nil); err != nil {
				t.Fatal(err)
			}
			if err := c.damage(copied); err != nil {
				t.Fatal(err)
			}
			err := driver.Verify(t.Context(), p.target, copied, nil)
			wants(t, err, pluginapi.CodeCorrupt)
			var e *pluginapi.Error
			if errors.As(err, &e) && c.file != "" && e.Subject != c.file {
				t.Errorf("%v: the subject is %q, not %q", err, e.Subject, c.file)
			}
		})
	}
}

func flip(path string, at int64) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	var b [1]byte
	if _, err := f.ReadAt(b[:], at); err != nil {
		return err
	}
	b[0] ^= 1
	_, err = f.WriteAt(b[:], at)
	return err
}

func firstOf(t *testing.T, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(pattern)
	if err != nil || len(found) == 0 {
		t.Fatalf("%s: %v, %v", pattern, found, err)
	}
	return found[0]
}

// Without its label a base backup would start, damaged (failure 2).
func TestConfigureWantsAWholeBackup(t *testing.T) {
	t.Parallel()
	p := newPrimary(t, place(t))
	r := p.replica("member")
	staged := r.stage(p.capture(""))
	label, err := os.ReadFile(staged + "/backup_label")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(staged + "/backup_label"); err != nil {
		t.Fatal(err)
	}
	wants(t, r.configure(staged), pluginapi.CodeCorrupt, "backup_label")
	if err := os.WriteFile(staged+"/backup_label", label, 0o600); err != nil {
		t.Fatal(err)
	}

	// Files that were captured and not configured are not started.
	shell(t, "chown", "-R", "postgres:", staged)
	shell(t, "chmod", "700", staged)
	r.swapIn(staged)
	wants(t, driver.Start(t.Context(), r.target), pluginapi.CodeState, "not made ready")
	// Nor those that lost their mark before the first start.
	if err := r.configure(r.target.DataDir); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(r.target.DataDir + "/standby.signal"); err != nil {
		t.Fatal(err)
	}
	wants(t, driver.Start(t.Context(), r.target), pluginapi.CodeState, "second primary")
	if err := os.Remove(r.target.DataDir + "/postgresql.conf"); err != nil {
		t.Fatal(err)
	}
	wants(t, r.configure(r.target.DataDir), pluginapi.CodeInvalid, "config_file")
}

// A server that is killed leaves its number behind, which proves nothing.
func TestStalePIDFile(t *testing.T) {
	t.Parallel()
	p := newPrimary(t, place(t))
	pid := p.probe().PID
	if pid == 0 {
		t.Fatal("it does not run")
	}
	kill(t, pid)
	p.await("the end", func(h pluginapi.Health) bool {
		_, err := os.Stat(fmt.Sprintf("/proc/%d", pid)) // it counts for PostgreSQL until init has reaped it
		return os.IsNotExist(err) && h.Fault == pluginapi.FaultDown
	})
	// The number of a process that lives, and works elsewhere.
	file := filepath.Join(p.target.DataDir, "postmaster.pid")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := bytes.Cut(data, []byte("\n"))
	if err := os.WriteFile(file, append([]byte(fmt.Sprintf("%d\n", os.Getpid())), rest...), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := p.probe(); got.Kind != pluginapi.KindStopped || got.PID != 0 || got.WasReplica {
		t.Errorf("killed: %+v", got)
	}
	p.stop()
	p.start()
	if got := p.probe(); got.Kind != pluginapi.KindPrimary || got.PID == pid {
		t.Errorf("started again: %+v", got)
	}
}

// pg_basebackup ends with the call, and leaves nothing that would be taken for a
// whole backup or hold the primary's log.
func TestCaptureIsInterrupted(t *testing.T) {
	t.Parallel()
	p := newPrimary(t, place(t))
	dir := filepath.Join(p.dir, "capture")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	request := pluginapi.CaptureRequest{Dir: dir, Run: "run-1", MaxRate: 64 << 10}
	var last pluginapi.Progress
	_, err := driver.Capture(ctx, p.target, request, func(now pluginapi.Progress) {
		if last = now; now.Done > 0 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) || last.Total == 0 || last.Done == 0 {
		t.Fatalf("%v after %+v", err, last)
	}
	p.await("the end of its slot", func(pluginapi.Health) bool { return p.sql("SELECT count(*) FROM pg_replication_slots") == "0" })
	if err := driver.Verify(t.Context(), p.target, dir, nil); err == nil {
		t.Error("an unfinished capture was verified")
	}
	_, err = driver.Capture(t.Context(), p.target, request, nil)
	wants(t, err, pluginapi.CodeState, "not empty")
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := driver.Verify(t.Context(), p.target, p.capture(""), nil); err != nil {
		t.Error(err)
	}
}

// A database that lies in more than one directory is told and not captured.
func TestTablespace(t *testing.T) {
	t.Parallel()
	p := newPrimary(t, place(t))
	space := filepath.Join(p.dir, "space")
	if err := os.Mkdir(space, 0o700); err != nil {
		t.Fatal(err)
	}
	p.chown(space)
	p.sql("CREATE TABLESPACE far LOCATION '" + space + "'")
	if got := p.probe(); len(got.Outside) != 1 || got.Outside[0] != space {
		t.Errorf("outside: %q", got.Outside)
	}
	dir := filepath.Join(p.dir, "capture")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := driver.Capture(t.Context(), p.target, pluginapi.CaptureRequest{Dir: dir}, nil)
	wants(t, err, pluginapi.CodeUnsupported, space)
	p.sql("DROP TABLESPACE far")

	p.stop()
	wal := filepath.Join(p.dir, "wal")
	if err := os.Rename(p.target.DataDir+"/pg_wal", wal); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(wal, p.target.DataDir+"/pg_wal"); err != nil {
		t.Fatal(err)
	}
	if got := p.probe(); len(got.Outside) != 1 || got.Outside[0] != wal {
		t.Errorf("outside: %q", got.Outside)
	}
}

// What is wrong with the primary, or the way to it, is told with what to do.
func TestPrimaryRefuses(t *testing.T) {
	t.Parallel()
	p := newPrimary(t, place(t))
	r := p.replica("member")
	staged := r.stage(p.capture(""))
	passfile, primary := filepath.Join(r.dir, "pass file"), r.target.Settings["primary"]
	setPassword := func(password string) {
		if err := os.WriteFile(passfile, []byte("*:*:*:*:"+password+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	setPassword("wrong")
	wants(t, r.configure(staged), pluginapi.CodeRefused, "password authentication failed", "passfile")
	setPassword("replica's")
	shell(t, "chmod", "644", passfile)
	wants(t, r.configure(staged), pluginapi.CodeInvalid, "chmod 0600")
	shell(t, "chmod", "600", passfile)
	shell(t, "chown", "root", passfile)
	wants(t, r.configure(staged), pluginapi.CodeInvalid, "chown postgres")
	r.chown(passfile)
	r.target.Settings["primary"] = strings.Replace(primary, "user=replicator", "user=nobody", 1)
	wants(t, r.configure(staged), pluginapi.CodeRefused)
	r.target.Settings["primary"] = primary
	p.sql("ALTER ROLE replicator NOREPLICATION")
	wants(t, r.configure(staged), pluginapi.CodeRefused, "ALTER ROLE")
	p.sql("ALTER ROLE replicator REPLICATION")
	hba := p.target.DataDir + "/pg_hba.conf"
	shell(t, "sed", "-i", "/replication.*host\\|host.*replication/d", hba)
	p.sql("SELECT pg_reload_conf()")
	p.await("pg_hba.conf", func(pluginapi.Health) bool { return codeOf(r.configure(staged)) != "" })
	wants(t, r.configure(staged), pluginapi.CodeRefused, "pg_hba.conf", "replication")
	p.stop()
	wants(t, r.configure(staged), pluginapi.CodeUnreachable, p.target.Settings["config.port"])
}

// A replica whose credentials are refused, or whose primary is away, is told apart.
func TestReplicaLosesItsPrimary(t *testing.T) {
	t.Parallel()
	p := newPrimary(t, place(t))
	r := p.replica("member")
	r.receive(p.capture(""))
	r.start()
	r.awaitHealthy()
	p.stop()
	if h := r.awaitFault(pluginapi.FaultUnreachable); h.Fault.Final() {
		t.Errorf("%+v", h)
	}
	p.start()
	r.awaitHealthy()
	p.sql("ALTER ROLE replicator PASSWORD 'new'")
	p.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_replication")
	if h := r.awaitFault(pluginapi.FaultRefused); !h.Fault.Final() {
		t.Errorf("%+v", h)
	}
}

// A source that is not set up for it is told what to set.
func TestSourceIsNotSetUp(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ config, want string }{
		{"wal_level=minimal\nmax_wal_senders=0", "wal_level=replica"},
		{"max_wal_senders=0", "max_wal_senders"},
		{"max_replication_slots=0", "max_replication_slots"},
	} {
		t.Run(c.config, func(t *testing.T) {
			t.Parallel()
			p := newPrimary(t, place(t), c.config)
			dir := filepath.Join(p.dir, "capture")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			_, err := driver.Capture(t.Context(), p.target, pluginapi.CaptureRequest{Dir: dir}, nil)
			wants(t, err, pluginapi.CodeState, c.want)
		})
	}
}

// A server that cannot start says why.
func TestStartFails(t *testing.T) {
	t.Parallel()
	p := newPrimary(t, place(t))
	p.stop()
	appendTo(t, p.target.DataDir+"/postgresql.conf", "no_such_parameter = 1\n")
	wants(t, driver.Start(t.Context(), p.target), pluginapi.CodeState, "no_such_parameter", p.target.DataDir+".log")
	h, err := driver.Health(t.Context(), p.target, pluginapi.HealthRequest{Role: pluginapi.AsStandalone})
	if err != nil || h.Fault != pluginapi.FaultDown || !strings.Contains(h.Message, "no_such_parameter") {
		t.Errorf("%+v, %v", h, err)
	}
}

// The operator's own commands start and stop, as the driver's user.
func TestCommands(t *testing.T) {
	t.Parallel()
	p := newPrimary(t, place(t))
	p.stop()
	as := []string{"setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", bin + "/pg_ctl", "-s", "-w", "-D", p.target.DataDir}
	p.target.Commands = map[string][]string{
		"start": append(append([]string(nil), as...), "-l", p.dir+"/s/own.log", "start"),
		"stop":  append(append([]string(nil), as...), "-m", "immediate", "stop"),
	}
	p.start()
	if _, err := os.Stat(p.dir + "/s/own.log"); err != nil {
		t.Error(err)
	}
	p.stop()
	if got := p.probe(); got.Kind != pluginapi.KindStopped {
		t.Errorf("%+v", got)
	}
	p.target.Commands["start"] = []string{"false"}
	wants(t, driver.Start(t.Context(), p.target), pluginapi.CodeState, "false")
	p.target.Commands = nil
}
