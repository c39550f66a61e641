// Command starts measures four ways to tell the peers of one rack of a START: over
// the connection that carries data too, over a TCP connection of its own, by UDP,
// and by multicast (requirement 48). It makes eight hosts in network namespaces and
// needs root.
//
//	go run ./acceptance/lab/starts -rates 100Mbit,10Mbit -for 60s
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

func main() {
	rates := flag.String("rates", "100Mbit,10Mbit", "the hosts' links, one after the other")
	lasts := flag.Duration("for", time.Minute, "how long each case is measured")
	notSent := flag.Int("not-sent", 128, "KiB that the kernel takes of a connection beyond what it has sent, TCP_NOTSENT_LOWAT; the agents' is 128")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *rates, settings{notSent: *notSent << 10, lasts: *lasts})
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "starts:", err)
		os.Exit(1)
	}
}

// run prints a table of all cases.
func run(ctx context.Context, rates string, s settings) error {
	fmt.Println("| links | load | link's use | way | STARTs | p50 ms | p99 ms | longest ms | lost | bytes for each peer |")
	fmt.Println("|---|---|---|---|---|---|---|---|---|---|")
	for text := range strings.SplitSeq(rates, ",") {
		var err error
		if s.rate, err = unit.ParseRate(text); err != nil {
			return err
		}
		for _, l := range loads {
			if err := measure(ctx, s, l); err != nil {
				return fmt.Errorf("%s, %s: %w", text, l.name, err)
			}
		}
	}
	return nil
}
