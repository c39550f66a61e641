package pgdriver_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/rackswarm/rackswarm/core/pluginapi"
)

// A replica is seeded from a primary that is written to all the while, and then
// stops, starts, loses its mark and is promoted.
func TestSeedReplica(t *testing.T) {
	t.Parallel()
	p := newPrimary(t, place(t))
	r := p.replica("member1")
	if got := r.probe(); got.Kind != pluginapi.KindAbsent || got.ProgramVersion == "" {
		t.Errorf("before: %+v", got)
	}
	stopLoad := p.load()
	pin, err := driver.Pin(t.Context(), p.target, "run-1")
	if err != nil || pin.Lost || pin.Position == "" {
		t.Fatalf("pin: %+v, %v", pin, err)
	}
	if again, err := driver.Pin(t.Context(), p.target, "run-1"); err != nil || again != pin {
		t.Fatalf("pinned again: %+v, %v", again, err)
	}
	dir := p.capture("run-1")
	if err := driver.Verify(t.Context(), p.target, dir, nil); err != nil {
		t.Fatal(err)
	}
	p.advance() // without the pin the log that the replica needs would be gone
	if pin, err := driver.PinStatus(t.Context(), p.target, "run-1"); err != nil || pin.Lost {
		t.Fatalf("pin: %+v, %v", pin, err)
	}

	staged := r.stage(dir)
	if err := driver.Verify(t.Context(), r.target, staged, nil); err != nil {
		t.Fatal(err)
	}
	for range 2 { // as after an interruption
		if err := r.configure(staged); err != nil {
			t.Fatal(err)
		}
	}
	if err := driver.Verify(t.Context(), r.target, staged, nil); err != nil {
		t.Errorf("after Configure: %v", err)
	}
	r.swapIn(staged)
	r.ownsAll()
	r.start()
	r.start()
	h := r.awaitHealthy()
	if !h.Replicating || h.Writable {
		t.Errorf("health: %+v", h)
	}
	for range 2 {
		if err := driver.Unpin(t.Context(), p.target, "run-1"); err != nil {
			t.Fatal(err)
		}
	}
	if pin, err := driver.PinStatus(t.Context(), p.target, "run-1"); err != nil || !pin.Lost {
		t.Errorf("without the pin: %+v, %v", pin, err)
	}
	if n := stopLoad(); n == 0 {
		t.Error("nothing was written meanwhile")
	}
	r.follows(p)

	got, source := r.probe(), p.probe()
	if got.Kind != pluginapi.KindReplica || got.ClusterID != source.ClusterID || got.Health == nil || !got.Health.Healthy {
		t.Errorf("probed: %+v", got)
	}
	if source.Kind != pluginapi.KindPrimary || source.Version != "15" || source.Bytes == 0 || source.PID == 0 {
		t.Errorf("primary: %+v", source)
	}
	r.losesItsMark()
	r.isPromoted()
}

// ownsAll looks for files that the server's user could not use (failure 11).
func (c *cluster) ownsAll() {
	c.t.Helper()
	err := filepath.WalkDir(c.target.DataDir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if st := info.Sys().(*syscall.Stat_t); st.Uid != c.user.UID || st.Gid != c.user.GID {
			c.t.Errorf("%s belongs to %d:%d", path, st.Uid, st.Gid)
		}
		if info.Mode().Perm()&0o077 != 0 {
			c.t.Errorf("%s has mode %v", path, info.Mode())
		}
		return nil
	})
	if err != nil {
		c.t.Fatal(err)
	}
}

// follows compares the rows when r has replayed all of p's log.
func (c *cluster) follows(p *cluster) {
	c.t.Helper()
	end := p.sql("SELECT pg_current_wal_lsn()")
	c.await("replay up to "+end, func(pluginapi.Health) bool {
		return c.sql("SELECT pg_last_wal_replay_lsn() >= '"+end+"'") == "t"
	})
	const rows = "SELECT count(*), sum(n), md5(string_agg(s, '' ORDER BY n, s)) FROM t"
	if got, want := c.sql(rows), p.sql(rows); got != want {
		c.t.Errorf("the replica has %s, the primary %s", got, want)
	}
}

// losesItsMark starts a stopped replica without standby.signal (failure 1).
func (c *cluster) losesItsMark() {
	c.t.Helper()
	c.stop()
	c.stop()
	if got := c.probe(); got.Kind != pluginapi.KindStopped || !got.WasReplica || got.PID != 0 {
		c.t.Errorf("stopped: %+v", got)
	}
	mark := filepath.Join(c.target.DataDir, "standby.signal")
	if err := os.Remove(mark); err != nil {
		c.t.Fatal(err)
	}
	if got := c.probe(); !got.WasReplica {
		c.t.Errorf("without its mark: %+v", got)
	}
	wants(c.t, driver.Start(c.t.Context(), c.target), pluginapi.CodeState, "standby.signal", "second primary")
	if got := c.probe(); got.Kind != pluginapi.KindStopped {
		c.t.Errorf("it was started: %+v", got)
	}
	if err := os.WriteFile(mark, nil, 0o600); err != nil {
		c.t.Fatal(err)
	}
	c.chown(mark)
	c.start()
	c.awaitHealthy()
}

// isPromoted: who was made a primary on purpose may be started, and is found in
// the wrong role.
func (c *cluster) isPromoted() {
	c.t.Helper()
	c.sql("SELECT pg_promote()")
	if h := c.awaitFault(pluginapi.FaultWrongRole); !h.Writable || !h.Fault.Final() {
		c.t.Errorf("promoted: %+v", h)
	}
	c.stop()
	c.start()
	if got := c.probe(); got.Kind != pluginapi.KindPrimary {
		c.t.Errorf("promoted: %+v", got)
	}
}

// A backup becomes a database of its own, which waits for nobody and disturbs
// nobody.
func TestRestoreStandalone(t *testing.T) {
	t.Parallel()
	p := newPrimary(t, place(t), "archive_mode=on", "archive_command='true'", "synchronous_commit=local", "synchronous_standby_names='x'")
	dir := p.capture("")
	if err := os.WriteFile(filepath.Join(dir, "standby.signal"), nil, 0o600); err != nil { // of a replica
		t.Fatal(err)
	}
	s := newCluster(t, filepath.Dir(p.dir), "copy")
	staged := s.stage(dir)
	shell(t, "chmod", "750", staged)
	request := pluginapi.ConfigureRequest{Dir: staged, Role: pluginapi.AsStandalone, Member: "copy"}
	if err := driver.Configure(t.Context(), s.target, request); err != nil {
		t.Fatal(err)
	}
	s.swapIn(staged)
	s.start()
	h, err := driver.Health(t.Context(), s.target, pluginapi.HealthRequest{Role: pluginapi.AsStandalone, ClusterID: p.probe().ClusterID})
	if err != nil || !h.Healthy || !h.Writable {
		t.Fatalf("%+v, %v", h, err)
	}
	if got := s.sql("SHOW archive_mode") + s.sql("SHOW synchronous_standby_names"); got != "off" {
		t.Errorf("archive_mode and synchronous_standby_names: %q", got)
	}
	s.sql("SET synchronous_commit = on; INSERT INTO t VALUES (0, 'own')")
	if info, err := os.Stat(s.target.DataDir); err != nil || info.Mode().Perm() != 0o750 {
		t.Errorf("the group's access: %v, %v", info.Mode(), err)
	}
	if h, err := driver.Health(t.Context(), s.target, pluginapi.HealthRequest{Role: pluginapi.AsStandalone, ClusterID: "1"}); err != nil || h.Fault != pluginapi.FaultWrongCluster {
		t.Errorf("asked for another cluster: %+v, %v", h, err)
	}
}

// A capture can be taken from a replica. Its pin is on the primary, which those
// who are restored will follow.
func TestCaptureFromReplica(t *testing.T) {
	t.Parallel()
	p := newPrimary(t, place(t))
	source, member := p.replica("source"), p.replica("member")
	source.receive(p.capture(""))
	source.start()
	source.awaitHealthy()
	stopLoad := p.load()
	pin, err := driver.Pin(t.Context(), source.target, "Run.1")
	if err != nil || pin.Lost {
		t.Fatalf("pin: %+v, %v", pin, err)
	}
	if n := p.sql("SELECT count(*) FROM pg_replication_slots WHERE slot_name = '" + pin.ID + "'"); n != "1" {
		t.Errorf("the primary has %s slots %s", n, pin.ID)
	}
	dir := source.capture("Run.1")
	if err := driver.Verify(t.Context(), source.target, dir, nil); err != nil {
		t.Fatal(err)
	}
	member.receive(dir)
	member.start()
	member.awaitHealthy()
	if err := driver.Unpin(t.Context(), source.target, "Run.1"); err != nil {
		t.Fatal(err)
	}
	stopLoad()
	member.follows(p)
	if n := p.sql("SELECT count(*) FROM pg_replication_slots"); n != strconv.Itoa(2) {
		t.Errorf("%s slots, want those of the two replicas", n)
	}
}
