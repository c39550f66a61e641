package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/child"
	"github.com/rackswarm/rackswarm/acceptance/show"
	"github.com/rackswarm/rackswarm/acceptance/wait"
	"github.com/rackswarm/rackswarm/core/client"
)

// Ports of every agent, on an address of its own.
const (
	dataPort  = 7420
	storePort = 7421
	apiPort   = 7422
)

// racks says how many agents stand where. The first one publishes and holds
// the store.
var racks = []struct {
	location string
	agents   int
}{{"ams/r1", 3}, {"ams/r2", 2}, {"fra/r1", 2}}

// fleet is the agents and what they need.
type fleet struct {
	binary string
	dir    string
	subnet string // such as "127.84.3."
	agents []*agent
	client *client.Client // of all agents, by an operator's certificate
}

// agent is one node.
type agent struct {
	name, location, address string
	dir                     string // holds its files
	root                    string // what the allowed root is for this agent
	log                     string // file
	process                 *child.Process
}

func newFleet(binary, dir string) *fleet {
	f := &fleet{binary: binary, dir: dir}
	for _, r := range racks {
		for i := range r.agents {
			name := fmt.Sprintf("%s-%s-%d", filepath.Dir(r.location), filepath.Base(r.location), i+1)
			at := filepath.Join(dir, name)
			f.agents = append(f.agents, &agent{name: name, location: r.location, dir: at,
				root: filepath.Join(at, "srv"), log: filepath.Join(at, "agent.log")})
		}
	}
	return f
}

// root is the allowed root in every agent's configuration.
//
// A distribution has one path on all nodes, but these nodes share a machine. So
// root is a symbolic link to /proc/self/cwd, and each agent runs in a directory
// of its own: $D/srv/go is $D/ams-r1-1/srv/go for the first agent, and so on.
func (f *fleet) root() string { return filepath.Join(f.dir, "srv") }

func (f *fleet) pki(name string) string { return filepath.Join(f.dir, "pki", name) }

func (f *fleet) endpoint() string {
	return "https://" + net.JoinHostPort(f.agents[0].address, fmt.Sprint(apiPort))
}

// path is where a path below root is on this node.
func (a *agent) path(elements ...string) string {
	return filepath.Join(append([]string{a.root}, elements...)...)
}

// takeAddresses gives the agents addresses that nobody listens on.
func (f *fleet) takeAddresses() error {
	for range 100 {
		f.subnet = fmt.Sprintf("127.%d.%d.", 16+rand.IntN(224), rand.IntN(256))
		if f.addressesFree() {
			for i, a := range f.agents {
				a.address = fmt.Sprint(f.subnet, i+1)
			}
			return nil
		}
	}
	return fmt.Errorf("no free addresses in 127.0.0.0/8 for ports %d to %d", dataPort, apiPort)
}

func (f *fleet) addressesFree() bool {
	for i := range f.agents {
		for port := dataPort; port <= apiPort; port++ {
			l, err := net.Listen("tcp4", fmt.Sprintf("%s%d:%d", f.subnet, i+1, port))
			if err != nil {
				return false
			}
			l.Close()
		}
	}
	return true
}

// prepare makes certificates, directories and configuration files.
func (f *fleet) prepare(ctx context.Context, out *show.Printer) error {
	if err := f.takeAddresses(); err != nil {
		return err
	}
	if err := os.Symlink("/proc/self/cwd", f.root()); err != nil {
		return err
	}
	if err := f.command(ctx, out, "pki", "init", "--dir", f.pki("")); err != nil {
		return err
	}
	if err := f.command(ctx, out, "pki", "issue", "--dir", f.pki(""), "--role", "operator", "--name", "operator"); err != nil {
		return err
	}
	for i, a := range f.agents {
		if i == 1 {
			out.Note("and so on for the other six")
			out = nil
		}
		if err := f.command(ctx, out, "pki", "issue", "--dir", f.pki(""), "--role", "node", "--name", a.name); err != nil {
			return err
		}
		if err := f.writeConfig(a); err != nil {
			return err
		}
	}
	return nil
}

// command runs rackswarm, after showing it if out is not nil.
func (f *fleet) command(ctx context.Context, out *show.Printer, args ...string) error {
	if out != nil {
		out.Command("rackswarm", args...)
	}
	text, err := exec.CommandContext(ctx, f.binary, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("rackswarm %s: %w\n%s", args[0], err, text)
	}
	return nil
}

// start starts all agents.
func (f *fleet) start() error {
	for _, a := range f.agents {
		log, err := os.Create(a.log)
		if err != nil {
			return err
		}
		cmd := exec.Command(f.binary, "agent", "--config", filepath.Join(a.dir, "agent.yaml"))
		cmd.Dir, cmd.Stdout, cmd.Stderr = a.root, log, log
		a.process, err = child.Start(cmd)
		log.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// connect makes the client.
func (f *fleet) connect() error {
	conf, err := client.LoadTLS(f.pki("ca.crt"), f.pki("operator.crt"), f.pki("operator.key"))
	if err != nil {
		return err
	}
	f.client, err = client.New(client.Config{Endpoints: []string{f.endpoint()}, TLS: conf})
	return err
}

// waitAlive waits until every agent is registered.
func (f *fleet) waitAlive(ctx context.Context) error {
	return wait.Until(ctx, time.Minute, "all agents are registered", func() error {
		if err := f.check(); err != nil {
			return wait.Stop{Err: err}
		}
		nodes, err := f.client.Nodes(ctx)
		alive := 0
		for _, n := range nodes {
			if n.Alive {
				alive++
			}
		}
		if err == nil && alive < len(f.agents) {
			err = fmt.Errorf("%d of %d are", alive, len(f.agents))
		}
		return err
	})
}

// check returns an error if an agent has ended.
func (f *fleet) check() error {
	for _, a := range f.agents {
		if !a.process.Running() {
			return &loggedError{fmt.Errorf("the agent %s ended: %w", a.name, a.process.Wait()), a.log}
		}
	}
	return nil
}

// stop ends all agents that were started, side by side.
func (f *fleet) stop() {
	if f.client != nil {
		f.client.Close()
	}
	var wg sync.WaitGroup
	for _, a := range f.agents {
		if a.process != nil {
			wg.Go(func() { a.process.End(syscall.SIGTERM, 10*time.Second) })
		}
	}
	wg.Wait()
}
