package control

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/rackswarm/rackswarm/core/pause"
)

// sweepInterval is how often, at least, each agent looks for removals that have
// ended and that nobody watches.
const sweepInterval = 30 * time.Second

// sweep finishes removals until ctx ends. Agents do so at different times.
func (s *Server) sweep(ctx context.Context) {
	for pause.For(ctx, sweepInterval+rand.N(sweepInterval)) == nil {
		if err := s.fleet.Finish(ctx); err != nil && ctx.Err() == nil {
			s.cfg.Logger.Warn("cannot finish removals", "error", err)
		}
	}
}
