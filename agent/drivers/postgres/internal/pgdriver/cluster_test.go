package pgdriver_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/agent/drivers/internal/command"
	"github.com/rackswarm/rackswarm/agent/drivers/postgres/internal/pgdriver"
	"github.com/rackswarm/rackswarm/core/pluginapi"
)

const bin = "/usr/lib/postgresql/15/bin"

// driver is impatient, so that tests need not wait.
var driver = pgdriver.Driver{Version: "test", Patience: time.Millisecond}

// needPostgres skips where the real thing cannot run.
func needPostgres(t *testing.T) *command.User {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, to run PostgreSQL as another user")
	}
	if _, err := os.Stat(filepath.Join(bin, "postgres")); err != nil {
		t.Skipf("PostgreSQL 15 is not installed: %v", err)
	}
	u, err := command.LookupUser("postgres")
	if err != nil {
		t.Skip(err)
	}
	return u
}

// place makes a directory that user postgres can pass, and where sockets have
// short enough names.
func place(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "rs-pg-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// templateDir is where template lies, "" if nobody needed it.
var templateDir string

// template is an empty cluster, made once.
var template = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("/tmp", "rs-pg-template-")
	if err != nil {
		return "", err
	}
	templateDir = dir
	u, err := command.LookupUser("postgres")
	if err != nil {
		return "", err
	}
	if err := os.Chown(dir, int(u.UID), int(u.GID)); err != nil {
		return "", err
	}
	if err := os.WriteFile(dir+"/password", []byte("secret\n"), 0o644); err != nil {
		return "", err
	}
	_, err = command.Run(context.Background(), command.Command{As: u, Argv: []string{bin + "/initdb", "-D", dir + "/data", "-U", "postgres",
		"-A", "scram-sha-256", "--auth-local=trust", "--pwfile=" + dir + "/password", "-N", "--wal-segsize=1", "-E", "UTF8"}})
	return dir + "/data", err
})

func TestMain(m *testing.M) {
	code := m.Run()
	if templateDir != "" {
		os.RemoveAll(templateDir)
	}
	os.Exit(code)
}

// cluster is an instance in a test.
type cluster struct {
	t      *testing.T
	user   *command.User
	port   int
	dir    string // above the data directory
	target pluginapi.Target
}

// target describes an instance in dir that runs on a port of its own.
func newCluster(t *testing.T, dir, name string) *cluster {
	t.Helper()
	c := &cluster{t: t, user: needPostgres(t), port: freePort(t), dir: filepath.Join(dir, name)}
	if err := os.Mkdir(c.dir, 0o755); err != nil { // root's, as parents of data often are
		t.Fatal(err)
	}
	sockets := filepath.Join(c.dir, "s")
	if err := os.Mkdir(sockets, 0o700); err != nil {
		t.Fatal(err)
	}
	c.chown(sockets)
	c.target = pluginapi.Target{Name: name, DataDir: filepath.Join(c.dir, "data"), Settings: map[string]string{
		"config.port": strconv.Itoa(c.port), "config.unix_socket_directories": sockets, "connection": "user=postgres"}}
	t.Cleanup(func() {
		if err := driver.Stop(context.Background(), c.target); err != nil {
			t.Errorf("stop %s: %v", name, err)
		}
	})
	return c
}

func (c *cluster) chown(path string) {
	c.t.Helper()
	if err := os.Lchown(path, int(c.user.UID), int(c.user.GID)); err != nil {
		c.t.Fatal(err)
	}
}

// ports below those that the kernel gives to connections, so that no other test
// gets one between its choice and its use.
var (
	portsLock sync.Mutex
	lastPort  = 20000 + os.Getpid()*7%10000
)

func freePort(t *testing.T) int {
	t.Helper()
	portsLock.Lock()
	defer portsLock.Unlock()
	for range 10000 {
		lastPort = 20000 + (lastPort-20000+1)%10000
		if l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(lastPort)); err == nil {
			l.Close()
			return lastPort
		}
	}
	t.Fatal("no port is free")
	return 0
}

// newPrimary starts a primary with a table and a role for replicas.
func newPrimary(t *testing.T, dir string, config ...string) *cluster {
	t.Helper()
	c := newCluster(t, dir, "primary")
	from, err := template()
	if err != nil {
		t.Fatal(err)
	}
	shell(t, "cp", "-a", from, c.target.DataDir)
	settings := append([]string{"listen_addresses='127.0.0.1'", "port=" + strconv.Itoa(c.port), "unix_socket_directories='" + c.dir + "/s'",
		"fsync=off", "wal_keep_size=0", "min_wal_size=2MB", "max_wal_size=4MB", "wal_retrieve_retry_interval=200ms", "shared_buffers=2MB"}, config...)
	appendTo(t, c.target.DataDir+"/postgresql.conf", strings.Join(settings, "\n")+"\n")
	c.start()
	c.sql("CREATE ROLE replicator REPLICATION LOGIN PASSWORD 'replica''s'")
	c.sql("CREATE TABLE t AS SELECT g AS n, repeat('x', 100) AS s FROM generate_series(1, 20000) g")
	return c
}

func appendTo(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

func (c *cluster) start() {
	c.t.Helper()
	if err := driver.Start(c.t.Context(), c.target); err != nil {
		c.t.Fatal(err)
	}
}

func (c *cluster) stop() {
	c.t.Helper()
	if err := driver.Stop(c.t.Context(), c.target); err != nil {
		c.t.Fatal(err)
	}
}

// replicaOf describes another instance that shall follow c; it has no data.
func (c *cluster) replica(name string) *cluster {
	c.t.Helper()
	return c.replicaIn(c.t, filepath.Dir(c.dir), name)
}

func (c *cluster) replicaIn(t *testing.T, dir, name string) *cluster {
	t.Helper()
	r := newCluster(t, dir, name)
	passfile := filepath.Join(r.dir, "pass file")
	if err := os.WriteFile(passfile, []byte(fmt.Sprintf("127.0.0.1:%d:*:replicator:replica's\n", c.port)), 0o600); err != nil {
		c.t.Fatal(err)
	}
	r.chown(passfile)
	r.target.Settings["primary"] = fmt.Sprintf("host=127.0.0.1 port=%d user=replicator passfile='%s'", c.port, passfile)
	return r
}

// sql runs a statement and returns what it answers.
func (c *cluster) sql(statement string) string {
	c.t.Helper()
	out, err := c.trySQL(c.t.Context(), statement)
	if err != nil {
		c.t.Fatalf("%s: %v", statement, err)
	}
	return strings.TrimSpace(out)
}

func (c *cluster) trySQL(ctx context.Context, statement string) (string, error) {
	return command.Run(ctx, command.Command{As: c.user, Argv: []string{bin + "/psql", "-XAtqw", "-v", "ON_ERROR_STOP=1",
		"-d", fmt.Sprintf("host=%s/s port=%d user=postgres dbname=postgres", c.dir, c.port), "-c", statement}})
}

// load writes to c until the returned function is called, which tells how often.
func (c *cluster) load() (stop func() int) {
	ctx, cancel := context.WithCancel(c.t.Context())
	done := make(chan int)
	go func() {
		n := 0
		for ctx.Err() == nil {
			if _, err := c.trySQL(ctx, "INSERT INTO t SELECT g, md5(g::text) FROM generate_series(1, 500) g; UPDATE t SET s = 'y' WHERE n % 100 = 0"); err == nil {
				n++
			}
		}
		done <- n
	}()
	stop = sync.OnceValue(func() int { cancel(); return <-done })
	c.t.Cleanup(func() { stop() })
	return stop
}

// advance has the server fill and recycle some segments of its log.
func (c *cluster) advance() {
	c.t.Helper()
	for range 8 {
		c.sql("INSERT INTO t SELECT g, repeat('z', 100) FROM generate_series(1, 10000) g")
		c.sql("CHECKPOINT")
	}
}

// capture captures c as run "run 1", into a directory that it returns.
func (c *cluster) capture(pin string) string {
	c.t.Helper()
	dir := filepath.Join(c.dir, "capture")
	if err := os.Mkdir(dir, 0o700); err != nil {
		c.t.Fatal(err)
	}
	if _, err := driver.Capture(c.t.Context(), c.target, pluginapi.CaptureRequest{Dir: dir, Run: "run-1", Pin: pin}, func(pluginapi.Progress) {}); err != nil {
		c.t.Fatal(err)
	}
	return dir
}

// receive has captured files become r's data, ready to start.
func (c *cluster) receive(dir string) {
	c.t.Helper()
	staged := c.stage(dir)
	if err := c.configure(staged); err != nil {
		c.t.Fatal(err)
	}
	c.swapIn(staged)
}

// stage copies captured files beside r's data directory, as root's.
func (c *cluster) stage(dir string) (staged string) {
	c.t.Helper()
	staged = filepath.Join(c.dir, ".rackswarm-run-1")
	shell(c.t, "cp", "-r", "--sparse=auto", dir, staged)
	shell(c.t, "chmod", "755", staged)
	return staged
}

func (c *cluster) configure(staged string) error {
	return driver.Configure(c.t.Context(), c.target, pluginapi.ConfigureRequest{Dir: staged, Role: pluginapi.AsReplica, Member: c.target.Name})
}

func (c *cluster) swapIn(staged string) {
	c.t.Helper()
	if err := os.Rename(staged, c.target.DataDir); err != nil {
		c.t.Fatal(err)
	}
}

// await asks for r's health until done, and returns it.
func (c *cluster) await(what string, done func(pluginapi.Health) bool) pluginapi.Health {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	for {
		h, err := driver.Health(ctx, c.target, pluginapi.HealthRequest{Role: pluginapi.AsReplica, Member: c.target.Name, MaxLag: 16 << 20})
		if err != nil {
			c.t.Fatalf("waiting for %s: %v", what, err)
		}
		if done(h) {
			return h
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			c.t.Fatalf("waiting for %s: %+v", what, h)
		}
	}
}

func (c *cluster) awaitHealthy() pluginapi.Health {
	c.t.Helper()
	return c.await("health", func(h pluginapi.Health) bool { return h.Healthy })
}

func (c *cluster) awaitFault(f pluginapi.Fault) pluginapi.Health {
	c.t.Helper()
	return c.await(string(f), func(h pluginapi.Health) bool { return h.Fault == f })
}

func (c *cluster) probe() pluginapi.Probe {
	c.t.Helper()
	p, err := driver.Probe(c.t.Context(), c.target)
	if err != nil {
		c.t.Fatal(err)
	}
	return p
}

func shell(t *testing.T, argv ...string) string {
	t.Helper()
	out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%q: %v: %s", argv, err, out)
	}
	return string(out)
}

// codeOf is the code of a driver's error.
func codeOf(err error) string {
	var e *pluginapi.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// wants fails the test unless err has the code and holds all the words.
func wants(t *testing.T, err error, code string, words ...string) {
	t.Helper()
	if codeOf(err) != code {
		t.Fatalf("error %v (%T), want code %s", err, err, code)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q does not say %q", err, w)
		}
	}
}

// kill ends the process for good.
func kill(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}
