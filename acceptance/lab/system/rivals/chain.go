package rivals

import (
	"context"
	"slices"

	"github.com/rackswarm/rackswarm/acceptance/lab/system"
)

// chain is a row of relays.
type chain struct{ packed }

func newChain(r *rival) system.System {
	s := &chain{packed{rival: r}}
	r.launch = s.launch
	r.tell = func(p *peer) error { return p.say("fetch") }
	return s
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
	if i := slices.Index(s.Scenario.Receivers, p.node); i > 0 {
		args = append(args, dataAddress(s.peers[s.Scenario.Receivers[i-1]]).String())
	} else if i == 0 {
		args = append(args, dataAddress(s.peers[s.Scenario.Initial[0]]).String())
	}
	cmd, err := self(relayProgram, args...)
	if err != nil {
		return err
	}
	return p.speak(ctx, cmd, func(life context.Context) { p.busy.Go(func() { s.received(life, p) }) })
}
