package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// bench is a whole run.
type bench struct {
	options
	sizes sizes
	tools *tools
	dir   string // of content that moves, on a tmpfs
	disk  string // on the disk
	trees string // where the disk's cases write: see placeDisk
	log   io.Writer

	sources *sources
	series  []*series
	extra   []result
}

// series is the rounds of a case by a system.
type series struct {
	kase    *kase
	system  system
	samples []sample
	err     error // of the last round that failed
}

// run measures everything that was chosen.
func (b *bench) run(ctx context.Context) (*report, error) {
	begin := time.Now()
	rep := &report{Machine: describeMachine(), Repeat: b.repeat, Quick: b.quick}
	rep.Machine.Versions = b.tools.versions()
	cleanup, err := b.prepare(ctx, rep)
	if err != nil {
		return nil, errors.Join(err, cleanup())
	}
	err = b.measure(ctx)
	rep.Cases = append(b.results(), b.extra...)
	rep.Seconds = time.Since(begin).Seconds()
	return rep, errors.Join(err, cleanup())
}

// prepare makes directories and certificates. cleanup removes them.
func (b *bench) prepare(ctx context.Context, rep *report) (cleanup func() error, err error) {
	need := b.need()
	cleanup = func() error { return nil }
	if err := checkMemory(need); err != nil {
		return cleanup, err
	}
	fmt.Fprintf(b.log, "warming %s of memory\n", mib(need))
	if err := warm(need); err != nil {
		return cleanup, err
	}
	dir, kind, undo, err := place(need)
	if err != nil {
		return cleanup, err
	}
	cleanup = undo
	b.dir, b.tools.dir, rep.Machine.Content = dir, dir, kind
	if b.disk, err = os.MkdirTemp(b.diskDir, "rsbench-"); err != nil {
		return cleanup, fmt.Errorf("make a directory on the disk (-disk): %w", err)
	}
	var disk string
	var unmount func() error
	b.trees, disk, unmount = placeDisk(b.disk)
	rep.Machine.Disk = disk
	cleanup = func() error { return errors.Join(undo(), unmount(), os.RemoveAll(b.disk)) }
	fmt.Fprintf(b.log, "content is on %s; the disk's cases write to %s\n", kind, disk)
	return cleanup, makePKI(ctx, b.tools, maxReceivers+1)
}

// maxReceivers is the most that a case has.
const maxReceivers = 6

// need is how much memory the run takes at most, in bytes: the content, what one
// round receives, and the programs.
func (b *bench) need() int64 {
	s := b.sizes
	moving := s.big + s.mid + 300<<20 + int64(s.files)*smallFile + max(s.big, maxReceivers*s.mid)
	return max(moving, s.hash) + 3<<30
}

// measure runs the cases that move content, and then those that do not.
func (b *bench) measure(ctx context.Context) error {
	chosen := b.only.choose(cases())
	for i := range chosen {
		for _, s := range chosen[i].systems {
			b.series = append(b.series, &series{kase: &chosen[i], system: s})
		}
	}
	if err := b.moveContent(ctx, chosen); err != nil {
		return err
	}
	for _, e := range extras {
		if !b.only.chooses(e.name, "rackswarm") {
			continue
		}
		fmt.Fprintf(b.log, "%s\n", e.name)
		results, err := e.measure(ctx, b)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			results = []result{{Case: e.name, System: "rackswarm", Error: err.Error()}}
			fmt.Fprintf(b.log, "  failed: %v\n", err)
		}
		b.extra = append(b.extra, results...)
	}
	return nil
}

func (b *bench) moveContent(ctx context.Context, chosen []kase) (err error) {
	if len(chosen) == 0 {
		return nil
	}
	dir := filepath.Join(b.dir, "content")
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if b.sources, err = makeSources(ctx, dir, b.sizes, chosen); err != nil {
		return err
	}
	for n := range b.repeat {
		fmt.Fprintf(b.log, "repetition %d of %d\n", n+1, b.repeat)
		for _, s := range b.order(n) {
			b.round(ctx, s)
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
		}
	}
	return nil
}

// order is the series of one repetition: case by case, the systems of a case
// beginning with another one each time.
func (b *bench) order(n int) []*series {
	var all []*series
	for from := 0; from < len(b.series); {
		to := from
		for to < len(b.series) && b.series[to].kase == b.series[from].kase {
			to++
		}
		group := b.series[from:to]
		first := n % len(group)
		all = append(all, slices.Concat(group[first:], group[:first])...)
		from = to
	}
	return all
}

// round runs one round of a series and notes what came of it.
func (b *bench) round(ctx context.Context, s *series) {
	bounded, cancel := context.WithTimeoutCause(ctx, b.timeout, fmt.Errorf("not complete after %s", b.timeout))
	defer cancel()
	r, err := b.newRound(s)
	var seen sample
	if err == nil {
		seen, err = r.run(bounded, s.system.move)
	}
	if r != nil && r.sync && err == nil {
		err = syncFilesystem(b.trees) // what was removed is not for the next one to write
	}
	name := s.kase.name + "/" + s.system.name
	if s.system.traced {
		name += " (traced)"
	}
	if err != nil {
		s.err = err
		fmt.Fprintf(b.log, "  %-32s failed: %v\n", name, err)
		return
	}
	s.samples = append(s.samples, seen)
	fmt.Fprintf(b.log, "  %-32s %6.2f s %6.2f GiB/s %6.2f CPU s/GiB %5d MiB\n", name, seen.Seconds, seen.rate(),
		seen.CPU/(float64(seen.Bytes)/gib), seen.RSS>>20)
}

func (b *bench) newRound(s *series) (*round, error) {
	net, err := takeSubnet(s.kase.receivers + 1)
	if err != nil {
		return nil, err
	}
	r := &round{dir: filepath.Join(b.dir, "round"), content: s.kase.content(b.sources), receivers: s.kase.receivers,
		sync: s.kase.disk, traced: s.system.traced, tools: b.tools, net: net}
	if s.kase.disk {
		r.dir = filepath.Join(b.trees, "round")
	}
	return r, nil
}

// results are the medians. Traced rounds say how long START took, and nothing
// else.
func (b *bench) results() []result {
	var all []result
	for _, s := range b.series {
		i := slices.IndexFunc(all, func(r result) bool { return r.Case == s.kase.name && r.System == s.system.name })
		if i < 0 {
			all = append(all, summarize(s.kase.name, s.system.name, nil))
			i = len(all) - 1
		}
		if s.system.traced {
			all[i].StartP50 = median(each(s.samples, func(s sample) float64 { return s.StartP50 }))
			all[i].StartP99 = median(each(s.samples, func(s sample) float64 { return s.StartP99 }))
		} else {
			all[i] = summarize(s.kase.name, s.system.name, s.samples)
		}
		if s.err != nil {
			all[i].Error = s.err.Error()
		}
	}
	return all
}
