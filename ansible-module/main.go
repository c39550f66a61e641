// Command rackswarm-ansible-module is a binary module for Ansible. Ansible calls
// it with the name of a file that holds the task's options as JSON; it answers with one JSON object on standard
// output. It is a thin client of the agent on the machine it runs on.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/rackswarm/rackswarm/ansible-module/internal/module"
)

func main() {
	if !run() {
		os.Exit(1)
	}
}

func run() bool {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return module.Main(ctx, os.Args[1:], os.Stdout)
}
