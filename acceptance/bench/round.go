package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// carry moves a round's content with the programs of one system: it prepares
// them, calls tell, lets the receivers be told, and returns when the last one has
// everything. It appends to received where the content is then.
type carry func(ctx context.Context, r *round) error

// round is one repetition of a case by a system.
type round struct {
	dir       string // of its own
	content   *content
	receivers int
	sync      bool // the filesystem of the destination is synced, inside the clock
	traced    bool // only START's way is wanted
	tools     *tools
	net       subnet
	memory    *memory

	processes []*process
	received  []string
	begin     time.Time
	used      map[*process]time.Duration // CPU time when the clock began to run
	seen      sample
}

// sample is what one round measured.
type sample struct {
	Seconds  float64
	Bytes    int64   // received, by all
	Files    int     // likewise
	CPU      float64 // seconds of all processes
	RSS      int64   // bytes, of the largest process
	StartP50 float64 // milliseconds
	StartP99 float64
	// Inside is how long the transfer took by the system's own account, 0 if it
	// has none.
	Inside float64
}

// run measures one round. The content is compared after the clock has stopped.
func (r *round) run(ctx context.Context, move carry) (sample, error) {
	err := r.hold(func() error {
		if err := move(ctx, r); err != nil {
			return err
		}
		if err := r.complete(); err != nil {
			return err
		}
		return r.compare()
	})
	return r.seen, err
}

// hold lets do start processes in the round's directory, and ends and removes
// them.
func (r *round) hold(do func() error) error {
	if err := os.MkdirAll(r.dir, 0o755); err != nil {
		return err
	}
	r.memory = watchMemory()
	err := do()
	r.memory.stop()
	r.end()
	return errors.Join(err, os.RemoveAll(r.dir))
}

// tell starts the clock. What comes next tells the receivers.
func (r *round) tell() {
	r.memory.reset()
	r.used = map[*process]time.Duration{}
	for _, p := range r.processes {
		r.used[p] = p.cpu()
	}
	r.begin = time.Now()
}

// complete stops the clock and reads the meters.
func (r *round) complete() error {
	if r.sync {
		if err := syncFilesystem(r.dir); err != nil {
			return err
		}
	}
	r.seen.Seconds = time.Since(r.begin).Seconds()
	for _, p := range r.processes {
		r.seen.CPU += (p.cpu() - r.used[p]).Seconds()
	}
	r.seen.RSS = r.memory.most()
	r.seen.Bytes = r.content.bytes * int64(len(r.received))
	r.seen.Files = r.content.files * len(r.received)
	return nil
}

func (r *round) compare() error {
	if len(r.received) != r.receivers {
		return fmt.Errorf("%d of %d receivers have received", len(r.received), r.receivers)
	}
	for _, path := range r.received {
		if err := r.content.compare(path); err != nil {
			return fmt.Errorf("what was received differs: %w", err)
		}
	}
	return nil
}

// end ends all processes, side by side.
func (r *round) end() {
	var wg sync.WaitGroup
	for _, p := range r.processes {
		wg.Go(p.end)
	}
	wg.Wait()
}

// start starts a program of this round; what it prints goes to a file.
func (r *round) start(name string, cmd *exec.Cmd) (*process, error) {
	return r.launch(name, cmd, start)
}

// speak starts a program that is spoken with.
func (r *round) speak(name string, cmd *exec.Cmd) (*process, error) {
	return r.launch(name, cmd, startSpoken)
}

func (r *round) launch(name string, cmd *exec.Cmd, start func(string, *exec.Cmd) (*process, error)) (*process, error) {
	log, err := os.Create(filepath.Join(r.dir, fmt.Sprintf("%d-%s.log", len(r.processes), name)))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	if cmd.Stdout == nil {
		cmd.Stdout = log
	}
	cmd.Stderr = log
	p, err := start(name, cmd)
	if err != nil {
		return nil, err
	}
	p.log = log.Name()
	r.processes = append(r.processes, p)
	r.memory.add(p)
	return p, nil
}

// receiverDir makes the directory of the i-th receiver, from 1.
func (r *round) receiverDir(i int) (string, error) {
	dir := filepath.Join(r.dir, fmt.Sprint(i))
	return dir, os.MkdirAll(dir, 0o755)
}

// pollInterval is how often files are looked for whose appearance says that a
// receiver is complete.
const pollInterval = 5 * time.Millisecond

// waitFiles waits until all files exist while all processes live.
func (r *round) waitFiles(ctx context.Context, files []string) error {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for len(files) > 0 {
		if _, err := os.Lstat(files[0]); err == nil {
			files = files[1:]
			continue
		}
		for _, p := range r.processes {
			if err := p.alive(); err != nil {
				return err
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("no %s: %w", filepath.Base(files[0]), context.Cause(ctx))
		}
	}
	return nil
}

func syncFilesystem(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.Syncfs(int(f.Fd())); err != nil {
		return fmt.Errorf("sync the filesystem of %s: %w", dir, err)
	}
	return nil
}
