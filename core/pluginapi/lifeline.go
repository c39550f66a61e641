package pluginapi

import (
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/hashicorp/go-plugin"
)

// outlastSignals has the process live on when a service manager or a terminal
// signals the agent and all of its processes: the agent decides when a call ends.
// Signals are received, not ignored, as programs that the driver starts would
// inherit that.
func outlastSignals() {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGTERM, syscall.SIGHUP, os.Interrupt)
}

// endWithAgent ends this process and its process group when the other end of
// lifeline is closed, which the kernel does when the agent dies in whatever way.
func endWithAgent(lifeline io.Reader) {
	_, _ = io.Copy(io.Discard, lifeline)
	removeSocket(os.Getenv(plugin.EnvUnixSocketDir))
	if syscall.Getpgrp() == os.Getpid() {
		_ = syscall.Kill(0, syscall.SIGKILL) // this process as well
	}
	os.Exit(1)
}

// removeSocket removes what an agent that was killed leaves: the socket, its
// directory, and with the last driver the directory of all of them.
func removeSocket(dir string) {
	if dir == "" {
		return
	}
	sockets, _ := filepath.Glob(filepath.Join(dir, "plugin*")) // the pattern is right
	for _, path := range append(sockets, dir, filepath.Dir(dir)) {
		_ = os.Remove(path) // a directory only when it is empty
	}
}
