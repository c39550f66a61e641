package rackswarm

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/child"
	"github.com/rackswarm/rackswarm/acceptance/lab/busy"
	"github.com/rackswarm/rackswarm/acceptance/lab/network"
	"github.com/rackswarm/rackswarm/acceptance/lab/system"
	"github.com/rackswarm/rackswarm/core/client"
	"github.com/rackswarm/rackswarm/core/topo"
	"github.com/rackswarm/rackswarm/core/unit"
)

// role is what a host does in the scenario.
type role string

const (
	idle     role = ""
	seeder   role = "seeder"
	receiver role = "receiver"
	late     role = "late" // a receiver that joins later
	keeper   role = "keeper"
)

// agent is one of the fleet.
type agent struct {
	fleet  *Fleet
	host   *network.Host
	name   string
	role   role
	dir    string
	link   topo.Link      // the host's own, as it is at the beginning
	limit  topo.Link      // of its payload; topo.Unlimited for none
	client *client.Client // over its socket
	digest string         // of what it published
	alone  alone

	mu       sync.Mutex
	location unit.Location
	started  []*child.Process // the last one may run
	others   []*child.Process // that keep the host busy
	wanted   bool             // started, and not yet asked to end
	complete time.Time        // when the content was seen, zero before
	counts   counts
}

func (a *agent) file(name string) string { return filepath.Join(a.dir, name) }

// own is what the root is for this agent.
func (a *agent) own() string { return a.file("srv") }

func (a *agent) path() string { return filepath.Join(a.own(), content) }

// prepare makes the agent's directory and client.
func (a *agent) prepare() (err error) {
	if err := os.MkdirAll(a.dir, 0o755); err != nil {
		return err
	}
	if err := a.setApart(); err != nil {
		return err
	}
	if err := os.MkdirAll(a.own(), 0o755); err != nil {
		return err
	}
	a.client, err = client.New(client.Config{Endpoints: []string{"unix://" + a.file("sock")}})
	return err
}

// start starts the agent, again after it has ended.
func (a *agent) start() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if n := len(a.started); n > 0 && a.started[n-1].Running() {
		return fmt.Errorf("agent %s runs already", a.name)
	}
	if err := a.configure(); err != nil {
		return fmt.Errorf("configure agent %s: %w", a.name, err)
	}
	log, err := os.OpenFile(a.file("log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := busy.Command(a.alone.view, a.alone.processor, a.fleet.opts.Program, "agent", "--config", a.file("agent.yaml"))
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = a.own(), environment(), log, log
	p, err := a.host.Start(cmd)
	if err != nil {
		return fmt.Errorf("start agent %s: %w", a.name, err)
	}
	a.started, a.wanted = append(a.started, p), true
	a.counts.restart()
	return nil
}

// environment is ours without what would change the agents.
func environment() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "RACKSWARM_") })
}

// end asks the agent to end, by SIGKILL or something milder, and waits for it. An
// agent that does not run has nothing to do.
func (a *agent) end(ask syscall.Signal) error {
	a.mu.Lock()
	a.wanted = false
	all := slices.Clone(a.started)
	a.mu.Unlock()
	for _, p := range all {
		if p.Running() && !p.End(ask, stopTimeout) {
			return a.explain(fmt.Errorf("did not end within %s of being asked", stopTimeout))
		}
	}
	return nil
}

// signal sends a signal to the agent that runs.
func (a *agent) signal(s syscall.Signal) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if n := len(a.started); n > 0 && a.started[n-1].Running() {
		return syscall.Kill(a.started[n-1].Pid(), s)
	}
	return fmt.Errorf("agent %s does not run", a.name)
}

func (a *agent) processes() []*child.Process {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.started)
}

func (a *agent) running() bool {
	all := a.processes()
	return len(all) > 0 && all[len(all)-1].Running()
}

// state looks at the destination: content is renamed into its place when it is
// complete, verified and synced.
func (a *agent) state() system.State {
	failed := a.failed()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.complete.IsZero() && a.role != seeder {
		if _, err := os.Lstat(a.path()); err == nil {
			a.complete = time.Now()
		}
	}
	received, duplicate, sent := a.counts.sum()
	return system.State{
		Complete: a.role == seeder || !a.complete.IsZero(), CompleteAt: a.complete, Counted: true,
		Received: received, Duplicate: duplicate, Sent: sent, Failed: failed,
	}
}

// failed says why an agent ended that nobody asked to.
func (a *agent) failed() error {
	a.mu.Lock()
	var last *child.Process
	if n := len(a.started); a.wanted && n > 0 {
		last = a.started[n-1]
	}
	a.mu.Unlock()
	if last == nil || last.Running() {
		return nil
	}
	return a.explain(errors.Join(errors.New("ended by itself"), last.Wait()))
}

// explain names the agent and adds the end of what it logged.
func (a *agent) explain(err error) error {
	log, _ := os.ReadFile(a.file("log")) // without it there is less to say
	lines := bytes.Split(bytes.TrimSpace(log), []byte("\n"))
	return fmt.Errorf("agent %s: %w\n%s", a.name, err, bytes.Join(lines[max(0, len(lines)-5):], []byte("\n")))
}
