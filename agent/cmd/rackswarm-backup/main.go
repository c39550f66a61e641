// Command rackswarm-backup backs up databases, restores them and seeds replicas,
// by asking the agents of rackswarm to.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/rackswarm/rackswarm/agent/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	app := cli.App{Stdout: os.Stdout, Stderr: os.Stderr, Environ: os.Environ()}
	os.Exit(app.Backup(ctx, os.Args[1:]))
}
