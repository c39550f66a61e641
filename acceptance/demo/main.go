package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/show"
)

func main() {
	top := flag.String("top", ".", "the checkout, with bin/ as make build fills it")
	terraform := flag.String("terraform", "terraform", "the Terraform or OpenTofu command")
	source := flag.String("source", "", "the directory to distribute (default: go env GOROOT)")
	flag.Parse()
	os.Exit(show.Run("demo", func(ctx context.Context) error { return perform(ctx, *top, *terraform, *source) }))
}

// perform runs the demo in a temporary directory, which it removes.
func perform(ctx context.Context, top, terraform, source string) (err error) {
	d, err := newDemo(ctx, top, terraform, source)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil && ctx.Err() == nil {
			d.explain(err)
		}
		if removeErr := d.close(); removeErr != nil {
			err = errors.Join(err, removeErr)
		}
	}()
	begin := time.Now()
	for _, step := range []func(context.Context) error{d.startFleet, d.measureBounds, d.apply, d.planAgain, d.loseFile, d.newVersion} {
		if err := step(ctx); err != nil {
			if cause := context.Cause(ctx); cause != nil {
				return cause
			}
			return err
		}
	}
	fmt.Printf("\nDone in %.0f s.\n", time.Since(begin).Seconds())
	return nil
}

// demo is what the steps share.
type demo struct {
	top, terraform, source string
	dir                    string // temporary; everything is in it
	out                    *show.Printer
	fleet                  *fleet
	bounds                 bounds
}

// newDemo finds what is needed and makes the directory.
func newDemo(ctx context.Context, top, terraform, source string) (*demo, error) {
	top, err := filepath.Abs(top)
	if err != nil {
		return nil, err
	}
	for _, program := range []string{"rackswarm", "terraform-provider-rackswarm"} {
		if _, err := os.Stat(filepath.Join(top, "bin", program)); err != nil {
			return nil, fmt.Errorf("%w; run make build first", err)
		}
	}
	if source == "" {
		if source, err = goroot(ctx); err != nil {
			return nil, err
		}
	}
	if source, err = filepath.EvalSymlinks(source); err != nil {
		return nil, err
	}
	// Short, as the paths of the agents' sockets must be.
	dir, err := os.MkdirTemp("", "rackswarm-demo-")
	if err != nil {
		return nil, fmt.Errorf("make the demo's directory: %w", err)
	}
	d := &demo{top: top, terraform: terraform, source: source, dir: dir, out: show.New(os.Stdout, dir)}
	d.fleet = newFleet(filepath.Join(top, "bin", "rackswarm"), dir)
	return d, nil
}

// close ends the agents and removes the directory.
func (d *demo) close() error {
	fmt.Printf("\nStopping the agents and removing %s\n", d.dir)
	d.fleet.stop()
	if err := removeTree(d.dir); err != nil {
		return fmt.Errorf("remove the demo's directory: %w", err)
	}
	return nil
}

// explain prints the end of the log of what failed.
func (d *demo) explain(err error) {
	logs := []string{}
	if l := new(loggedError); errors.As(err, &l) {
		logs = append(logs, l.log)
	} else {
		for _, a := range d.fleet.agents {
			logs = append(logs, a.log)
		}
	}
	for _, log := range logs {
		fmt.Fprintf(os.Stderr, "\n--- the end of %s\n%s", filepath.Base(log), tail(log, 20))
	}
}
