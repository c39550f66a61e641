package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/broom"
	"github.com/rackswarm/rackswarm/acceptance/lab/content"
	"github.com/rackswarm/rackswarm/acceptance/lab/network"
	"github.com/rackswarm/rackswarm/acceptance/lab/system"
	"github.com/rackswarm/rackswarm/core/scenario"
	"github.com/rackswarm/rackswarm/core/sim"
)

// job is a run that is to be made.
type job struct {
	trial  *trial
	system string
	rep    int // from 1
	number int // among all
}

func (j job) String() string {
	return fmt.Sprintf("%s %s %d", j.trial.scenario.Name, j.system, j.rep)
}

// trial is a scenario with its artifact.
type trial struct {
	scenario *scenario.Scenario
	content  content.Content
}

// result is a run that was made. Without err there is a report.
type result struct {
	job
	report scenario.Report
	err    error
}

// lab is a whole experiment.
type lab struct {
	options
	dir      string       // of the runs and the artifacts
	broom    *broom.Broom // removes dir; nil to keep it
	trials   []*trial
	stdout   io.Writer // for the tables
	progress *progress

	mu      sync.Mutex
	results []result // by number of the job; those that did not begin have no report
}

// errScenarios is what is wrong before any run.
var errScenarios = errors.New("read scenarios")

// experiment makes all runs, and writes and prints what came of them. An error
// says what failed otherwise than by being killed.
func experiment(ctx context.Context, o options, stdout io.Writer, p *progress) (err error) {
	scenarios, err := readScenarios(o)
	if err != nil {
		return fmt.Errorf("%w:\n%w", errScenarios, err)
	}
	if err := network.Unsupported(); err != nil {
		return fmt.Errorf("make networks: %w", err)
	}
	if err := goFirst(); err != nil {
		return err
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return err
	}
	l := &lab{options: o, stdout: stdout, progress: p}
	if err := l.makeDir(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.tidy()) }()
	jobs, err := l.plan(scenarios)
	if err != nil {
		return err
	}
	l.runAll(ctx, jobs)
	return errors.Join(l.conclude(), l.failures())
}

func readScenarios(o options) ([]*scenario.Scenario, error) {
	var all []*scenario.Scenario
	var errs []error
	names := map[string]string{} // files by the scenario's name
	for _, file := range o.files {
		text, err := os.ReadFile(file)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		s, err := scenario.Parse(file, text)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if other, twice := names[s.Name]; twice {
			errs = append(errs, fmt.Errorf("%s and %s have the same name %s; change one", other, file, s.Name))
		}
		names[s.Name] = file
		o.strategy.apply(&s.Strategy)
		all = append(all, s)
	}
	return all, errors.Join(errs...)
}

// makeDir makes a directory that goes when the lab ends, however that ends. It is
// below TMPDIR, which needs room for a copy of the artifact for each receiver.
func (l *lab) makeDir() (err error) {
	if l.dir, err = os.MkdirTemp("", "lab-"); err != nil || l.keep {
		return err
	}
	l.broom, err = broom.Start(l.dir)
	return err
}

// tidy removes all files, or says where they are.
func (l *lab) tidy() error {
	if l.broom == nil {
		l.progress.print("the files of all runs are in %s", l.dir)
		return nil
	}
	return l.broom.Close()
}

// plan makes the artifacts, and lists the runs: repetitions of a system follow
// those of all systems, so that a slow hour of the machine is shared.
func (l *lab) plan(scenarios []*scenario.Scenario) ([]job, error) {
	var jobs []job
	for i, s := range scenarios {
		l.progress.print("%s: making %s", s.Name, s.Artifact.Size)
		c, err := content.Write(filepath.Join(l.dir, fmt.Sprintf("source-%d", i+1), "artifact"), s.Artifact)
		if err != nil {
			return nil, err
		}
		t := &trial{s, c}
		l.trials = append(l.trials, t)
		systems := l.compared(s)
		if len(systems) > len(l.systems) {
			l.progress.print("%s: %s is run as well, before each repetition, as what others notice is told beside it; -no-baseline leaves it out", s.Name, nameNone)
		}
		for rep := range l.reps {
			for _, name := range systems {
				jobs = append(jobs, job{t, name, rep + 1, len(jobs)})
			}
		}
	}
	return jobs, nil
}

// runAll makes the runs, as many at a time as are wanted, until ctx ends.
func (l *lab) runAll(ctx context.Context, jobs []job) {
	l.results = make([]result, len(jobs))
	next := make(chan job)
	var workers sync.WaitGroup
	for range min(l.parallel, len(jobs)) {
		workers.Go(func() {
			for j := range next {
				l.note(l.attempt(ctx, j))
			}
		})
	}
	for _, j := range jobs {
		select {
		case next <- j:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(next)
	workers.Wait()
}

// note keeps a result and writes its file at once.
func (l *lab) note(res result) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := writeJSON(l.reportFile(res.job), res.report); err != nil {
		res.err = errors.Join(res.err, err)
	}
	l.results[res.number] = res
	l.progress.end(res)
}

// attempt makes one run, whatever happens in it.
func (l *lab) attempt(ctx context.Context, j job) (res result) {
	s := j.trial.scenario
	bound, err := s.Bound()
	if err != nil {
		return failed(j, err)
	}
	l.progress.begin(j, bound.Time)
	defer func() {
		if p := recover(); p != nil {
			res = failed(j, fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
		}
	}()
	if j.system == sim.System {
		rep, err := sim.Run(s, sim.Options{Seed: uint64(j.rep)})
		if err != nil {
			return failed(j, err)
		}
		return result{j, rep, nil}
	}
	r := &round{
		scenario: s, system: j.system, content: j.trial.content, bin: l.bin,
		dir: filepath.Join(l.dir, fmt.Sprintf("r%d", j.number+1)),
		say: func(complete int, since time.Duration) { l.progress.update(j, complete, since) },
	}
	rep, err := r.run(ctx)
	if !l.keep {
		err = errors.Join(err, os.RemoveAll(r.dir))
	}
	switch {
	case errors.Is(err, system.ErrMissing):
		return result{j, s.Missing(j.system, err.Error()), nil}
	case err != nil && rep.System == "":
		return failed(j, err)
	}
	return result{j, rep, err}
}

// failed is the result of a run that could not be made: no receiver finished.
func failed(j job, err error) result {
	s := j.trial.scenario
	rep := s.Missing(j.system, "")
	rep.Notes = []string{"the run failed: " + err.Error()}
	for _, node := range s.Receivers {
		rep.Failed = append(rep.Failed, scenario.Failure{Node: node, Reason: "the run failed"})
	}
	return result{j, rep, err}
}

// failures joins what went wrong otherwise than by a receiver being killed.
func (l *lab) failures() error {
	var errs []error
	for _, res := range l.results {
		if res.err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", res.job, res.err))
			continue
		}
		if n := res.report.Unexpected(); n > 0 {
			errs = append(errs, fmt.Errorf("%s: %d of %d receivers failed", res.job, n, len(res.trial.scenario.Receivers)))
		}
	}
	return errors.Join(errs...)
}
