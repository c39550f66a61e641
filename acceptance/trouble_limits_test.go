package acceptance

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/rackswarm/rackswarm/acceptance/fleet"
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/client"
)

// A disk that fills up in the middle of a transfer concerns that node alone. Its
// old version stands until there is room; then it fetches what it lacks.
func TestDiskFillsUp(t *testing.T) {
	needRoot(t)
	t.Parallel()
	const size = 12 << 20
	f := fleet.Start(t, fleet.Options{Nodes: fleet.Racks("ams1/r1", 3), Env: []string{"RACKSWARM_LIMITS_UPLOAD=32Mbit"}})
	a, others := f.Agents()[2], f.Agents()[:2]
	disk := filepath.Join(f.Root, "disk")
	for _, other := range others {
		must(t, os.Mkdir(other.Path(disk), 0o755))
	}
	mountTmpfs(t, a, a.Path(disk), "40m")
	dest := filepath.Join(disk, "data")
	first, second := filepath.Join(t.TempDir(), "first"), filepath.Join(t.TempDir(), "second")
	random(t, filepath.Join(first, "old"), 1<<20, 0o644)
	random(t, filepath.Join(second, "new"), size, 0o644)
	f.CLI("distribute", "data", "--source", first, "--path", dest, "--wait")

	f.CLI("distribute", "data", "--source", second, "--path", dest)
	awaitOn(t, f, "data", a, "fetches", func(n api.NodeStatus) bool { return received(n) > size/8 })
	ballast := filepath.Join(a.Path(disk), "ballast")
	fill(t, ballast)
	n := awaitOn(t, f, "data", a, "fails", func(n api.NodeStatus) bool { return n.Phase == api.PhaseFailed })
	if n.Error == nil || n.Error.Code != api.CodeNoSpace || n.Error.Fix == "" {
		t.Errorf("it reports %#v", n.Error)
	}
	wantSame(t, first, dest, a)
	awaitSame(t, second, dest, others...)

	must(t, os.Remove(ballast))
	awaitSame(t, second, dest, a)
	n = awaitOn(t, f, "data", a, "reports it", func(n api.NodeStatus) bool { return n.Phase == api.PhaseInstalled })
	if got := received(n); got > size+4<<20 {
		t.Errorf("%d bytes came for %d", got, size)
	}
}

// mountTmpfs mounts a file system of a size for as long as the agent runs.
func mountTmpfs(t *testing.T, a *fleet.Agent, dir, size string) {
	t.Helper()
	must(t, os.Mkdir(dir, 0o755))
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("needs the right to mount: %v", err)
	}
	t.Cleanup(func() {
		a.Stop()
		must(t, syscall.Unmount(dir, 0))
	})
}

// fill writes a file until its file system is full.
func fill(t *testing.T, file string) {
	t.Helper()
	w, err := os.Create(file)
	must(t, err)
	defer w.Close()
	for page := make([]byte, 4096); err == nil; {
		_, err = w.Write(page)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
}

// An agent that may open 256 files places 20,000 and serves ten peers.
func TestFewDescriptors(t *testing.T) {
	t.Parallel()
	f := fleet.Start(t, fleet.Options{Nodes: fleet.Racks("ams1/r1", 12), Redis: true})
	publisher, limited, peers := f.Agents()[0], f.Agents()[1], f.Agents()[2:]
	must(t, unix.Prlimit(limited.Pid(), unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 256, Max: 256}, nil))
	many, some := filepath.Join(t.TempDir(), "many"), filepath.Join(t.TempDir(), "some")
	for i := range 20_000 {
		write(t, filepath.Join(many, fmt.Sprint(i%100), fmt.Sprint(i)), fmt.Sprint("file ", i))
	}
	for i := range 1500 {
		random(t, filepath.Join(some, fmt.Sprint(i%30), fmt.Sprint(i)), 2000, 0o644)
	}
	destMany, destSome := filepath.Join(f.Root, "many"), filepath.Join(f.Root, "some")
	f.CLI("distribute", "many", "--source", many, "--path", destMany, "--node", limited.Name, "--wait")
	wantSame(t, many, destMany, limited)
	f.CLI("distribute", "some", "--source", some, "--path", destSome, "--node", limited.Name, "--wait")
	publisher.Stop() // the limited agent alone serves from here on
	digest := status(f, "some").Distribution.Digest
	args := []string{"distribute", "more", "--artifact", digest, "--path", destSome + "-more", "--wait"}
	for _, p := range peers {
		args = append(args, "--node", p.Name)
	}
	f.CLI(args...)
	for _, p := range peers {
		if err := differs(limited.Path(destSome), p.Path(destSome+"-more")); err != nil {
			t.Errorf("on %s: %v", p.Name, err)
		}
	}
	if n := on(t, f, "some", limited); n.Sent == 0 {
		t.Errorf("%s sent nothing: %+v", limited.Name, n)
	}
	log, err := os.ReadFile(limited.Log)
	must(t, err)
	if bytes.Contains(log, []byte("too many open files")) {
		t.Errorf("%s ran out of descriptors", limited.Name)
	}
}

// Descriptors, memory and goroutines are after twenty transfers what they were.
func TestNothingLeaks(t *testing.T) {
	t.Parallel()
	f := fleet.Start(t, fleet.Options{Nodes: fleet.Racks("ams1/r1", 3), Redis: true})
	const (
		transfers  = 20
		fewFiles   = 2
		fewThreads = 10 // goroutines
		someMemory = 64 << 20
	)
	fresh, idle := map[*fleet.Agent]usage{}, map[*fleet.Agent]int{}
	for _, a := range f.Agents() {
		a.Dump()
		idle[a] = goroutines(t, a)
		a.Restart()
	}
	c := f.Client()
	comeAndGo(t, f, c, "first") // from here on all are up
	for _, a := range f.Agents() {
		fresh[a] = usageOf(t, a)
	}
	for i := range transfers {
		comeAndGo(t, f, c, fmt.Sprint("leak-", i))
	}
	for _, a := range f.Agents() {
		fleet.Eventually(t, patience, a.Name+" has let go of what it used", func() error {
			if now := usageOf(t, a); len(now.files) > len(fresh[a].files)+fewFiles || now.resident > fresh[a].resident+someMemory {
				return fmt.Errorf("it was %+v and is %+v", fresh[a], now)
			}
			return nil
		})
		a.Dump()
		if now := goroutines(t, a); now > idle[a]+fewThreads {
			t.Errorf("%s: %d goroutines after %d transfers, %d before", a.Name, now, transfers, idle[a])
		}
	}
}

// comeAndGo publishes and distributes something, and takes it away everywhere.
func comeAndGo(t *testing.T, f *fleet.Fleet, c *client.Client, name string) {
	t.Helper()
	src := filepath.Join(t.TempDir(), name)
	random(t, filepath.Join(src, name), 1<<20, 0o644)
	for i := range 20 {
		random(t, filepath.Join(src, "many", fmt.Sprint(name, i)), 3000, 0o644)
	}
	a, err := c.PublishPath(t.Context(), src, name, 0, nil)
	must(t, err)
	_, err = c.PutDistribution(t.Context(), api.Distribution{Name: name, Digest: a.Digest, Path: filepath.Join(f.Root, name), State: api.StatePresent})
	must(t, err)
	must(t, c.Watch(t.Context(), name, true, func(api.Status) error { return nil }))
	wantSame(t, src, filepath.Join(f.Root, name), f.Agents()...)
	must(t, c.DeleteDistribution(t.Context(), name, true))
	must(t, c.Watch(t.Context(), name, true, func(api.Status) error { return nil }))
	must(t, c.DeleteArtifact(t.Context(), a.Digest))
}

// usage is what a process has of the machine. Sockets are left out: idle ones to
// the store are kept, and others have goroutines.
type usage struct {
	files    []string
	resident int // bytes
}

var residentLine = regexp.MustCompile(`VmRSS:\s+(\d+) kB`)

func usageOf(t *testing.T, a *fleet.Agent) usage {
	t.Helper()
	proc := filepath.Join("/proc", strconv.Itoa(a.Pid()))
	files, err := os.ReadDir(filepath.Join(proc, "fd"))
	must(t, err)
	text, err := os.ReadFile(filepath.Join(proc, "status"))
	must(t, err)
	kib, err := strconv.Atoi(string(residentLine.FindSubmatch(text)[1]))
	must(t, err)
	var open []string
	for _, f := range files {
		target, err := os.Readlink(filepath.Join(proc, "fd", f.Name()))
		if err == nil && !strings.HasPrefix(target, "socket:") { // an error: closed meanwhile
			open = append(open, target)
		}
	}
	return usage{open, kib << 10}
}

var goroutineLine = regexp.MustCompile(`(?m)^goroutine \d+ .*\[.*\]:$`)

// goroutines counts those that an agent wrote to its log when it was dumped
// last.
func goroutines(t *testing.T, a *fleet.Agent) int {
	t.Helper()
	log, err := os.ReadFile(a.Log)
	must(t, err)
	_, last, ok := bytes.Cut(log[max(0, bytes.LastIndex(log, []byte("SIGQUIT: quit"))):], []byte("SIGQUIT: quit"))
	if !ok {
		t.Fatalf("%s did not write its stacks", a.Name)
	}
	return len(goroutineLine.FindAll(last, -1))
}
