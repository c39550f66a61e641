package restore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/rackswarm/rackswarm/core/pluginapi"
)

// toy is a kind of database, and the machine that it runs on: all of its state
// lies on the disk, so that it outlives agents that are killed. A process is
// bound to the directory that it was started in, not to the path, as real ones are.
type toy struct {
	dir string // of the machine's own state

	mu     sync.Mutex
	hook   func(method string) error // called before each call; guarded by mu
	stalls string                    // the method whose next call stalls; guarded by mu
	begun  chan struct{}             // closed when it does; guarded by mu
}

// toyData is the file DB in a data directory.
type toyData struct {
	Cluster string `json:"cluster"`
	Content string `json:"content"`
	Follows bool   `json:"follows"`
	Member  string `json:"member,omitempty"`
	// Sick is the fault that Health finds once it runs.
	Sick pluginapi.Fault `json:"sick,omitempty"`
	// Broken databases do not start.
	Broken bool `json:"broken,omitempty"`
}

func newToy(dir string) *toy {
	for _, d := range []string{"slots", "pins", "violations"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o700); err != nil {
			panic(err)
		}
	}
	return &toy{dir: dir}
}

// Database makes a toy the only driver there is.
func (m *toy) Database(_ context.Context, name string) (pluginapi.DatabaseDriver, error) {
	if name != "toy" {
		return nil, &pluginapi.Error{Code: pluginapi.CodeDriver, Subject: name, Message: "is not in the catalogue"}
	}
	return m, nil
}

// before has f called before each of the driver's calls.
func (m *toy) before(f func(method string) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hook = f
}

// stall has calls of a method last until their context ends.
func (m *toy) stall(method string) (begun <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stalls, m.begun = method, make(chan struct{})
	return m.begun
}

func (m *toy) called(ctx context.Context, method string) error {
	m.mu.Lock()
	hook, stalls, begun := m.hook, m.stalls == method, m.begun
	if stalls {
		m.stalls = ""
	}
	m.mu.Unlock()
	if stalls {
		close(begun)
		<-ctx.Done()
		return ctx.Err()
	}
	if hook == nil {
		return nil
	}
	return hook(method)
}

// violation notes what must never happen.
func (m *toy) violation(format string, args ...any) {
	if err := os.WriteFile(filepath.Join(m.dir, "violations", fmt.Sprintf(format, args...)), nil, 0o600); err != nil {
		panic(err)
	}
}

// listed are the names in a directory of the machine's state.
func (m *toy) listed(what string) (names []string) {
	entries, err := os.ReadDir(filepath.Join(m.dir, what))
	if err != nil {
		panic(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// running is the inode of the directory in which the process runs, 0 for none.
func (m *toy) running() uint64 {
	text, err := os.ReadFile(filepath.Join(m.dir, "running"))
	if err != nil {
		return 0
	}
	n, err := strconv.ParseUint(string(text), 10, 64)
	if err != nil {
		panic(err)
	}
	return n
}

// setRunning replaces the file in one step, as a process that is there or not.
func (m *toy) setRunning(inode uint64) {
	tmp := filepath.Join(m.dir, "running.tmp")
	if err := errors.Join(os.WriteFile(tmp, []byte(strconv.FormatUint(inode, 10)), 0o600), os.Rename(tmp, filepath.Join(m.dir, "running"))); err != nil {
		panic(err)
	}
}

func inodeAt(path string) uint64 {
	var st unix.Stat_t
	if unix.Lstat(path, &st) != nil {
		return 0
	}
	return st.Ino
}

func readToy(dir string) (d toyData, err error) {
	text, err := os.ReadFile(filepath.Join(dir, "DB"))
	if err == nil {
		err = json.Unmarshal(text, &d)
	}
	return d, err
}

// write makes dir a data directory.
func (d toyData) write(dir string) error {
	text, err := json.Marshal(d)
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(d.Content))
	return errors.Join(os.MkdirAll(filepath.Join(dir, "base", "1"), 0o700),
		os.WriteFile(filepath.Join(dir, "DB"), text, 0o600),
		os.WriteFile(filepath.Join(dir, "base", "1", "sum"), []byte(hex.EncodeToString(sum[:])), 0o600))
}

func (m *toy) Describe(ctx context.Context) (pluginapi.Description, error) {
	return pluginapi.Description{Name: "toy", Engine: "Toy", Pins: true, Replicas: true}, m.called(ctx, "Describe")
}

func (m *toy) Probe(ctx context.Context, t pluginapi.Target) (pluginapi.Probe, error) {
	if err := m.called(ctx, "Probe"); err != nil {
		return pluginapi.Probe{}, err
	}
	p := pluginapi.Probe{ProgramVersion: "1.2", Architecture: "x86_64"}
	entries, err := os.ReadDir(t.DataDir)
	if errors.Is(err, fs.ErrNotExist) {
		p.Kind = pluginapi.KindAbsent
		return p, nil
	}
	if len(entries) == 0 {
		p.Kind = pluginapi.KindEmpty
		return p, nil
	}
	d, err := readToy(t.DataDir)
	if err != nil {
		p.Kind = pluginapi.KindForeign
		return p, nil
	}
	p.ClusterID, p.WasReplica, p.Bytes, p.Version = d.Cluster, d.Follows, int64(len(d.Content)), "1"
	switch {
	case m.running() != inodeAt(t.DataDir):
		p.Kind = pluginapi.KindStopped
	case d.Follows:
		p.Kind, p.PID = pluginapi.KindReplica, 1
	default:
		p.Kind, p.PID = pluginapi.KindPrimary, 1
	}
	return p, nil
}

func (m *toy) Pin(ctx context.Context, _ pluginapi.Target, name string) (pluginapi.Pin, error) {
	if err := m.called(ctx, "Pin"); err != nil {
		return pluginapi.Pin{}, err
	}
	return pluginapi.Pin{ID: name, Position: "0/1"}, os.WriteFile(filepath.Join(m.dir, "pins", name), nil, 0o600)
}

func (m *toy) PinStatus(ctx context.Context, _ pluginapi.Target, name string) (pluginapi.Pin, error) {
	_, err := os.Stat(filepath.Join(m.dir, "pins", name))
	return pluginapi.Pin{ID: name, Lost: err != nil}, m.called(ctx, "PinStatus")
}

func (m *toy) Unpin(ctx context.Context, _ pluginapi.Target, name string) error {
	if err := m.called(ctx, "Unpin"); err != nil {
		return err
	}
	return ignoreMissing(os.Remove(filepath.Join(m.dir, "pins", name)))
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (m *toy) Capture(ctx context.Context, t pluginapi.Target, c pluginapi.CaptureRequest, progress func(pluginapi.Progress)) (pluginapi.Capture, error) {
	if err := m.called(ctx, "Capture"); err != nil {
		return pluginapi.Capture{}, err
	}
	if entries, err := os.ReadDir(c.Dir); err != nil || len(entries) != 0 {
		m.violation("capture into a directory that is not empty")
	}
	d, err := readToy(t.DataDir)
	if err != nil {
		return pluginapi.Capture{}, err
	}
	progress(pluginapi.Progress{Doing: "toydump", Done: 1, Total: 2})
	d.Member, d.Follows = "", false
	return pluginapi.Capture{Version: "1.2", Architecture: "x86_64", ClusterID: d.Cluster, Start: "0/1", End: "0/2", Bytes: int64(len(d.Content))}, d.write(c.Dir)
}

func (m *toy) Verify(ctx context.Context, _ pluginapi.Target, dir string, _ func(pluginapi.Progress)) error {
	if err := m.called(ctx, "Verify"); err != nil {
		return err
	}
	d, err := readToy(dir)
	sum := sha256.Sum256([]byte(d.Content))
	want, readErr := os.ReadFile(filepath.Join(dir, "base", "1", "sum"))
	if err != nil || readErr != nil || hex.EncodeToString(sum[:]) != string(want) {
		return &pluginapi.Error{Code: pluginapi.CodeCorrupt, Subject: dir, Message: "checksums differ"}
	}
	return nil
}

// Configure writes as the agent's user, as real drivers do.
func (m *toy) Configure(ctx context.Context, _ pluginapi.Target, c pluginapi.ConfigureRequest) error {
	if err := m.called(ctx, "Configure"); err != nil {
		return err
	}
	d, err := readToy(c.Dir)
	if err != nil {
		return err
	}
	d.Follows, d.Member = c.Role == pluginapi.AsReplica, c.Member
	if d.Follows {
		err = os.WriteFile(filepath.Join(m.dir, "slots", c.Member), nil, 0o600)
	}
	return errors.Join(err, d.write(c.Dir), os.WriteFile(filepath.Join(c.Dir, "standby.signal"), nil, 0o600))
}

func (m *toy) Start(ctx context.Context, t pluginapi.Target) error {
	if err := m.called(ctx, "Start"); err != nil {
		return err
	}
	inode := inodeAt(t.DataDir)
	if now := m.running(); now != 0 && now != inode {
		m.violation("started while another directory's process runs")
	}
	d, err := readToy(t.DataDir)
	if err != nil || d.Broken {
		return &pluginapi.Error{Code: pluginapi.CodeState, Subject: t.DataDir, Message: fmt.Sprintf("does not start: %v", err), Fix: "look at it"}
	}
	m.setRunning(inode)
	return nil
}

func (m *toy) Stop(ctx context.Context, t pluginapi.Target) error {
	if err := m.called(ctx, "Stop"); err != nil {
		return err
	}
	switch m.running() {
	case 0:
	case inodeAt(t.DataDir):
		m.setRunning(0)
	default:
		m.violation("asked to stop what does not run in the data directory")
	}
	return nil
}

func (m *toy) Health(ctx context.Context, t pluginapi.Target, h pluginapi.HealthRequest) (pluginapi.Health, error) {
	if err := m.called(ctx, "Health"); err != nil {
		return pluginapi.Health{}, err
	}
	d, err := readToy(t.DataDir)
	switch {
	case err != nil || m.running() != inodeAt(t.DataDir):
		return pluginapi.Health{Fault: pluginapi.FaultDown}, nil
	case d.Sick != "":
		return pluginapi.Health{Fault: d.Sick, Message: "it is sick: connect with password=hunter2 failed"}, nil
	case h.Role == pluginapi.AsReplica && !slices.Contains(m.listed("slots"), d.Member):
		return pluginapi.Health{Fault: pluginapi.FaultLogGone, Message: "no slot"}, nil
	}
	return pluginapi.Health{Healthy: true, Replicating: d.Follows, Writable: !d.Follows}, nil
}

func (m *toy) Cleanup(ctx context.Context, _ pluginapi.Target, member string) error {
	if err := m.called(ctx, "Cleanup"); err != nil {
		return err
	}
	if strings.ContainsRune(member, '/') || member == "" {
		m.violation("cleanup of a member without a name")
	}
	return ignoreMissing(os.Remove(filepath.Join(m.dir, "slots", member)))
}
