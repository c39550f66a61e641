package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/client"
)

// storePort is where the first agent's embedded store listens.
const storePort = 7450

// fleet is a round's agents; the first one holds the store and publishes.
type fleet struct {
	round  *round
	tls    bool
	agents []*process
	client *client.Client // of the first agent, over its socket
}

// rackswarm is the carry of real agents: the content is published in place
// before the clock runs, which it does from the request for the distribution
// until the status says that it is installed everywhere.
func rackswarm(tls bool) carry {
	return func(ctx context.Context, r *round) error {
		f, err := startFleet(ctx, r, r.receivers+1, tls)
		if err != nil {
			return err
		}
		defer f.client.Close()
		a, err := f.publish(ctx, r.content.path, "content")
		if err != nil {
			return err
		}
		r.tell()
		st, err := f.distribute(ctx, a, "content")
		if err != nil {
			return err
		}
		r.seen.Inside = st.Summary.Seconds
		for n := range r.receivers {
			r.received = append(r.received, f.received(n+1, "content"))
		}
		if r.traced {
			return f.readTraces()
		}
		return nil
	}
}

// startFleet starts n agents and waits until they know each other.
func startFleet(ctx context.Context, r *round, n int, tls bool) (*fleet, error) {
	f := &fleet{round: r, tls: tls}
	// The agents share the machine but a distribution has one path on all nodes:
	// the root leads each process into its own working directory.
	if err := os.Symlink("/proc/self/cwd", f.root()); err != nil {
		return nil, err
	}
	for i := range n {
		if err := f.startAgent(i); err != nil {
			return nil, err
		}
	}
	var err error
	if f.client, err = client.New(client.Config{Endpoints: []string{"unix://" + f.socket(0)}}); err != nil {
		return nil, err
	}
	return f, f.waitAlive(ctx)
}

func (f *fleet) startAgent(n int) error {
	if err := os.MkdirAll(f.own(n), 0o755); err != nil {
		return err
	}
	file := f.file(n, "agent.yaml")
	if err := os.WriteFile(file, []byte(f.config(n)), 0o600); err != nil {
		return err
	}
	cmd := exec.Command(f.round.tools.rackswarm, "agent", "--config", file)
	cmd.Dir, cmd.Env = f.own(n), withoutSettings(os.Environ())
	p, err := f.round.start(nodeName(n), cmd)
	f.agents = append(f.agents, p)
	return err
}

// withoutSettings drops variables that would change the agents.
func withoutSettings(env []string) []string {
	var rest []string
	for _, v := range env {
		if !strings.HasPrefix(v, "RACKSWARM_") {
			rest = append(rest, v)
		}
	}
	return rest
}

func (f *fleet) config(n int) string {
	r := f.round
	text := fmt.Sprintf("node: {name: %s, location: lab}\nstate_dir: %s\nroots: [%s]\ndata: {listen: \"%s\"}\napi: {socket: %s}\ntrust: [%s]\n",
		nodeName(n), f.file(n, "state"), f.root(), r.net.host(n), f.socket(n), r.tools.pki("publisher.pub"))
	store := r.net.other(0, storePort)
	scheme := "redis"
	if f.tls {
		text += fmt.Sprintf("tls: {ca: %s, cert: %s, key: %s}\n", r.tools.pki("ca.crt"), r.tools.pki(nodeName(n)+".crt"), r.tools.pki(nodeName(n)+".key"))
		scheme = "rediss"
	} else {
		text += "tls: {enabled: false}\n"
	}
	if n == 0 {
		text += fmt.Sprintf("store: {embedded: true, listen: \"%s\", tls: %v}\npublish: {key: %s}\n", store, f.tls, r.tools.pki("publisher.key"))
	} else {
		text += fmt.Sprintf("store: {url: \"%s://%s\", tls: %v}\n", scheme, store, f.tls)
	}
	text += "impact: {cpu_idle: 0%, io_idle: 0%}\n" // all of the machine is to be used
	if r.traced {
		text += "trace: " + f.file(n, "trace") + "\n"
	}
	return text
}

func nodeName(n int) string { return fmt.Sprintf("n%d", n) }

// root is the allowed root in every agent's configuration.
func (f *fleet) root() string { return filepath.Join(f.round.dir, "srv") }

// own is what the root is for the n-th agent.
func (f *fleet) own(n int) string { return f.file(n, "srv") }

func (f *fleet) file(n int, name string) string {
	return filepath.Join(f.round.dir, fmt.Sprint(n), name)
}

func (f *fleet) socket(n int) string { return f.file(n, "sock") }

func (f *fleet) received(n int, name string) string { return filepath.Join(f.own(n), name) }

func (f *fleet) waitAlive(ctx context.Context) error {
	return poll(ctx, 50*time.Millisecond, func() (bool, error) {
		for _, p := range f.agents {
			if err := p.alive(); err != nil {
				return false, err
			}
		}
		nodes, err := f.client.Nodes(ctx)
		alive := 0
		for _, n := range nodes {
			if n.Alive {
				alive++
			}
		}
		return err == nil && alive == len(f.agents), nil // an agent that starts answers with errors
	})
}

func (f *fleet) publish(ctx context.Context, path, name string) (api.Artifact, error) {
	a, err := f.client.Publish(ctx, api.PublishRequest{Source: path, Name: name}, nil)
	if err != nil {
		return a, f.agents[0].failed(err)
	}
	return a, nil
}

// distribute brings an artifact to all agents but the first and returns the
// status that says so.
func (f *fleet) distribute(ctx context.Context, a api.Artifact, name string) (api.Status, error) {
	d := api.Distribution{Name: name, Digest: a.Digest, Path: filepath.Join(f.root(), name)}
	for n := 1; n < len(f.agents); n++ {
		d.Selector.NodeNames = append(d.Selector.NodeNames, nodeName(n))
	}
	if _, err := f.client.PutDistribution(ctx, d); err != nil {
		return api.Status{}, err
	}
	return f.waitInstalled(ctx, name)
}

// statusInterval is how often a failure is looked for during a transfer: seldom,
// as it costs the agents time.
const statusInterval = time.Second

// waitInstalled watches the destinations, which costs nothing, and asks for the
// status when the content is there.
func (f *fleet) waitInstalled(ctx context.Context, name string) (api.Status, error) {
	var st api.Status
	asked := time.Now()
	err := poll(ctx, pollInterval, func() (bool, error) {
		there := true
		for n := 1; n < len(f.agents) && there; n++ {
			_, err := os.Lstat(f.received(n, name))
			there = err == nil
		}
		if !there && time.Since(asked) < statusInterval {
			return false, nil
		}
		asked = time.Now()
		var err error
		if st, err = f.client.Status(ctx, name); err != nil {
			return false, f.agents[0].failed(err)
		}
		return st.Summary.Done, failedNode(st)
	})
	if err != nil {
		return st, f.agents[len(f.agents)-1].failed(err)
	}
	return st, nil
}

func failedNode(st api.Status) error {
	for _, n := range st.Nodes {
		if n.Phase == api.PhaseFailed && n.Error != nil {
			return fmt.Errorf("node %s failed: %w", n.Node, n.Error)
		}
	}
	return nil
}

// poll calls check until it says that it is done.
func poll(ctx context.Context, interval time.Duration, check func() (bool, error)) error {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		if done, err := check(); done || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// makePKI makes the certificates of as many agents as a round has at most, and
// the publisher's key.
func makePKI(ctx context.Context, t *tools, agents int) error {
	commands := [][]string{{"pki", "init", "--dir", t.pki("")}}
	for n := range agents {
		commands = append(commands, []string{"pki", "issue", "--dir", t.pki(""), "--role", "node", "--name", nodeName(n)})
	}
	for _, args := range commands {
		if text, err := exec.CommandContext(ctx, t.rackswarm, args...).CombinedOutput(); err != nil {
			return errors.Join(fmt.Errorf("rackswarm %s: %w", strings.Join(args[:2], " "), err), errors.New(strings.TrimSpace(string(text))))
		}
	}
	return nil
}
