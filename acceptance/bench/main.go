package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// options are the flags.
type options struct {
	out      string
	markdown string
	bin      string
	diskDir  string
	repeat   int
	quick    bool
	only     filter
	timeout  time.Duration
}

func main() {
	if len(os.Args) > 2 && os.Args[1] == "peer" {
		if err := runPeer(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	o, err := parseOptions(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
	os.Exit(run(o))
}

func parseOptions(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("bench", flag.ExitOnError)
	flags.StringVar(&o.out, "out", "", "write the figures to this file as JSON")
	flags.StringVar(&o.markdown, "markdown", "", "write the tables to this file as Markdown")
	flags.StringVar(&o.bin, "bin", "bin", "the directory of the built programs")
	flags.StringVar(&o.diskDir, "disk", "/var/tmp", "a directory on the disk that is measured")
	flags.IntVar(&o.repeat, "repeat", 5, "repetitions; the figures are medians")
	flags.BoolVar(&o.quick, "quick", false, "one repetition with small sizes")
	only := flags.String("only", "", "cases and systems, such as 'one-to-*/rackswarm,tree-go'")
	flags.DurationVar(&o.timeout, "timeout", 2*time.Minute, "of a round")
	_ = flags.Parse(args) // it exits
	if o.quick {
		o.repeat = 1
	}
	if o.repeat < 1 || flags.NArg() > 0 {
		return o, errors.New("usage: bench [flags], with at least one repetition; see -help")
	}
	var err error
	o.only, err = parseFilter(*only)
	return o, err
}

// run returns the exit code: 0, 1 after a failure, 130 after an interrupt.
func run(o options) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	err := measure(ctx, o)
	switch {
	case ctx.Err() != nil:
		fmt.Fprintln(os.Stderr, "bench: interrupted")
		return 130
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	return 0
}

// measure runs the bench and writes what it found. A program that failed is in
// the report, and an error at the end.
func measure(ctx context.Context, o options) error {
	t, err := findTools(o.bin)
	if err != nil {
		return err
	}
	b := &bench{options: o, sizes: fullSizes, tools: t, log: os.Stderr}
	if o.quick {
		b.sizes = quickSizes
	}
	rep, err := b.run(ctx)
	if err != nil {
		return err
	}
	fmt.Print(rep.text())
	if o.out != "" {
		if err := rep.write(o.out); err != nil {
			return err
		}
	}
	if o.markdown != "" {
		if err := os.WriteFile(o.markdown, []byte(rep.markdown()), 0o644); err != nil { //nolint:gosec // everybody may read it
			return err
		}
	}
	return rep.failed()
}
