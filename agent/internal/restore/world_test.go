package restore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/agent/internal/quota"
	"github.com/rackswarm/rackswarm/core/api"
	decide "github.com/rackswarm/rackswarm/core/restore"
	"github.com/rackswarm/rackswarm/core/store"
)

// world is a machine with an instance, and what surrounds its agent.
type world struct {
	*testing.T
	*toy
	data   string // the instance's data directory
	state  string
	held   held
	served *served
	store  *store.Store
	run    api.Run // as the test's runner has it
	worker *Worker
	roots  []string
	budget *quota.Budget
	// keyless agents cannot publish.
	lenient bool // the configuration lets primaries be replaced
	keyless bool
	ahead   atomic.Int64 // of the clock, in nanoseconds

	embedded *store.Embedded
	listen   store.EmbeddedConfig
}

// held is what distributions hold.
type held struct {
	mu sync.Mutex
	is bool
}

func (h *held) Holds(context.Context, string) (bool, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.is, nil
}

func (h *held) set(is bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.is = is
}

// served is a publisher that hashes nothing.
type served struct {
	store *store.Store
	mu    sync.Mutex
	paths map[string]string // by digest
}

const digest = "sha256:00000000000000000000000000000000000000000000000000000000000000aa"

func (s *served) Publish(ctx context.Context, req api.PublishRequest, progress func(api.Progress)) (api.Artifact, error) {
	if _, err := os.Stat(req.Source); err != nil {
		return api.Artifact{}, err
	}
	progress(api.Progress{Stage: "hashing", Done: 1, Total: 1})
	a := api.Artifact{Digest: digest, Name: req.Name, SizeBytes: 7, Seeds: []string{"db1"}, Source: req.Source}
	s.mu.Lock()
	s.paths[digest] = req.Source
	s.mu.Unlock()
	return a, s.store.PutArtifact(ctx, a)
}

func (s *served) Unpublish(ctx context.Context, digest string) error {
	s.mu.Lock()
	delete(s.paths, digest)
	s.mu.Unlock()
	return s.store.RemoveSeed(ctx, digest, "db1")
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{T: t, toy: newToy(filepath.Join(dir, "machine")), data: filepath.Join(dir, "pg", "data"), state: filepath.Join(dir, "state"),
		roots: []string{filepath.Join(dir, "pg")}}
	w.must(os.MkdirAll(filepath.Dir(w.data), 0o755))
	w.listen = store.EmbeddedConfig{Listen: fmt.Sprintf("127.1.7.%d:0", worlds.Add(1)%250+1), StateFile: filepath.Join(dir, "store"), Logger: slog.New(slog.DiscardHandler)}
	w.startStore()
	w.listen.Listen = w.embedded.Addr()
	t.Cleanup(w.stopStore)
	var err error
	w.store, err = store.Open(t.Context(), store.Config{URL: "redis://" + w.listen.Listen})
	w.must(err)
	t.Cleanup(w.store.Close)
	w.served = &served{store: w.store, paths: map[string]string{}}
	return w
}

// worlds gives each store an address of its own, so that one that is stopped finds
// its port free when it is started again.
var worlds atomic.Uint32

func (w *world) startStore() {
	w.Helper()
	var err error
	w.embedded, err = store.StartEmbedded(w.listen)
	w.must(err)
}

func (w *world) stopStore() { _ = w.embedded.Close() }

func (w *world) must(errs ...error) {
	w.Helper()
	if err := errors.Join(errs...); err != nil {
		w.Fatal(err)
	}
}

func (w *world) config() Config {
	c := Config{Self: "db1", Store: w.store, Drivers: w.toy, Publisher: w.served, CanPublish: !w.keyless, Budget: w.budget, Holder: &w.held, StateDir: w.state, Roots: w.roots,
		Now:       func() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) },
		Databases: map[string]Instance{"main": {Driver: "toy", Data: w.data, Settings: map[string]string{"key": "hunter2"}, AllowPrimary: w.lenient}}}
	if testing.Verbose() {
		c.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	return c
}

// old is what runs before, newer what is restored.
var (
	old   = toyData{Cluster: "c1", Content: "old", Follows: true, Member: "rs_before"}
	newer = toyData{Cluster: "c1", Content: "new"}
)

// install makes d the instance's data, running or not.
func (w *world) install(d toyData, runs bool) {
	w.Helper()
	w.must(d.write(w.data))
	if runs {
		w.setRunning(inodeAt(w.data))
	}
}

var contentNew = api.BackupContent{Driver: "toy", Engine: "Toy", Version: "1.2", Architecture: "x86_64", ClusterID: "c1", DataBytes: 3}

// stage puts a copy beside the data, as a distribution would.
func (w *world) stage(d toyData) {
	w.Helper()
	dir := decide.StagingPath(w.data, w.run.ID)
	w.must(os.MkdirAll(dir, 0o700), d.write(filepath.Join(dir, "data")))
	f, err := os.Open(dir)
	w.must(err)
	defer f.Close()
	w.must(writeManifest(f, manifest{Name: "b1", Database: "main", Content: contentNew}))
}

// member begins a run in which db1 is restored.
func (w *world) member(r api.Restore) {
	w.Helper()
	w.run = api.Run{ID: "r1", Phase: api.RunRolling, Request: api.RunRequest{Database: "main", Backup: "b1", Restore: &r},
		Backup: &api.Backup{ID: "b1", Digest: digest, Content: contentNew}, Members: []api.RunPart{{Node: "db1", Goal: api.GoalProbe}}}
	w.open()
}

// source begins a run in which db1 is captured for replicas.
func (w *world) source() {
	w.Helper()
	w.run = api.Run{ID: "r1", Phase: api.RunCapturing, Request: api.RunRequest{Database: "main", Source: "db1", Restore: &api.Restore{As: api.AsReplica}},
		Source: &api.RunPart{Node: "db1", Goal: api.GoalProbe}}
	w.open()
}

// open starts an agent, without running it; another one died.
func (w *world) open() {
	w.Helper()
	var err error
	w.worker, err = NewWorker(w.config())
	w.must(err)
}

// part is that of the run, told what the run says.
func (w *world) part() *part {
	w.Helper()
	p, _ := w.worker.part(w.run.ID)
	mine, _ := partOf(w.run, "db1")
	if p == nil {
		p = w.worker.begin(w.run, mine)
	}
	p.update(w.run, mine, "")
	return p
}

// want has the run set a goal.
func (w *world) want(goal api.PartGoal) {
	if w.run.Source != nil {
		w.run.Source.Goal = goal
	} else {
		w.run.Members[0].Goal = goal
	}
}

// cut is where an agent dies.
type cut int

const (
	never     cut = iota
	prepared      // the journal says what is going to be done
	performed     // it was done
	taken         // the journal says so
)

// errCut is what an agent that died returns.
var errCut = errors.New("the agent died")

// steps performs what the goal asks for, without waiting. The agent dies at the
// given point of the operation that left counts down to.
func (w *world) steps(goal api.PartGoal, left *int, where cut) error {
	w.Helper()
	w.want(goal)
	p := w.part()
	for n := 0; ; n++ {
		op := p.next()
		if op == decide.OpNone || op == decide.OpWatchPin {
			return nil
		}
		if n == 100 {
			w.Fatalf("no end: %s in %+v", op, p.note.journal)
		}
		dies := left != nil && *left == 0
		if left != nil {
			*left--
		}
		if err := w.oneStep(p, op, dies, where); err != nil {
			return err
		}
	}
}

func (w *world) oneStep(p *part, op decide.Op, dies bool, where cut) error {
	w.Helper()
	if dies && where == prepared {
		j := &job{part: p, op: op}
		if err := j.open(w.Context()); err == nil {
			_ = p.prepare(j)
		}
		return errCut
	}
	r := p.attempt(w.Context(), op)
	if dies && where == performed {
		return errCut
	}
	if r.Retry {
		w.ahead.Add(int64(time.Hour)) // the second time patience is at its end
	}
	p.takeIn(op, r)
	if dies {
		return errCut
	}
	return nil
}

// journal is what the part has come to.
func (w *world) journal() decide.Journal {
	p := w.part()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.note.journal
}

// stands checks which data stand, whether they run, and that nothing ever went
// wrong.
func (w *world) stands(content string, runs bool) {
	w.Helper()
	d, err := readToy(w.data)
	if err != nil || d.Content != content {
		w.Errorf("the data directory has %q (%v), want %q", d.Content, err, content)
	}
	if got := w.running() != 0 && w.running() == inodeAt(w.data); got != runs {
		w.Errorf("it runs: %v, want %v", got, runs)
	}
	w.sound()
}

func (w *world) sound() {
	w.Helper()
	for _, v := range w.listed("violations") {
		w.Errorf("it happened: %s", v)
	}
}

// beside lists what lies beside the data directory.
func (w *world) beside() (names []string) {
	w.Helper()
	entries, err := os.ReadDir(filepath.Dir(w.data))
	w.must(err)
	for _, e := range entries {
		if e.Name() != filepath.Base(w.data) {
			names = append(names, e.Name())
		}
	}
	return names
}

// secretFree checks that no setting has come into the state directory.
func (w *world) secretFree() {
	w.Helper()
	w.must(filepath.WalkDir(w.state, func(path string, e os.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		if strings.Contains(string(text), "hunter2") {
			w.Errorf("%s has a secret", path)
		}
		return err
	}))
}

// snapshot is every file below a directory with its content, mode and inode.
func snapshot(t *testing.T, dir string) (lines []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		var text []byte
		if info.Mode().IsRegular() {
			text, err = os.ReadFile(path)
		}
		rel, _ := filepath.Rel(dir, path)
		lines = append(lines, fmt.Sprintf("%s %v %d %q", rel, info.Mode(), inodeAt(path), text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(lines)
	return lines
}
