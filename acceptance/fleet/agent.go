package fleet

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/child"
)

// Agent is a node of the fleet and its process.
type Agent struct {
	Name     string
	Root     string // what Fleet.Root is for this agent
	StateDir string
	Config   string // file
	Socket   string
	DataAddr string // host:port
	APIAddr  string // host:port of the API over TLS; nothing listens there in a Plain fleet
	Log      string // file; every start appends

	fleet *Fleet
	node  Node
	index int

	wanted  bool           // started, and not yet asked to end
	process *child.Process // that was started last, nil before
}

const stopTimeout = 30 * time.Second

func (f *Fleet) newAgent(i int, n Node) *Agent {
	f.t.Helper()
	dir := filepath.Join(f.dir, fmt.Sprint(i+1))
	a := &Agent{
		Name: n.Name, Root: filepath.Join(dir, "srv"), StateDir: filepath.Join(dir, "state"), Config: filepath.Join(dir, "agent.yaml"),
		Socket: filepath.Join(dir, "agent.sock"), Log: filepath.Join(dir, "log"),
		DataAddr: f.net.address(i+1, dataPort), APIAddr: f.net.address(i+1, apiPort),
		fleet: f, node: n, index: i,
	}
	for _, d := range []string{a.Root, a.StateDir} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			f.t.Fatal(err)
		}
	}
	a.writeConfig()
	f.t.Cleanup(a.cleanup)
	return a
}

// Endpoint is where the agent's socket answers the CLI.
func (a *Agent) Endpoint() string { return "unix://" + a.Socket }

// Path is where the fleet's path (below Fleet.Root) is on this node.
func (a *Agent) Path(fleetPath string) string {
	a.fleet.t.Helper()
	rel, err := filepath.Rel(a.fleet.Root, fleetPath)
	if err != nil {
		a.fleet.t.Fatal(err)
	}
	return filepath.Join(a.Root, rel)
}

// Start starts the agent's process. It does not wait until it is registered;
// see Fleet.WaitRegistered.
func (a *Agent) Start() {
	t := a.fleet.t
	t.Helper()
	if a.Running() {
		t.Fatalf("agent %s runs already", a.Name)
	}
	log, err := os.OpenFile(a.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(a.fleet.binary, "agent", "--config", a.Config)
	cmd.Dir = a.Root
	cmd.Env = append(append(os.Environ(), a.fleet.opts.Env...), a.node.Env...)
	cmd.Stdout, cmd.Stderr = log, log
	if a.process, err = child.Start(cmd); err != nil {
		t.Fatalf("agent %s: %v", a.Name, err)
	}
	a.wanted = true
}

// Running reports whether the process lives.
func (a *Agent) Running() bool { return a.process != nil && a.process.Running() }

// Pid is the number of the process that was started last.
func (a *Agent) Pid() int { return a.process.Pid() }

// Kill ends the process at once (SIGKILL) and waits for its end.
func (a *Agent) Kill() { a.end(syscall.SIGKILL) }

// Dump has the process write the stacks of its goroutines to its log and end.
func (a *Agent) Dump() {
	a.fleet.t.Helper()
	a.end(syscall.SIGQUIT)
}

// Stop asks the process to end (SIGTERM), and waits until it has.
func (a *Agent) Stop() {
	a.fleet.t.Helper()
	a.end(syscall.SIGTERM)
}

// Restart starts the agent again after it was killed or stopped, and waits until
// it is registered.
func (a *Agent) Restart() {
	a.fleet.t.Helper()
	a.Start()
	a.fleet.WaitRegistered()
}

func (a *Agent) end(sig syscall.Signal) {
	a.fleet.t.Helper()
	a.wanted = false
	if !a.Running() {
		return
	}
	if !a.process.End(sig, stopTimeout) {
		a.fleet.t.Errorf("agent %s did not end within %s of signal %v", a.Name, stopTimeout, sig)
	}
}

var bugs = regexp.MustCompile(`(?m)^(WARNING: DATA RACE|panic: |fatal error: ).*`)

// cleanup ends the agent at the end of the test, and looks at what it logged.
func (a *Agent) cleanup() {
	t := a.fleet.t
	if a.process == nil {
		return
	}
	a.Stop()
	log, err := os.ReadFile(a.Log)
	if err != nil {
		t.Errorf("read the log of %s: %v", a.Name, err)
	}
	if bug := bugs.Find(log); bug != nil {
		t.Errorf("agent %s: %s", a.Name, bug)
	}
	if t.Failed() {
		t.Logf("log of %s (the end):\n%s", a.Name, tail(log, 200))
	}
}

// tail returns the last n lines.
func tail(text []byte, n int) []byte {
	lines := bytes.SplitAfter(text, []byte("\n"))
	return bytes.Join(lines[max(0, len(lines)-n):], nil)
}
