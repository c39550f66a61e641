package rivals

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/child"
	"github.com/rackswarm/rackswarm/acceptance/lab/system"
	"github.com/rackswarm/rackswarm/core/scenario"
	"github.com/rackswarm/rackswarm/core/unit"
)

// chain is a row of relays.
type chain struct {
	packed
	order []unit.NodeID // each fetches from the one before
}

func newChain(r *rival) system.System {
	s := &chain{packed{rival: r}, chainOrder(r.Scenario)}
	r.launch = s.launch
	r.tell = func(p *peer) error { return p.say("fetch") }
	return s
}

// chainOrder is the first initial seeder, those that the scenario lists after it, and
// those that it lists before, so that a location is entered and left once. Who joins
// later comes later.
func chainOrder(s *scenario.Scenario) []unit.NodeID {
	first := s.Initial[0]
	at := slices.IndexFunc(s.Hosts, func(h scenario.Host) bool { return h.Node == first })
	join := map[unit.NodeID]time.Duration{}
	for i, node := range s.Receivers {
		join[node] = s.Join[i]
	}
	order := []unit.NodeID{first}
	for i := range s.Hosts {
		node := s.Hosts[(at+i)%len(s.Hosts)].Node
		if _, receives := join[node]; receives {
			order = append(order, node)
		}
	}
	slices.SortStableFunc(order, func(a, b unit.NodeID) int { return cmp.Compare(join[a], join[b]) })
	return order
}

// Start is that of system.System.
func (s *chain) Start(ctx context.Context) error {
	if err := s.pack(ctx); err != nil {
		return err
	}
	return s.rival.Start(ctx)
}

func (s *chain) launch(ctx context.Context, p *peer) error {
	args := []string{s.file(p), dataAddress(p).String()}
	if i := slices.Index(s.order, p.node); i > 0 {
		args = append(args, dataAddress(s.peers[s.order[i-1]]).String())
	}
	return p.speak(ctx, child.Part(relayProgram, args...), func(life context.Context) { p.busy.Go(func() { s.received(life, p) }) })
}
