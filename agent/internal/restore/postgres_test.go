package restore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/pluginhost"
	decide "github.com/rackswarm/rackswarm/core/restore"
)

const pgBin = "/usr/lib/postgresql/15/bin"

// postgres is two instances of PostgreSQL 15, with the real driver in a process.
type postgres struct {
	*world
	user  *syscall.Credential
	ports [2]int
	top   string
}

func newPostgres(t *testing.T) *postgres {
	t.Helper()
	if testing.Short() {
		t.Skip("starts real databases")
	}
	account, err := user.Lookup("postgres")
	if _, missing := os.Stat(pgBin + "/postgres"); os.Geteuid() != 0 || err != nil || missing != nil {
		t.Skip("needs root and PostgreSQL 15")
	}
	uid, _ := strconv.Atoi(account.Uid)
	gid, _ := strconv.Atoi(account.Gid)
	p := &postgres{world: newWorld(t), user: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	p.top, err = os.MkdirTemp("/tmp", "rs-pg-")
	p.must(err, os.Chmod(p.top, 0o755))
	t.Cleanup(func() { _ = os.RemoveAll(p.top) })
	for i := range p.ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		p.must(err)
		p.ports[i] = l.Addr().(*net.TCPAddr).Port
		p.must(l.Close(), os.Mkdir(p.dir(i), 0o755), os.Mkdir(p.dir(i)+"/s", 0o700), os.Lchown(p.dir(i)+"/s", uid, gid))
	}
	return p
}

// dir is the directory, root's, in which instance i has its data.
func (p *postgres) dir(i int) string { return filepath.Join(p.top, fmt.Sprintf("db%d", i+1)) }

func (p *postgres) as(argv ...string) string {
	p.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.user}
	out, err := cmd.CombinedOutput()
	if err != nil {
		p.Fatalf("%q: %v: %s", argv, err, out)
	}
	return strings.TrimSpace(string(out))
}

func (p *postgres) sql(i int, query string) string {
	p.Helper()
	return p.as(pgBin+"/psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", p.dir(i)+"/s", "-p", strconv.Itoa(p.ports[i]), "-d", "postgres", "-c", query)
}

// primary starts the first instance.
func (p *postgres) primary() {
	p.Helper()
	data := p.dir(0) + "/data"
	p.must(os.Mkdir(data, 0o700), os.Chown(data, int(p.user.Uid), int(p.user.Gid)))
	p.as(pgBin+"/initdb", "-D", data, "-U", "postgres", "-A", "trust", "-N", "-E", "UTF8")
	f, err := os.OpenFile(data+"/postgresql.conf", os.O_APPEND|os.O_WRONLY, 0)
	p.must(err)
	_, err = fmt.Fprintf(f, "listen_addresses='127.0.0.1'\nport=%d\nunix_socket_directories='%s/s'\nfsync=off\nwal_retrieve_retry_interval=200ms\n", p.ports[0], p.dir(0))
	p.must(err, f.Close())
	p.as(pgBin+"/pg_ctl", "-D", data, "-w", "-s", "-l", p.dir(0)+"/s/log", "start")
	p.T.Cleanup(func() { p.as(pgBin+"/pg_ctl", "-D", data, "-w", "-s", "-m", "immediate", "stop") })
	p.sql(0, "CREATE TABLE t AS SELECT generate_series(1, 1000) n")
}

// drivers runs the driver that is built from this tree.
func (p *postgres) drivers() *pluginhost.Host {
	p.Helper()
	program := filepath.Join(p.top, "rackswarm-driver-postgres")
	if out, err := exec.Command("go", "build", "-o", program, "github.com/rackswarm/rackswarm/agent/drivers/postgres").CombinedOutput(); err != nil {
		p.Fatalf("%v: %s", err, out)
	}
	text, err := os.ReadFile(program)
	p.must(err)
	sum := sha256.Sum256(text)
	catalog := filepath.Join(p.top, "drivers.sha256")
	p.must(os.WriteFile(catalog, []byte(hex.EncodeToString(sum[:])+"  "+program+"\n"), 0o644))
	host, err := pluginhost.New(pluginhost.Config{Catalog: catalog})
	p.must(err)
	p.T.Cleanup(host.Close)
	return host
}

// node starts the agent of an instance.
func (p *postgres) node(i int, host *pluginhost.Host) {
	p.Helper()
	settings := map[string]string{"connection": "user=postgres", "config.port": strconv.Itoa(p.ports[i]),
		"config.unix_socket_directories": p.dir(i) + "/s", "primary": fmt.Sprintf("host=127.0.0.1 port=%d user=postgres", p.ports[0])}
	c := p.config()
	c.Self, c.Drivers, c.StateDir, c.Roots = fmt.Sprintf("db%d", i+1), host, p.T.TempDir(), []string{p.top}
	c.Databases = map[string]Instance{"main": {Driver: "postgres", Data: p.dir(i) + "/data", Settings: settings}}
	w, err := NewWorker(c)
	p.must(err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); w.Run(ctx) }()
	p.T.Cleanup(func() { cancel(); <-ended })
}

// part waits until a node's part is in a state.
func (p *postgres) part(run, node string, s api.PartState) (r api.PartReport) {
	p.Helper()
	p.eventually(node+" is "+string(s), func() bool {
		all, err := p.store.PartReports(p.Context(), run)
		for _, r = range all {
			if r.Node == node && r.State.Final() && r.State != s {
				p.Fatalf("%s is %s: %v", node, r.State, r.Error)
			}
			if err == nil && r.Node == node && r.State == s {
				return true
			}
		}
		return false
	})
	return r
}

// copyTo puts the capture of run seed1 beside the data of an instance, as root's:
// so it comes where the owner is not known.
func (p *postgres) copyTo(i int, run string) {
	p.Helper()
	staging := decide.StagingPath(p.dir(i)+"/data", run)
	for _, argv := range [][]string{{"cp", "-a", capturePath(p.dir(0)+"/data", "seed1"), staging}, {"chown", "-R", "root:root", staging}} {
		if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
			p.Fatalf("%q: %v: %s", argv, err, out)
		}
	}
}

// goesBack replaces the replica by one whose slot is lost before it starts: the
// one of before comes back and follows again.
func (p *postgres) goesBack(captured api.PartReport) {
	p.Helper()
	inode := inodeAt(p.dir(1) + "/data")
	p.copyTo(1, "seed2")
	p.run = api.Run{ID: "seed2", Phase: api.RunRolling, CreatedAt: time.Now(),
		Request: api.RunRequest{Database: "main", Backup: "b", Restore: &api.Restore{As: api.AsReplica, Force: true, HealthTimeout: 20}},
		Backup:  &api.Backup{Digest: captured.Digest, Content: *captured.Content}, Members: []api.RunPart{{Node: "db2", Goal: api.GoalReady}}}
	p.create()
	p.part("seed2", "db2", api.PartConfigured)
	slot := p.sql(0, "SELECT slot_name FROM pg_replication_slots WHERE slot_name LIKE '%"+decide.MemberName("seed2", "db2")+"'")
	p.sql(0, "SELECT pg_drop_replication_slot('"+slot+"')")
	p.edit("seed2", func(r *api.Run) { r.Members[0].Goal = api.GoalSwitch })
	r := p.part("seed2", "db2", api.PartRolledBack)
	if r.Error == nil || r.Error.Code != api.CodeUnhealthy {
		p.Errorf("error %v", r.Error)
	}
	if got := inodeAt(p.dir(1) + "/data"); got != inode {
		p.Errorf("the data directory is %d, and was %d", got, inode)
	}
	p.sql(0, "INSERT INTO t VALUES (1002)")
	p.eventually("the old one follows again", func() bool { return p.sql(1, "SELECT max(n) FROM t") == "1002" })
	p.edit("seed2", func(r *api.Run) { r.Members[0].Goal = api.GoalEnd })
	p.eventually("seed2 is done", func() bool { return p.report("seed2").Done })
}

// A replica is made from a primary that is written to, by the parts of both nodes,
// from a copy that belongs to root. Another run fails, and it is as it was.
func TestPostgresReplica(t *testing.T) {
	p := newPostgres(t)
	host := p.drivers()
	p.primary()
	p.node(0, host)
	p.node(1, host)
	replica := p.dir(1) + "/data"
	p.T.Cleanup(func() {
		if _, err := os.Stat(replica + "/postmaster.pid"); err == nil {
			p.as(pgBin+"/pg_ctl", "-D", replica, "-w", "-s", "-m", "immediate", "stop")
		}
	})
	p.run = api.Run{ID: "seed1", Phase: api.RunCapturing, CreatedAt: time.Now(),
		Request: api.RunRequest{Database: "main", Source: "db1", Restore: &api.Restore{As: api.AsReplica, HealthTimeout: 60}},
		Source:  &api.RunPart{Node: "db1", Goal: api.GoalCapture}, Members: []api.RunPart{{Node: "db2", Goal: api.GoalProbe}}}
	p.create()
	p.part("seed1", "db2", api.PartProbed)
	captured := p.part("seed1", "db1", api.PartCaptured)
	p.sql(0, "INSERT INTO t VALUES (1001)") // after the capture: it has to catch up

	p.copyTo(1, "seed1")
	goal := func(goal api.PartGoal) { p.edit("seed1", func(r *api.Run) { r.Members[0].Goal = goal }) }
	p.edit("seed1", func(r *api.Run) {
		r.Backup = &api.Backup{Digest: captured.Digest, Content: *captured.Content}
		r.Members[0].Goal = api.GoalReady
	})
	p.part("seed1", "db2", api.PartConfigured)
	goal(api.GoalSwitch)
	r := p.part("seed1", "db2", api.PartHealthy)
	if r.Health == nil || !r.Health.Replicating || r.Health.Writable {
		t.Errorf("health %+v", r.Health)
	}
	p.eventually("it has what was written since", func() bool { return p.sql(1, "SELECT max(n) FROM t") == "1001" })
	goal(api.GoalCommit)
	p.part("seed1", "db2", api.PartCommitted)
	p.goesBack(captured)
	p.edit("seed1", func(r *api.Run) { r.Source.Goal, r.Members[0].Goal = api.GoalEnd, api.GoalEnd })
	p.part("seed1", "db1", api.PartEnded)
	if slots := p.sql(0, "SELECT string_agg(slot_name, ',') FROM pg_replication_slots"); !strings.HasSuffix(slots, decide.MemberName("seed1", "db2")) || strings.Contains(slots, ",") {
		t.Errorf("slots %q, want the member's alone", slots)
	}
	for i := range p.ports {
		left, err := filepath.Glob(p.dir(i) + "/.rackswarm*")
		if p.must(err); len(left) > 0 {
			t.Errorf("left: %q", left)
		}
	}
}
