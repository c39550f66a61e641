package main

import (
	"context"
	"log/slog"

	"github.com/rackswarm/rackswarm/agent/internal/cli"
	"github.com/rackswarm/rackswarm/agent/internal/config"
	"github.com/rackswarm/rackswarm/agent/internal/daemon"
)

// runAgent runs an agent of this build's version until ctx ends.
func runAgent(ctx context.Context, c config.Config, log *slog.Logger) error {
	return daemon.Run(ctx, c, cli.Version, log)
}
