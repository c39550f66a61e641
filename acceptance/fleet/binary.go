package fleet

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
)

// programs is where Main lets binaries be built.
var programs string

// Main runs a package's tests; call it from TestMain. It holds the directory of
// the binaries.
func Main(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "rackswarm-bin-")
	if err != nil {
		fmt.Fprintf(os.Stderr, "make a directory for binaries: %v\n", err)
		return 1
	}
	defer os.RemoveAll(dir)
	programs = dir
	if _, set := os.LookupEnv("GORACE"); raceEnabled && !set {
		// Programs with the race detector sleep a second before they end.
		if err := os.Setenv("GORACE", "atexit_sleep_ms=0"); err != nil {
			fmt.Fprintf(os.Stderr, "speed programs up: %v\n", err)
			return 1
		}
	}
	return m.Run()
}

// builds remembers what was built, by package.
var builds struct {
	sync.Mutex
	done map[string]func() error
}

// Binary returns the path of a program of this module, such as "agent", built
// once per test run. It has the race detector if the test has it.
func Binary(t testing.TB, pkg string) string {
	t.Helper()
	return binary(t, pkg, func(path string) error { return build(pkg, path) })
}

// BinaryOf is Binary for a program of another module below this one's top, which
// gets no race detector: it is not ours.
func BinaryOf(t testing.TB, module, pkg string) string {
	t.Helper()
	return binary(t, module+"/"+pkg, func(path string) error { return goBuild(filepath.Join(Top(), module), pkg, path) })
}

// binary has a program built unless it is.
func binary(t testing.TB, pkg string, build func(path string) error) string {
	t.Helper()
	if programs == "" {
		t.Fatal("call fleet.Main from the package's TestMain")
	}
	path := filepath.Join(programs, filepath.Base(pkg))
	builds.Lock()
	if builds.done == nil {
		builds.done = map[string]func() error{}
	}
	if builds.done[pkg] == nil {
		builds.done[pkg] = sync.OnceValue(func() error { return build(path) })
	}
	once := builds.done[pkg]
	builds.Unlock()
	if err := once(); err != nil {
		t.Fatal(err)
	}
	return path
}

func build(pkg, path string) error {
	if raceEnabled {
		return goBuild(Top(), pkg, path, "-race")
	}
	return goBuild(Top(), pkg, path)
}

func goBuild(module, pkg, path string, flags ...string) error {
	args := append([]string{"build", "-buildvcs=false", "-o", path}, flags...)
	cmd := exec.Command("go", append(args, "./"+pkg)...)
	cmd.Dir = module
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", pkg, err, out)
	}
	return nil
}

// Top is the top directory of this module.
func Top() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..")
}
