package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/show"
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/client"
)

// distribution is the name that the example is given.
const distribution = "go"

// startFleet makes the fleet and shows its nodes.
func (d *demo) startFleet(ctx context.Context) (err error) {
	d.out.Heading("Seven agents in three racks of two datacenters, mutual TLS, the store in the first agent")
	introduce(d.out, d.top, d.dir)
	if d.bounds.files, d.bounds.bytes, err = treeSize(d.source); err != nil {
		return err
	}
	// A copy on every node, a second one while a version replaces another, the
	// next source, and the small files' blocks.
	if err := show.CheckSpace(d.dir, 22*d.bounds.bytes); err != nil {
		return err
	}
	if err := d.fleet.prepare(ctx, d.out); err != nil {
		return err
	}
	if err := d.setUpTerraform(); err != nil {
		return err
	}
	if err := d.fleet.start(); err != nil {
		return err
	}
	first := d.fleet.agents[0]
	d.out.Shell(fmt.Sprintf("(cd %s && rackswarm agent --config %s &)", first.root, filepath.Join(first.dir, "agent.yaml")))
	d.out.Note("and so on for the other six; %s leads each agent to a directory of its own", d.fleet.root())
	if err := d.fleet.connect(); err != nil {
		return err
	}
	if err := d.fleet.waitAlive(ctx); err != nil {
		return err
	}
	d.showEnvironment()
	return d.showNodes(ctx)
}

func (d *demo) showNodes(ctx context.Context) error {
	d.out.Command("rackswarm", "nodes")
	nodes, err := d.fleet.client.Nodes(ctx)
	if err != nil {
		return err
	}
	for _, n := range nodes {
		d.out.Note("%-9s %-7s %s", n.Name, n.Location, n.DataAddr)
	}
	return nil
}

// measureBounds finds out what the result is to be compared with.
func (d *demo) measureBounds(ctx context.Context) error {
	d.out.Heading("What this machine can do, measured before")
	b := &d.bounds
	d.out.Note("the tree: %s, %d files, %s", d.source, b.files, size(b.bytes))
	if err := d.measure(ctx); err != nil {
		return err
	}
	d.out.Note("one connection over loopback, TLS 1.3, SHA-256, write: %s, %.1f CPU seconds per GiB, on %d cores", b.rate, b.cpu*(1<<30), b.cores)
	d.out.Note("lower bound: at that cost six nodes cannot have the bytes in less than %.1f s", b.least.Seconds())
	d.out.Note("plain copies: seven of these trees take %.1f s (cp -a, %d side by side, then sync)", b.copied.Seconds(), b.copies)
	return nil
}

// apply distributes the tree.
func (d *demo) apply(ctx context.Context) error {
	d.out.Heading("terraform apply: the tree on all seven nodes")
	begin := time.Now()
	st, err := d.applyWatched(ctx, d.source)
	if err != nil {
		return err
	}
	d.showResult(st, time.Since(begin))
	last := d.fleet.agents[len(d.fleet.agents)-1]
	return d.compare(ctx, last.path("go"))
}

// compare shows that a tree is the source.
func (d *demo) compare(ctx context.Context, tree string) error {
	d.out.Note("")
	args := []string{"-r", "--no-dereference", d.source, tree}
	d.out.Command("diff", args...)
	if text, err := exec.CommandContext(ctx, "diff", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s is not the source: %w\n%s", tree, err, text)
	}
	d.out.Note("no difference")
	return nil
}

// applyWatched applies the example and shows the nodes until all are done.
func (d *demo) applyWatched(ctx context.Context, source string) (api.Status, error) {
	generation, err := d.generation(ctx)
	if err != nil {
		return api.Status{}, err
	}
	p, log, err := d.terraformRun(d.terraformArgs("apply", source, "-auto-approve"))
	if err != nil {
		return api.Status{}, err
	}
	watching, stop := context.WithCancel(ctx)
	defer stop()
	watched := make(chan error, 1)
	go func() { watched <- d.watch(watching, generation) }()
	err = d.await(ctx, p, log)
	stop()
	if watchErr := <-watched; err == nil {
		err = watchErr
	}
	if err != nil {
		return api.Status{}, err
	}
	st, err := d.fleet.client.Status(ctx, distribution)
	if err != nil {
		return st, err
	}
	(&table{out: d.out}).end(st)
	return st, d.showLog(log)
}

// generation counts the changes of the distribution so far.
func (d *demo) generation(ctx context.Context) (int64, error) {
	dist, err := d.fleet.client.Distribution(ctx, distribution)
	if client.IsNotFound(err) {
		return 0, nil
	}
	return dist.Generation, err
}

// watch shows the distribution from its first change after the given generation
// until ctx ends.
func (d *demo) watch(ctx context.Context, generation int64) error {
	t := &table{out: d.out}
	show := func(st api.Status) error {
		if st.Distribution.Generation > generation {
			t.show(st)
		}
		return nil
	}
	for ctx.Err() == nil {
		err := d.fleet.client.Watch(ctx, distribution, false, show)
		if err != nil && ctx.Err() == nil && !client.IsNotFound(err) {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
	t.erase()
	return nil
}

func (d *demo) showResult(st api.Status, applied time.Duration) {
	s, b := st.Summary, d.bounds
	d.out.Note("")
	d.out.Note("Time            %5.1f s  from the first node's start to the last one's installation", s.Seconds)
	d.out.Note("                %5.1f s  terraform apply as a whole, with hashing", applied.Seconds())
	d.out.Note("Lower bound     %5.1f s  TLS, SHA-256 and writing of six copies; making the files comes on top", b.least.Seconds())
	d.out.Note("Plain copies    %5.1f s  of seven trees, by cp -a", b.copied.Seconds())
	d.out.Note("Copies entered  %s", copies(s))
	d.out.Note("Seeding ratio   %.2f     copies sent by the initial seeder, to six nodes that had nothing", s.SeedingRatio)
}

// copies writes how many copies entered each location.
func copies(s api.Summary) string {
	var parts []string
	for l := range s.UplinkCopies {
		parts = append(parts, fmt.Sprintf("%s %.2f", l, s.UplinkCopies[l]))
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

// planAgain shows that there is nothing left to do.
func (d *demo) planAgain(ctx context.Context) error {
	d.out.Heading("A second plan is empty")
	p, log, err := d.terraformRun(d.terraformArgs("plan", d.source, "-detailed-exitcode"))
	if err != nil {
		return err
	}
	err = d.await(ctx, p, log)
	if exitCode(err) == 2 {
		return &loggedError{fmt.Errorf("the second plan is not empty: %w", err), log}
	}
	if err != nil {
		return err
	}
	if err := d.showLog(log); err != nil {
		return err
	}
	d.out.Note("exit code 0")
	return nil
}
