package reconcile

import (
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/agent/internal/swarmapi"
	"github.com/rackswarm/rackswarm/core/artifact"
)

func TestStarved(t *testing.T) {
	spans := func() *transfer { return &transfer{spans: make(chan error, 1)} }
	manifest := func() *transfer { return &transfer{manifest: make(chan *artifact.Manifest, 1)} }
	idle := func() *transfer { return &transfer{} }
	for name, c := range map[string]struct {
		transfer func() *transfer
		stats    swarmapi.Stats
		want     string
	}{
		"nobody has the rest":          {spans, swarmapi.Stats{Peers: 2, Spans: 40, Missing: 3, Unserved: 3}, "no peer has 3 of 40 spans"},
		"somebody has some of it":      {spans, swarmapi.Stats{Peers: 2, Spans: 40, Missing: 3, Unserved: 2}, ""},
		"nobody is there":              {spans, swarmapi.Stats{Spans: 40, Missing: 3, Unserved: 3}, "no peer is connected"},
		"all is here":                  {spans, swarmapi.Stats{Spans: 40}, ""},
		"nobody has the manifest":      {manifest, swarmapi.Stats{}, "no peer is connected"},
		"peers may have the manifest":  {manifest, swarmapi.Stats{Peers: 1}, ""},
		"a seeder that lost something": {idle, swarmapi.Stats{Spans: 40, Missing: 3, Unserved: 3}, ""},
	} {
		tr, now := c.transfer(), time.Unix(1000, 0)
		for _, after := range []time.Duration{0, starveTime - 1} {
			if got := tr.starved(now.Add(after), c.stats); got != "" {
				t.Errorf("%s: after %v it says %q", name, after, got)
			}
		}
		if got := tr.starved(now.Add(starveTime), c.stats); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
		served := swarmapi.Stats{Peers: 1, Spans: 40, Missing: 3}
		tr.starved(now.Add(starveTime), served)
		if got := tr.starved(now.Add(starveTime+1), c.stats); got != "" {
			t.Errorf("%s: as soon as it was served it says %q", name, got)
		}
	}
}
