package show

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// limit is how long a whole demo may take, on the slowest machine.
const limit = 15 * time.Minute

// Run performs the demo of that name, until a signal or the limit ends its
// context, and returns the program's exit code: 0, 1 after a failure, 130 after an
// interrupt.
func Run(name string, perform func(context.Context) error) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	bounded, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("the demo was not done after %s", limit))
	defer cancel()
	err := perform(bounded)
	switch {
	case ctx.Err() != nil:
		fmt.Fprintf(os.Stderr, "\n%s: interrupted\n", name)
		return 130
	case err != nil:
		fmt.Fprintf(os.Stderr, "\n%s: failed: %v\n", name, err)
		return 1
	}
	return 0
}
