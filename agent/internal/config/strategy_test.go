package config

import (
	"testing"

	"github.com/rackswarm/rackswarm/core/node"
	"github.com/rackswarm/rackswarm/core/swarm"
)

// Every key of the strategy sets its own switch and no other.
func TestStrategy(t *testing.T) {
	for text, change := range map[string]func(*node.Strategy){
		"":                               func(*node.Strategy) {},
		"strategy: {overlay: false}":     func(s *node.Strategy) { s.Overlay = false },
		"strategy: {division: false}":    func(s *node.Strategy) { s.Division = false },
		"strategy: {stealing: false}":    func(s *node.Strategy) { s.Stealing = false },
		"strategy: {low_latency: false}": func(s *node.Strategy) { s.LowLatency = false },
		"strategy: {picker: market}":     func(s *node.Strategy) { s.Picker = swarm.Market },
	} {
		want := node.DefaultStrategy()
		change(&want)
		if c, _, err := parse("a.yaml", []byte(text), nil); err != nil || c.Strategy != want {
			t.Errorf("%q is read as %+v, %v", text, c.Strategy, err)
		}
	}
}

func TestStrategyOfAnotherNameIsRefused(t *testing.T) {
	_, failed, err := parse("a.yaml", []byte("strategy: {picker: best}"), nil)
	if all := problems(t, err); len(all) != 1 || !failed["strategy.picker"] {
		t.Errorf("%v, %v", all, failed)
	}
}

// Who measures is told so: the agent would be slow without anybody knowing why.
func TestStrategyIsNoted(t *testing.T) {
	f := newFleet(t)
	vars := f.valid()
	vars["RACKSWARM_STRATEGY_STEALING"] = "false"
	c, err := Load("", environ(vars))
	if err != nil || len(c.Notes) != 1 {
		t.Errorf("notes %q, %v", c.Notes, err)
	}
}
