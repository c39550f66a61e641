package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/goccy/go-yaml"

	"github.com/rackswarm/rackswarm/acceptance/lab/busy"
	"github.com/rackswarm/rackswarm/acceptance/lab/system/rivals"
	"github.com/rackswarm/rackswarm/core/scenario"
)

// options are the flags.
type options struct {
	systems  []string
	alone    bool // nothing is added to systems
	reps     int
	parallel int
	out      string
	plot     string
	bin      string
	keep     bool
	files    []string
	strategy strategy
}

// strategy changes parts of the scenarios' strategies.
type strategy struct {
	Overlay    *bool            `yaml:"overlay"`
	Division   *bool            `yaml:"division"`
	Stealing   *bool            `yaml:"stealing"`
	LowLatency *bool            `yaml:"lowLatency"`
	Picker     *scenario.Picker `yaml:"picker"`
}

func main() {
	rivals.RunProgram()
	busy.RunProgram()
	o, err := parseOptions(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		os.Exit(2)
	}
	os.Exit(run(o))
}

func parseOptions(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("rackswarm-lab", flag.ContinueOnError)
	flags.Usage = func() {
		fmt.Fprintf(flags.Output(), "usage: rackswarm-lab [flags] SCENARIO...\n\nSystems: %s.\n\n", strings.Join(systemNames(), ", "))
		flags.PrintDefaults()
	}
	systems := flags.String("systems", "rackswarm", "what to compare, separated by commas")
	flags.BoolVar(&o.alone, "no-baseline", false, "do not run "+nameNone+" besides where a scenario has background or probes")
	flags.IntVar(&o.reps, "reps", 1, "repetitions of each system")
	flags.IntVar(&o.parallel, "parallel", 1, "how many runs go on at a time, each in a network of its own")
	flags.StringVar(&o.out, "out", "lab", "directory for the reports")
	flags.StringVar(&o.plot, "plot", "", "draw nodes complete over time to this SVG file (default: plot.svg in the directory of the reports)")
	flags.StringVar(&o.bin, "bin", "", "directory of rackswarm and rackswarm-faults (default: where this program is)")
	flags.BoolVar(&o.keep, "keep", false, "keep the files of all runs: configurations, logs, traces, content")
	change := flags.String("strategy", "", "change parts of the strategy, such as '{division: false, picker: rarest}'")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	o.systems, o.files = strings.Split(*systems, ","), flags.Args()
	if err := yaml.UnmarshalWithOptions([]byte(*change), &o.strategy, yaml.Strict()); err != nil {
		return o, fmt.Errorf("-strategy: %w", err)
	}
	return o, o.check()
}

func (o *options) check() error {
	if len(o.files) == 0 {
		return errors.New("no scenario; name a file, see -help")
	}
	if o.reps < 1 || o.parallel < 1 {
		return errors.New("-reps and -parallel are 1 at least")
	}
	for _, name := range o.systems {
		if !slices.Contains(systemNames(), name) {
			return fmt.Errorf("there is no system %q; choose from %s", name, strings.Join(systemNames(), ", "))
		}
	}
	return o.findAgents()
}

// findAgents makes the agents' directory absolute: they are started in others.
func (o *options) findAgents() (err error) {
	if o.bin == "" {
		self, err := os.Executable()
		if err != nil {
			return fmt.Errorf("find this program: %w; name the directory of rackswarm with -bin", err)
		}
		o.bin = filepath.Dir(self)
	}
	if o.bin, err = filepath.Abs(o.bin); err != nil {
		return fmt.Errorf("find -bin: %w; name the directory of rackswarm by its whole path", err)
	}
	return nil
}

// apply changes a scenario's strategy.
func (c strategy) apply(s *scenario.Strategy) {
	set(&s.Overlay, c.Overlay)
	set(&s.Division, c.Division)
	set(&s.Stealing, c.Stealing)
	set(&s.LowLatency, c.LowLatency)
	set(&s.Picker, c.Picker)
}

func set[T any](into, from *T) {
	if from != nil {
		*into = *from
	}
}

// run returns the exit code: 0, 1 after a failure, 2 if scenarios are wrong, 130 after
// an interrupt.
func run(o options) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the lab at once, and the kernel what it made
	err := experiment(ctx, o, os.Stdout, newProgress(os.Stderr))
	switch {
	case ctx.Err() != nil:
		if err != nil {
			fmt.Fprintln(os.Stderr, "lab:", err)
		}
		fmt.Fprintln(os.Stderr, "lab: interrupted")
		return 130
	case err != nil:
		fmt.Fprintln(os.Stderr, "lab:", err)
		if errors.Is(err, errScenarios) {
			return 2
		}
		return 1
	}
	return 0
}
