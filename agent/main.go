// Command rackswarm distributes large content inside data centers. It is the
// agent of a node ("rackswarm agent") and the commands that speak to agents.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/rackswarm/rackswarm/agent/internal/cli"
	"github.com/rackswarm/rackswarm/agent/internal/daemon"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	app := cli.App{Stdout: os.Stdout, Stderr: os.Stderr, Environ: os.Environ(), RunAgent: runAgent, CheckAgent: daemon.CheckPlugins}
	os.Exit(app.Main(ctx, os.Args[1:]))
}
