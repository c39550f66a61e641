package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/dbhost"
	"github.com/rackswarm/rackswarm/acceptance/show"
)

// options are what the command line says.
type options struct {
	top        string // the checkout
	collection string // archive of the Ansible collection
	scale      int    // of the database, as pgbench counts
}

func main() {
	var o options
	flag.StringVar(&o.top, "top", ".", "the checkout, with bin/ as make programs fills it")
	flag.StringVar(&o.collection, "collection", "dist/rackswarm-swarm-0.1.0.tar.gz", "the archive of the collection, as make collection builds it, below the checkout")
	flag.IntVar(&o.scale, "scale", 20, "the size of the database, some 15 MB each, at least 1")
	flag.Parse()
	os.Exit(show.Run("demo-db", func(ctx context.Context) error { return perform(ctx, o) }))
}

// check says what is missing for the demo, and the fix.
func (o *options) check() (err error) {
	if err := dbhost.Unsupported(); err != nil {
		if os.Geteuid() != 0 {
			return fmt.Errorf("%w; run it as root: sudo make demo-db", err)
		}
		return fmt.Errorf("%w; run it in a virtual machine, or in a container that may make namespaces (docker run --privileged)", err)
	}
	if o.top, err = filepath.Abs(o.top); err != nil {
		return err
	}
	if !filepath.IsAbs(o.collection) {
		o.collection = filepath.Join(o.top, o.collection)
	}
	for _, needed := range append(o.programs(), o.collection) {
		if _, err := os.Stat(needed); err != nil {
			return fmt.Errorf("%w; use make demo-db, which builds it", err)
		}
	}
	if o.scale < 1 {
		return fmt.Errorf("-scale is %d; write 1 or more", o.scale)
	}
	// The data on three hosts, the next data beside them, two captures, two copies,
	// and the log of the load.
	return show.CheckSpace(os.TempDir(), int64(10*o.scale)*15_000_000+1<<30)
}

func (o *options) bin(program string) string { return filepath.Join(o.top, "bin", program) }

func (o *options) programs() []string {
	return []string{o.bin("rackswarm"), o.bin("rackswarm-backup"), o.bin("rackswarm-driver-postgres")}
}

// perform runs the demo on hosts that it makes, and ends them.
func perform(ctx context.Context, o options) (err error) {
	if err := o.check(); err != nil {
		return err
	}
	begin := time.Now()
	d, err := newDemo(ctx, o)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil && ctx.Err() == nil {
			d.explain()
		}
		err = errors.Join(err, d.close())
	}()
	for _, step := range []func(context.Context) error{d.startHosts, d.seed, d.schedule, d.seedAgain, d.backUp, d.lose, d.restore} {
		if err := step(ctx); err != nil {
			if cause := context.Cause(ctx); cause != nil {
				return cause
			}
			return err
		}
	}
	d.summary(time.Since(begin))
	return nil
}
