package rivals

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/rackswarm/rackswarm/acceptance/child"
	"github.com/rackswarm/rackswarm/acceptance/lab/network"
	"github.com/rackswarm/rackswarm/acceptance/lab/system"
	"github.com/rackswarm/rackswarm/core/scenario"
	"github.com/rackswarm/rackswarm/core/unit"
)

// Names are the systems that New knows.
var Names = []string{"libtorrent", "aria2", "chain", "http"}

// Setup is what a rival is given.
type Setup struct {
	Scenario *scenario.Scenario
	Network  *network.Network
	Content  string // file or directory that the initial seeders have
	Dir      string // where the rival makes a directory of its own, until Close
}

// New returns the system of that name, which is not started yet. The error wraps
// system.ErrMissing if programs of it are not installed, and names the Debian
// packages that have them.
func New(name string, s Setup) (system.System, error) {
	i := slices.IndexFunc(kinds, func(k kind) bool { return k.name == name })
	if i < 0 {
		return nil, fmt.Errorf("no system %q: choose of %v", name, Names)
	}
	if err := check(name, kinds[i].needs); err != nil {
		return nil, err
	}
	r, err := newRival(name, s)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return kinds[i].make(r), nil
}

// kind is one of the systems.
type kind struct {
	name  string
	needs []program
	make  func(*rival) system.System
}

var kinds = []kind{
	{"libtorrent", []program{libtorrentModule}, newLibtorrent},
	{"aria2", []program{aria2c, libtorrentModule}, newAria2},
	{"chain", []program{tar}, newChain},
	{"http", []program{curl, tar}, newHTTP},
}

// rival is what all have in common: a peer on each host.
type rival struct {
	Setup
	name  string
	dir   string
	peers map[unit.NodeID]*peer
	// launch starts what runs on a host before the word: what was received before
	// is still on its disk. It may do nothing.
	launch func(context.Context, *peer) error
	// tell has a receiver fetch.
	tell func(*peer) error
	told map[unit.NodeID]bool // receivers that take part
	busy sync.WaitGroup       // what waits for programs
}

func newRival(name string, s Setup) (*rival, error) {
	dir, err := os.MkdirTemp(s.Dir, name+"-")
	if err != nil {
		return nil, err
	}
	r := &rival{Setup: s, name: name, dir: dir, peers: map[unit.NodeID]*peer{}, told: map[unit.NodeID]bool{}}
	for i, h := range s.Scenario.Hosts {
		initial := slices.Contains(s.Scenario.Initial, h.Node)
		if !initial && !slices.Contains(s.Scenario.Receivers, h.Node) {
			continue
		}
		p := newPeer(h.Node, s.Network.Host(h.Node), &r.busy)
		p.initial, p.dir, p.log = initial, filepath.Join(dir, fmt.Sprint(i)), filepath.Join(dir, fmt.Sprintf("%d.log", i))
		r.peers[h.Node] = p
		if err := r.furnish(p); err != nil {
			return nil, errors.Join(err, os.RemoveAll(dir))
		}
	}
	return r, nil
}

// furnish makes the directory of a peer. An initial seeder has the content there.
func (r *rival) furnish(p *peer) error {
	if err := os.Mkdir(p.dir, 0o755); err != nil || !p.initial {
		return err
	}
	content, err := filepath.Abs(r.Content)
	if err != nil {
		return err
	}
	return os.Symlink(content, r.Path(p.node))
}

// Start is that of system.System: the seeders first, as the others may ask for them.
func (r *rival) Start(ctx context.Context) error {
	if err := r.launchAll(ctx, r.Scenario.Initial); err != nil {
		return err
	}
	var present []unit.NodeID
	for i, node := range r.Scenario.Receivers {
		if r.Scenario.Join[i] == 0 {
			present = append(present, node)
		}
	}
	return r.launchAll(ctx, present)
}

// launchAll launches some at a time.
func (r *rival) launchAll(ctx context.Context, nodes []unit.NodeID) error {
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(2 * runtime.NumCPU())
	for _, node := range nodes {
		work.Go(func() error { return r.launch(ctx, r.peers[node]) })
	}
	return work.Wait()
}

// Distribute is that of system.System.
func (r *rival) Distribute(context.Context) error {
	for i, node := range r.Scenario.Receivers {
		if r.Scenario.Join[i] > 0 {
			continue
		}
		r.told[node] = true
		if err := r.tell(r.peers[node]); err != nil {
			return err
		}
	}
	return nil
}

// Join is that of system.System.
func (r *rival) Join(ctx context.Context, node unit.NodeID) error {
	p, err := r.peer(node)
	if err != nil {
		return err
	}
	r.told[node] = true
	return r.begin(ctx, p)
}

// begin starts the programs of a peer, which fetches if it was told to.
func (r *rival) begin(ctx context.Context, p *peer) error {
	if err := r.launch(ctx, p); err != nil || !r.told[p.node] {
		return err
	}
	return r.tell(p)
}

// Fault is that of system.System. A killed program is started again with what its
// host has on disk. A host that was moved keeps its address, which is all that a
// program sees of it.
func (r *rival) Fault(ctx context.Context, f scenario.Fault) error {
	switch f.Action {
	case scenario.Kill, scenario.Start, scenario.Move:
	default:
		return system.ErrNotApplicable
	}
	p, err := r.peer(f.Node)
	if err != nil {
		return err
	}
	switch f.Action {
	case scenario.Kill:
		p.kill()
	case scenario.Start:
		return r.begin(ctx, p)
	}
	return nil
}

func (r *rival) peer(node unit.NodeID) (*peer, error) {
	p, ok := r.peers[node]
	if !ok {
		return nil, fmt.Errorf("%s: %s takes no part", r.name, node)
	}
	return p, nil
}

// State is that of system.System.
func (r *rival) State(node unit.NodeID) system.State {
	p, err := r.peer(node)
	if err != nil {
		return system.State{Failed: err}
	}
	return p.now()
}

// Processes is that of system.System.
func (r *rival) Processes(node unit.NodeID) []*child.Process {
	p, err := r.peer(node)
	if err != nil {
		return nil
	}
	return p.running()
}

// Path is that of system.System.
func (r *rival) Path(node unit.NodeID) string {
	return filepath.Join(r.peers[node].dir, filepath.Base(r.Content))
}

// Finish is that of system.System: the rivals know no more than their states, which
// are behind what has been moved.
func (r *rival) Finish(ctx context.Context, o *scenario.Observed) error {
	var all errgroup.Group
	for node := range o.Nodes {
		all.Go(func() error { return r.peers[node].settle(ctx) })
	}
	err := all.Wait()
	for node, n := range o.Nodes {
		if s := r.State(node); s.Counted {
			n.Received, n.Duplicate, n.Sent = s.Received, s.Duplicate, s.Sent
			o.Nodes[node] = n
		}
	}
	return err
}

// Close is that of system.System.
func (r *rival) Close() error {
	for _, p := range r.peers {
		p.kill()
	}
	r.busy.Wait()
	return os.RemoveAll(r.dir)
}
