package fleet

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/wait"
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/client"
	"github.com/rackswarm/rackswarm/core/store/storetest"
)

// Fleet is a set of agents with one store. Its methods are for the goroutine of
// the test.
type Fleet struct {
	// Root is the allowed root of every agent: Root/x on a node is x in that
	// Agent's Root.
	Root string
	// PKI is the directory of the certificates: ca.crt, operator.crt, operator.key,
	// reader.crt, reader.key, publisher.key, publisher.pub.
	PKI string
	// Redis is the store, nil if it is embedded.
	Redis *storetest.Redis

	t      testing.TB
	dir    string
	opts   Options
	net    subnet
	binary string
	agents []*Agent
}

// registerTimeout is how long the fleet may take to come up, on a busy machine.
const registerTimeout = time.Minute

// Start makes a fleet and returns when all of its nodes are registered. It ends
// with the test, which fails if an agent raced or panicked.
func Start(t testing.TB, o Options) *Fleet {
	t.Helper()
	f := New(t, o)
	for _, a := range f.agents {
		a.Start()
	}
	f.WaitRegistered()
	return f
}

// New is Start without starting the agents. An agent's files can be changed
// before its Start.
func New(t testing.TB, o Options) *Fleet {
	t.Helper()
	if len(o.Nodes) == 0 || len(o.Nodes) > 250 {
		t.Fatalf("a fleet of %d nodes: 1 to 250 are possible", len(o.Nodes))
	}
	if o.CheckInterval == 0 {
		o.CheckInterval = time.Second
	}
	f := &Fleet{t: t, opts: o, net: takeSubnet(t), binary: Binary(t, "agent"), dir: shortDir(t)}
	f.Root, f.PKI = filepath.Join(f.dir, "srv"), filepath.Join(f.dir, "pki")
	// The working directory of a process leads to its own directory.
	if err := os.Symlink("/proc/self/cwd", f.Root); err != nil {
		t.Fatal(err)
	}
	f.makePKI()
	switch {
	case o.Redis && o.Forgetful:
		f.Redis = storetest.StartRedis(t)
	case o.Redis:
		f.Redis = storetest.StartRedis(t, "--appendonly", "yes")
	}
	for i, n := range o.Nodes {
		f.agents = append(f.agents, f.newAgent(i, n))
	}
	return f
}

// shortDir is a directory of the test whose sockets have a path short enough
// for the kernel, whatever the test is called.
func shortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "fleet-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("remove the fleet's directory: %v", err)
		}
	})
	return dir
}

func (f *Fleet) makePKI() {
	f.t.Helper()
	f.mustRun("pki", "init", "--dir", f.PKI)
	for _, role := range []string{"operator", "reader"} {
		f.mustRun("pki", "issue", "--dir", f.PKI, "--role", role, "--name", role)
	}
	for _, n := range f.opts.Nodes {
		f.mustRun("pki", "issue", "--dir", f.PKI, "--role", "node", "--name", n.Name)
	}
}

// Agents returns the agents in the order of Options.Nodes.
func (f *Fleet) Agents() []*Agent { return f.agents }

// Agent returns an agent by name.
func (f *Fleet) Agent(name string) *Agent {
	f.t.Helper()
	for _, a := range f.agents {
		if a.Name == name {
			return a
		}
	}
	f.t.Fatalf("there is no agent %s", name)
	return nil
}

// Client returns a client of the first agent that runs, over its socket.
func (f *Fleet) Client() *client.Client {
	f.t.Helper()
	c, err := client.New(client.Config{Endpoints: f.endpoints()})
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(c.Close)
	return c
}

func (f *Fleet) endpoints() []string {
	var all []string
	for _, a := range f.agents {
		all = append(all, a.Endpoint())
	}
	return all
}

// WaitRegistered waits until every agent that runs is seen alive by the CLI.
func (f *Fleet) WaitRegistered() {
	f.t.Helper()
	Eventually(f.t, registerTimeout, "all nodes are registered", func() error {
		f.failIfEnded()
		r := f.TryCLI("nodes", "--json")
		if r.Code != 0 {
			return fmt.Errorf("rackswarm nodes: %s", r.Stderr)
		}
		var list api.NodeList
		if err := json.Unmarshal([]byte(r.Stdout), &list); err != nil {
			return fmt.Errorf("rackswarm nodes --json: %w", err)
		}
		return f.missing(list.Nodes)
	})
}

// failIfEnded fails the test if an agent ended that nobody asked to.
func (f *Fleet) failIfEnded() {
	f.t.Helper()
	for _, a := range f.agents {
		if a.wanted && !a.Running() {
			f.t.Fatalf("agent %s ended by itself: %v", a.Name, a.process.Wait())
		}
	}
}

func (f *Fleet) missing(nodes []api.Node) error {
	alive := map[string]bool{}
	for _, n := range nodes {
		alive[n.Name] = n.Alive
	}
	for _, a := range f.agents {
		if a.Running() && !alive[a.Name] {
			return fmt.Errorf("node %s is not registered", a.Name)
		}
	}
	return nil
}

// Eventually waits until check returns nil, and fails the test with its last
// error when that takes longer than the timeout.
func Eventually(t testing.TB, timeout time.Duration, what string, check func() error) {
	t.Helper()
	// Not the test's context, which has ended when it cleans up.
	if err := wait.Until(context.Background(), timeout, what, check); err != nil {
		t.Fatal(err)
	}
}
