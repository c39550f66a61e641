package reconcile

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/store"
	"github.com/rackswarm/rackswarm/core/unit"
)

const (
	// decideInterval is how often the first of the nodes that switch together
	// looks whether all of them have staged the content.
	decideInterval = 500 * time.Millisecond
	// decideLater is how often the others look, in case the first does not decide.
	decideLater = 10 * time.Second
	// decidePerNode is added for each node: the answer is as long, and with many
	// of them it changes late.
	decidePerNode      = 5 * time.Millisecond
	decideLaterPerNode = 50 * time.Millisecond
)

// activator lets the nodes of a distribution switch that switch together, once
// all of them have staged what it wants. Every node would; the first one by name
// that is alive looks often enough to be the one.
type activator struct {
	store *store.Store
	self  string
	log   *slog.Logger
	rng   *unit.Rand // touched only by run

	mu   sync.Mutex
	open map[string]*undecided // by distribution
}

// undecided is a distribution of this node that nobody may switch to yet.
type undecided struct {
	api.Distribution
	next time.Time
}

// set replaces what is undecided. Reading begins a little later, at another time
// on each node.
func (a *activator) set(open []api.Distribution, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	was := a.open
	a.open = map[string]*undecided{}
	for _, d := range open {
		if u := was[d.Name]; u != nil && u.Generation == d.Generation {
			a.open[d.Name] = u
		} else {
			a.open[d.Name] = &undecided{d, now}
		}
	}
}

func (a *activator) run(ctx context.Context) {
	repeat(ctx, decideInterval/2, nil, func() {
		for _, d := range a.due(time.Now()) {
			a.look(ctx, d)
		}
	})
}

func (a *activator) due(now time.Time) []api.Distribution {
	a.mu.Lock()
	defer a.mu.Unlock()
	var due []api.Distribution
	for _, u := range a.open {
		if !u.next.After(now) {
			due = append(due, u.Distribution)
		}
	}
	slices.SortFunc(due, func(x, y api.Distribution) int { return strings.Compare(x.Name, y.Name) })
	return due
}

// look reads what the nodes report, and decides if nobody is missing.
func (a *activator) look(ctx context.Context, d api.Distribution) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	v, err := a.read(ctx, d)
	if err == nil && v.ready {
		err = activate(ctx, a.store, d)
	}
	if err != nil {
		a.log.Debug("whether the nodes may switch is not known", "distribution", d.Name, "error", err)
	} else if v.ready {
		a.log.Info("all nodes have staged it: they switch", "distribution", d.Name, "generation", d.Generation)
	}
	a.schedule(d, v)
}

func (a *activator) read(ctx context.Context, d api.Distribution) (vote, error) {
	nodes, err := a.store.Nodes(ctx)
	if err != nil {
		return vote{}, err
	}
	reports, err := a.store.Statuses(ctx, d.Name)
	if err != nil {
		return vote{}, err
	}
	return count(d, a.self, nodes, reports), nil
}

func (a *activator) schedule(d api.Distribution, v vote) {
	wait := decideLater + time.Duration(v.targets)*decideLaterPerNode
	if v.first {
		wait = decideInterval + time.Duration(v.targets)*decidePerNode
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if u := a.open[d.Name]; u != nil && u.Generation == d.Generation {
		u.next = time.Now().Add(wait - a.rng.Jitter(wait/4))
	}
}

// vote is what the nodes' reports amount to.
type vote struct {
	targets int
	ready   bool // every target has it, beside the destination or there
	first   bool // this node is the first target by name that is alive
}

// count counts the reports of those that d selects. One that is down, failed or
// never reported keeps the others waiting.
func count(d api.Distribution, self string, nodes []api.Node, reports []api.NodeStatus) vote {
	byNode := map[string]api.NodeStatus{}
	for _, r := range reports {
		byNode[r.Node] = r
	}
	v, first := vote{ready: true}, ""
	for _, n := range nodes {
		if !d.Selector.Matches(n) {
			continue
		}
		v.targets++
		r := byNode[n.Name]
		r.Unreachable = !n.Alive
		v.ready = v.ready && d.Ready(r)
		if n.Alive && (first == "" || n.Name < first) {
			first = n.Name
		}
	}
	v.first = first == self
	v.ready = v.ready && v.targets > 0
	return v
}

// activate notes that the nodes may switch to this generation, unless another
// one has overtaken it. Again is no error.
func activate(ctx context.Context, s *store.Store, d api.Distribution) error {
	return s.UpdateDistributions(ctx, func(all map[string]api.Distribution) ([]api.Distribution, []string, error) {
		now, ok := all[d.Name]
		if !ok || now.Generation != d.Generation || now.State != api.StatePresent || now.MaySwitch() {
			return nil, nil, nil
		}
		now.Activated = now.Generation
		return []api.Distribution{now}, nil, nil
	})
}

// undecided are the distributions of this node that wait for a decision.
func (r *Reconciler) undecided() []api.Distribution {
	var open []api.Distribution
	for _, d := range r.desired.Distributions {
		if d.State == api.StatePresent && !d.MaySwitch() && d.Selector.Matches(r.cfg.Self) {
			open = append(open, d)
		}
	}
	return open
}
