package pluginhost

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/pluginapi"
)

// The test binary is the driver's program as well: started by a Host, it serves
// fakeDriver, or does what the file's name says.
func TestMain(m *testing.M) {
	if os.Getenv(pluginapi.Handshake.MagicCookieKey) != "" {
		serveAs(filepath.Base(os.Args[0]))
		return
	}
	if words := strings.Fields(os.Getenv(agentVariable)); len(words) == 2 {
		beAgent(words[0], words[1])
	}
	os.Exit(m.Run())
}

// agentVariable makes the test binary an agent: its directory and catalogue.
const agentVariable = "PLUGINHOST_TEST_AGENT"

// beAgent starts the driver fake, prints the number of its process, and waits to
// be killed.
func beAgent(runDir, catalog string) {
	h, err := New(Config{RunDir: runDir, Catalog: catalog})
	if err != nil {
		panic(err)
	}
	d, err := h.Database(context.Background(), "fake")
	if err != nil {
		panic(err)
	}
	probe, err := d.Probe(context.Background(), pluginapi.Target{})
	if err != nil {
		panic(err)
	}
	fmt.Println(probe.PID)
	select {}
}

// program makes a driver's program of that name, of this test binary, and
// returns its path.
func program(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), Prefix+name)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// By another process: one that this one starts at the same time would inherit
	// the open file, and what is open for writing cannot be executed.
	if out, err := exec.Command("cp", self, path).CombinedOutput(); err != nil {
		t.Fatalf("cp: %v: %s", err, out)
	}
	return path
}

// catalogOf writes a catalogue of programs as sha256sum does, and returns its path.
func catalogOf(t *testing.T, programs ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "drivers.sha256")
	text := ""
	for _, p := range programs {
		text += fmt.Sprintf("%s  %s\n", sumOf(t, p), p)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func sumOf(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// newHost returns a host with the programs in its catalogue, and its log.
func newHost(t *testing.T, c Config, programs ...string) (*Host, *journal) {
	t.Helper()
	log := &journal{}
	if c.Catalog == "" {
		c.Catalog = catalogOf(t, programs...)
	}
	if c.Policy == (Policy{}) {
		c.Policy = Policy{Backoff: time.Millisecond, Crashes: 100}
	}
	c.Logger = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	h, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return h, log
}

func database4(t *testing.T, h *Host, name string) pluginapi.DatabaseDriver {
	t.Helper()
	d, err := h.Database(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// journal is a log in memory.
type journal struct {
	mu   sync.Mutex
	text []byte
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.text = append(j.text, p...)
	return len(p), nil
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return string(j.text)
}

func itoa(n int) string { return fmt.Sprint(n) }
