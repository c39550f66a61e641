package main

import (
	"context"
	"errors"
	"log/slog"

	"github.com/rackswarm/rackswarm/agent/internal/config"
)

// runAgent is replaced by daemon.Run when that package stands.
func runAgent(context.Context, config.Config, *slog.Logger) error {
	return errors.New("this build has no agent")
}
