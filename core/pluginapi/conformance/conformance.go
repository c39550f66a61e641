package conformance

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/pluginapi"
	"github.com/rackswarm/rackswarm/core/pluginhost"
)

// Config is a driver under test. All but Undetected and Timeout has to be set.
type Config struct {
	// Program is the path of the driver's program, rackswarm-driver-NAME; Build
	// makes one.
	Program string
	// Source makes an instance with content, and starts it. All that it needs lies
	// in dir, an empty directory. What it starts it ends with t.Cleanup.
	Source func(t *testing.T, dir string) pluginapi.Target
	// Member tells the instance into which source will be restored; its data
	// directory is a name in dir that is not there yet. What may run at the end it
	// ends with t.Cleanup.
	Member func(t *testing.T, dir string, source pluginapi.Target) pluginapi.Target
	// Role is what the member becomes.
	Role pluginapi.Role
	// Same fails the test unless the member, which runs, has the source's content.
	Same func(t *testing.T, source, member pluginapi.Target)

	// Undetected tells of a file of a capture, by its path in it, that the engine
	// has no means to notice a changed byte in. The agent's own hashes do. Say so in
	// the driver's documentation.
	Undetected func(path string) bool
	// Timeout bounds each call, and the time to become healthy; 2 min by default.
	Timeout time.Duration
}

// suite is a run of the tests.
type suite struct {
	Config
	driver      pluginapi.DatabaseDriver
	description pluginapi.Description
}

// Test runs all tests with the driver of c.
func Test(t *testing.T, c Config) {
	t.Helper()
	if c.Timeout == 0 {
		c.Timeout = 2 * time.Minute
	}
	if c.Undetected == nil {
		c.Undetected = func(string) bool { return false }
	}
	s := &suite{Config: c}
	s.start(t)
	t.Run("Describe", s.describe)
	t.Run("ProbeChangesNothing", s.probeOfNothing)
	t.Run("UnknownSetting", s.unknownSetting)
	t.Run("StartOfNothing", s.startOfNothing)
	t.Run("NoSuchPin", s.noSuchPin)
	t.Run("Restore", s.restore)
	t.Run("Damage", s.damage)
	t.Run("CancelledCapture", s.cancelledCapture)
	t.Run("KilledCapture", s.killedCapture)
}

// Build builds the Go package pkg as the program of the driver of that name, and
// returns its path.
func Build(t *testing.T, pkg, name string) string {
	t.Helper()
	return build(t, pkg, pluginhost.Prefix+name)
}

func build(t *testing.T, pkg, file string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), file)
	build := exec.Command("go", "build", "-o", program, pkg)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", file, err, out)
	}
	return program
}

// newHost returns a host that may start the program.
func newHost(t *testing.T, program string) *pluginhost.Host {
	t.Helper()
	content, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	catalog := filepath.Join(t.TempDir(), "drivers.sha256")
	line := fmt.Sprintf("%x  %s\n", sha256.Sum256(content), program)
	if err := os.WriteFile(catalog, []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	host, err := pluginhost.New(pluginhost.Config{
		Catalog: catalog, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Policy: pluginhost.Policy{Backoff: time.Millisecond, Crashes: 1000},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(host.Close)
	return host
}

// start starts the program as an agent does.
func (s *suite) start(t *testing.T) {
	t.Helper()
	ctx, cancel := s.limit(t)
	defer cancel()
	var err error
	s.driver, err = newHost(t, s.Program).Database(ctx, strings.TrimPrefix(filepath.Base(s.Program), pluginhost.Prefix))
	if err != nil {
		t.Fatal(err)
	}
}

// limit returns the context of one call.
func (s *suite) limit(t *testing.T) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithTimeout(t.Context(), s.Timeout)
}

// must makes a call twice: what was done already must succeed again.
func (s *suite) must(t *testing.T, what string, call func(ctx context.Context) error) {
	t.Helper()
	for _, time := range []string{"", " again"} {
		ctx, cancel := s.limit(t)
		err := call(ctx)
		cancel()
		if err != nil {
			t.Fatalf("%s%s: %v", what, time, err)
		}
	}
}

// directory makes an empty directory with a short path, for sockets, that other
// users may enter.
func directory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "rs-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // an engine may run as another user
		t.Fatal(err)
	}
	return dir
}

// pair makes a running source, and tells a member.
func (s *suite) pair(t *testing.T) (source, member pluginapi.Target) {
	t.Helper()
	source = s.Source(t, directory(t))
	return source, s.Member(t, directory(t), source)
}

// staging makes the empty directory beside the member's data into which an agent
// has a source captured.
func staging(t *testing.T, member pluginapi.Target) string {
	t.Helper()
	dir := filepath.Join(filepath.Dir(member.DataDir), "staged")
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}
