package daemon

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/agent/internal/config"
	"github.com/rackswarm/rackswarm/agent/internal/pki"
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/client"
	"github.com/rackswarm/rackswarm/core/pluginhost"
	decide "github.com/rackswarm/rackswarm/core/restore"
)

// filesDriver builds the driver of plain directories, and writes a catalogue of
// it.
func filesDriver(t *testing.T) (program, catalog string) {
	t.Helper()
	return builtDriver(t, "files")
}

// builtDriver builds a driver of this repository, and writes a catalogue of it.
func builtDriver(t *testing.T, name string) (program, catalog string) {
	t.Helper()
	dir := t.TempDir()
	program, catalog = filepath.Join(dir, "rackswarm-driver-"+name), filepath.Join(dir, "drivers")
	build := exec.Command("go", "build", "-o", program, "github.com/rackswarm/rackswarm/agent/drivers/"+name)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	content, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	write(t, catalog, fmt.Sprintf("%x  %s\n", sha256.Sum256(content), program))
	return program, catalog
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestCheckPlugins(t *testing.T) {
	program, catalog := filesDriver(t)
	base := config.Config{Drivers: catalog, API: config.API{Socket: filepath.Join(t.TempDir(), "agent.sock")}}
	for _, c := range []struct {
		name      string
		databases map[string]config.Database
		break_    func()
		want      []string
	}{
		{"none", nil, nil, nil},
		{"good", map[string]config.Database{"a": {Driver: "files", Settings: map[string]string{"contains": "x"}}, "b": {Driver: "files"}}, nil, nil},
		{"unknown driver", map[string]config.Database{"a": {Driver: "postgres"}}, nil, []string{`databases: driver of a: "postgres" is not in`}},
		{"unknown setting", map[string]config.Database{"a": {Driver: "files", Settings: map[string]string{"port": "1"}}, "b": {Driver: "files", Settings: map[string]string{"bin": "x"}}}, nil,
			[]string{"databases.a.settings.port: driver files has no such setting", "databases.b.settings.bin:", "there are: contains, pidfile, user"}},
		{"changed program", map[string]config.Database{"a": {Driver: "files"}}, func() { write(t, program, "another") }, []string{"databases.a: driver: ", "another SHA-256"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.break_ != nil {
				c.break_()
			}
			cfg := base
			cfg.Databases = c.databases
			err := CheckPlugins(t.Context(), cfg, slog.New(slog.DiscardHandler))
			if (err == nil) != (c.want == nil) {
				t.Fatalf("error: %v", err)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in: %v", want, err)
				}
			}
			if e, ok := errors.AsType[*api.Error](err); err != nil && (!ok || e.Fix == "") {
				t.Errorf("nothing is advised: %v", err)
			}
		})
	}
}

// A driver may name settings of which there are many by a pattern, as that of
// PostgreSQL does with config.<parameter>.
func TestCheckDatabasesKnowsSettingsOfWhichThereAreMany(t *testing.T) {
	_, catalog := builtDriver(t, "postgres")
	cfg := config.Config{Drivers: catalog, API: config.API{Socket: filepath.Join(t.TempDir(), "agent.sock")}}
	for setting, good := range map[string]bool{"config.port": true, "config.": false, "config": false, "config.<parameter>": false, "configport": false} {
		cfg.Databases = map[string]config.Database{"main": {Driver: "postgres", Settings: map[string]string{setting: "1"}}}
		err := CheckPlugins(t.Context(), cfg, slog.New(slog.DiscardHandler))
		if (err == nil) != good {
			t.Errorf("%s: %v", setting, err)
		}
	}
}

// site is a fleet of agents in this process.
type site struct {
	*testing.T
	dir   string
	keys  pki.InitFiles
	store string            // URL; "" before the first agent
	more  map[string]string // settings of all agents
	log   lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newSite(t *testing.T) *site {
	t.Helper()
	dir, err := os.MkdirTemp("", "rs") // sockets need short paths
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &site{T: t, dir: dir}
	if s.keys, err = pki.InitCA(filepath.Join(dir, "pki"), pki.InitOptions{}); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *site) at(parts ...string) string {
	return filepath.Join(append([]string{s.dir}, parts...)...)
}

// agent runs an agent whose database is at srv/db/data of its directory, and
// returns a client of it, and what ends it. The first one has the store. Settings
// in without are left out.
func (s *site) agent(name, catalog string, without ...string) (*client.Client, func()) {
	s.Helper()
	write(s.T, s.at(name, "srv", "db", "note"), "") // makes the directories
	vars := map[string]string{
		"NODE_NAME": name, "ROOTS": s.at(name, "srv"), "STATE_DIR": s.at(name, "state"), "API_SOCKET": s.at(name, "sock"),
		"DATA_LISTEN": "127.0.0.1:0", "TLS_ENABLED": "false", "TRUST": s.keys.PublisherPub, "PUBLISH_KEY": s.keys.PublisherKey,
		"STORE_URL": s.store, "DRIVERS": catalog, "DATABASES": "{main: {driver: files, data: " + s.at(name, "srv", "db", "data") + "}}",
	}
	if s.store == "" {
		vars["STORE_EMBEDDED"], vars["STORE_LISTEN"] = "true", "127.0.0.1:"+freePort(s.T)
		s.store = "redis://" + vars["STORE_LISTEN"]
		delete(vars, "STORE_URL")
	}
	maps.Copy(vars, s.more)
	for _, key := range without {
		delete(vars, key)
	}
	var environ []string
	for key, value := range vars {
		environ = append(environ, "RACKSWARM_"+key+"="+value)
	}
	c, err := config.Load("", environ)
	if err != nil {
		s.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, c, "test", slog.New(slog.NewTextHandler(&s.log, nil)).With("node", name)) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			s.Errorf("agent %s: %v", name, err)
		}
	})
	s.Cleanup(stop)
	cl, err := client.New(client.Config{Endpoints: []string{"unix://" + c.API.Socket}})
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(cl.Close)
	s.eventually(name+" is there", func() bool {
		nodes, _ := cl.Nodes(s.Context())
		for _, n := range nodes {
			if n.Name == name && n.Alive {
				if n.Databases["main"] != "files" {
					s.Errorf("its databases are told as %v", n.Databases)
				}
				return true
			}
		}
		return false
	})
	return cl, stop
}

func (s *site) eventually(what string, ok func() bool) {
	s.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			s.Fatalf("never: %s\n%s", what, s.log.String())
		}
	}
}

func (s *site) finished(c *client.Client, id string) api.Run {
	s.Helper()
	var run api.Run
	s.eventually("run "+id+" ends", func() bool {
		var err error
		run, err = c.Run(s.Context(), id)
		return err == nil && run.Phase.Finished()
	})
	return run
}

func (s *site) read(parts ...string) string {
	s.Helper()
	b, err := os.ReadFile(s.at(parts...))
	if err != nil {
		s.Fatal(err)
	}
	return string(b)
}

// A directory of one node is backed up and restored on another, by agents wired
// as they are; afterwards nothing is left beside it.
func TestDatabaseMoves(t *testing.T) {
	_, catalog := filesDriver(t)
	s := newSite(t)
	a, stopA := s.agent("a", catalog)
	_, stopB := s.agent("b", catalog)
	write(t, s.at("a", "srv", "db", "data", "table"), "new")
	write(t, s.at("b", "srv", "db", "data", "table"), "old")
	s.eventually("both are there", func() bool {
		nodes, err := a.Nodes(t.Context())
		return err == nil && len(nodes) == 2
	})
	run, err := a.CreateRun(t.Context(), api.RunRequest{ID: "first", Database: "main", Source: "a",
		Copies:  &api.Copies{Count: 1, Path: s.at("b", "srv", "backups"), Selector: api.Selector{NodeNames: []string{"b"}}},
		Restore: &api.Restore{As: api.AsStandalone, AllowStopped: true, Selector: api.Selector{NodeNames: []string{"b"}}}})
	if err != nil {
		t.Fatal(err)
	}
	if run = s.finished(a, run.ID); run.Phase != api.RunComplete {
		t.Fatalf("run %+v: %v\n%s", run, run.Error, s.log.String())
	}
	if got := s.read("b", "srv", "db", "data", "table"); got != "new" {
		t.Errorf("restored: %q", got)
	}
	if got := s.read("b", "srv", "backups", "main", "first", "data", "table"); got != "new" {
		t.Errorf("copied: %q", got)
	}
	stopB()
	stopA()
	for _, node := range []string{"a", "b"} {
		left, err := filepath.Glob(s.at(node, "srv", "db", ".rackswarm*"))
		if err != nil || len(left) != 0 {
			t.Errorf("left beside the data of %s: %q", node, left)
		}
	}
}

// While content is copied, the run's events show how far each node is, and how
// fast.
func TestRunShowsHowFarNodesAre(t *testing.T) {
	_, catalog := filesDriver(t)
	s := newSite(t)
	a, _ := s.agent("a", catalog)
	_, _ = s.agent("b", catalog)
	_, _ = s.agent("c", catalog)
	// Slow until all has been seen, however busy the machine is.
	slow, err := a.PutLimit(t.Context(), api.Limit{Name: "slow", Upload: new(int64(1 << 20))})
	if err != nil {
		t.Fatal(err)
	}
	content := make([]byte, 16<<20)
	for i := range content {
		content[i] = byte(i >> 16)
	}
	write(t, s.at("a", "srv", "db", "data", "table"), string(content))
	s.eventually("all are there", func() bool {
		nodes, err := a.Nodes(t.Context())
		return err == nil && len(nodes) == 3
	})
	run, err := a.CreateRun(t.Context(), api.RunRequest{ID: "first", Database: "main", Source: "a",
		Copies:  &api.Copies{Count: 1, Path: s.at("c", "srv", "backups"), Selector: api.Selector{NodeNames: []string{"c"}}},
		Restore: &api.Restore{As: api.AsStandalone, Selector: api.Selector{NodeNames: []string{"b"}}}})
	if err != nil {
		t.Fatal(err)
	}
	member, kept := false, false
	err = a.WatchRun(t.Context(), run.ID, true, func(r api.Run) error {
		run = r
		if g := r.Members[0].Report.Progress; g != nil && g.Stage == decide.StageCopy {
			member = member || g.Rate > 0 && g.Done > 0 && g.Done < g.Total
		}
		if len(r.Copying) == 1 {
			n := r.Copying[0]
			kept = kept || n.Rate > 0 && n.BytesDone > 0 && n.BytesDone < n.BytesTotal
		}
		if !member || !kept || slow.Name == "" {
			return nil
		}
		name := slow.Name
		slow.Name = ""
		return a.DeleteLimit(t.Context(), name)
	})
	if err != nil || run.Phase != api.RunComplete || !member || !kept {
		t.Errorf("%v, run is %s: %v; progress of the member was shown: %v, of the copy: %v", err, run.Phase, run.Error, member, kept)
	}
}

// An agent whose catalogue is broken does its other work, and says why the
// database cannot be had.
func TestBrokenCatalogue(t *testing.T) {
	s := newSite(t)
	catalog := s.at("drivers")
	write(t, catalog, "nonsense\n")
	a, _ := s.agent("a", catalog)
	if !strings.Contains(s.log.String(), "not a line of sha256sum") {
		t.Errorf("no warning:\n%s", s.log.String())
	}
	write(t, s.at("a", "srv", "db", "data", "table"), "new")
	run, err := a.CreateRun(t.Context(), api.RunRequest{Database: "main", Source: "a",
		Copies: &api.Copies{Count: 1, Path: s.at("a", "srv", "backups"), Selector: api.Selector{NodeNames: []string{"a"}}}})
	if err != nil {
		t.Fatal(err)
	}
	if run = s.finished(a, run.ID); run.Phase != api.RunFailed || run.Error == nil || !strings.Contains(run.Error.Message, "sha256sum") {
		t.Errorf("run %+v: %v", run, run.Error)
	}
}

// What keeps a node from a run ends the run at once, with the reason.
func TestNodeThatCannot(t *testing.T) {
	_, catalog := filesDriver(t)
	for _, c := range []struct {
		name    string
		without []string
		spoil   func(*site)
		code    string
		says    string
	}{
		{"no publisher's key", []string{"PUBLISH_KEY"}, func(*site) {}, api.CodeCannotPublish, "no publisher key"},
		{"no place for journals", nil, func(s *site) { write(s.T, s.at("a", "state", "restore"), "") }, api.CodeInternal, "directory for journals"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t)
			c.spoil(s)
			a, _ := s.agent("a", catalog, c.without...)
			write(t, s.at("a", "srv", "db", "data", "table"), "new")
			run, err := a.CreateRun(t.Context(), api.RunRequest{Database: "main", Source: "a",
				Copies: &api.Copies{Count: 1, Path: s.at("a", "srv", "backups"), Selector: api.Selector{NodeNames: []string{"a"}}}})
			if err != nil {
				t.Fatal(err)
			}
			run = s.finished(a, run.ID)
			if run.Phase != api.RunFailed || run.Error == nil || run.Error.Code != c.code || !strings.Contains(run.Error.Message, c.says) || run.Error.Fix == "" {
				t.Errorf("run %+v: %v", run, run.Error)
			}
		})
	}
}

// A host of drivers that cannot be opened is tried again with the next driver that
// is asked for.
func TestHostOfDriversIsTriedAgain(t *testing.T) {
	_, catalog := filesDriver(t)
	broken := true
	d := &plugins{open: func() (*pluginhost.Host, error) {
		if broken {
			return nil, errors.New("no directory for sockets")
		}
		return newHost(config.Config{Drivers: catalog, API: config.API{Socket: filepath.Join(t.TempDir(), "sock")}}, slog.New(slog.DiscardHandler))
	}}
	defer d.Close()
	_, err := d.Database(t.Context(), "files")
	if e, ok := errors.AsType[*pluginhost.Error](err); !ok || e.Fix == "" || e.Message != "no directory for sockets" || pluginhost.Retryable(err) {
		t.Errorf("%v", err)
	}
	broken = false
	if _, err := d.Database(t.Context(), "files"); err != nil {
		t.Error(err)
	}
}

// freePort is a port of the loopback address that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}
