package cli

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rackswarm/rackswarm/agent/internal/config"
)

// Version is set by the build.
var Version = "devel"

// settleTime is how long waiting goes on when every node either holds the
// content or cannot get it: agents try again, and often succeed.
const settleTime = 10 * time.Second

// App is the program. Its fields are what it takes from its surroundings.
type App struct {
	Stdout io.Writer
	Stderr io.Writer
	// Environ are the environment variables, "NAME=value".
	Environ []string
	// RunAgent runs an agent until ctx ends or it fails.
	RunAgent func(ctx context.Context, c config.Config, log *slog.Logger) error
	// CheckAgent finds what is wrong with a configuration and shows only when parts
	// of an agent are started; nil finds nothing.
	CheckAgent func(ctx context.Context, c config.Config, log *slog.Logger) error

	now    func() time.Time // nil is time.Now
	zone   *time.Location   // in which times are shown; nil is time.Local
	settle time.Duration    // 0 is settleTime
}

// Main runs the command of rackswarm that args name, without the program's own
// name, and returns the exit code. A ctx that is canceled interrupts it.
func (a App) Main(ctx context.Context, args []string) int {
	return a.main(ctx, args, (*run).rootCommand)
}

// Backup is Main for rackswarm-backup.
func (a App) Backup(ctx context.Context, args []string) int {
	return a.main(ctx, args, (*run).backupRoot)
}

func (a App) main(ctx context.Context, args []string, program func(*run) *cobra.Command) int {
	if a.now == nil {
		a.now = time.Now
	}
	if a.zone == nil {
		a.zone = time.Local
	}
	if a.settle == 0 {
		a.settle = settleTime
	}
	r := &run{App: a}
	root := program(r)
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	return r.exit(ctx, cmd.CommandPath(), err)
}

// run is one invocation.
type run struct {
	App
	flags globals
	// began says that the command line was understood, so that what fails from
	// there is not its fault.
	began bool
}

// env returns a variable, "" if it is not set.
func (r *run) env(name string) string {
	for _, e := range r.Environ {
		if value, ok := strings.CutPrefix(e, name+"="); ok {
			return value
		}
	}
	return ""
}
