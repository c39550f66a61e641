package fleet

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"strings"
)

// Result is what a command printed and how it ended.
type Result struct {
	Stdout, Stderr string
	Code           int
}

// TryCLI runs a rackswarm command against the fleet. The first agent that
// answers serves it.
func (f *Fleet) TryCLI(args ...string) Result {
	f.t.Helper()
	return f.command("RACKSWARM_ENDPOINTS="+strings.Join(f.endpoints(), ","), args)
}

// CLI is TryCLI for a command that must succeed; it returns what was printed.
func (f *Fleet) CLI(args ...string) string {
	f.t.Helper()
	r := f.TryCLI(args...)
	if r.Code != 0 {
		f.t.Fatalf("rackswarm %s: exit code %d\n%s%s", strings.Join(args, " "), r.Code, r.Stdout, r.Stderr)
	}
	return r.Stdout
}

// JSON is CLI with --json, decoded into out.
func (f *Fleet) JSON(out any, args ...string) {
	f.t.Helper()
	text := f.CLI(append(args, "--json")...)
	if err := json.Unmarshal([]byte(text), out); err != nil {
		f.t.Fatalf("rackswarm %s --json: %v\n%s", strings.Join(args, " "), err, text)
	}
}

// mustRun runs a command that needs no agent.
func (f *Fleet) mustRun(args ...string) {
	f.t.Helper()
	if r := f.command("RACKSWARM_ENDPOINTS=", args); r.Code != 0 {
		f.t.Fatalf("rackswarm %s: exit code %d\n%s%s", strings.Join(args, " "), r.Code, r.Stdout, r.Stderr)
	}
}

func (f *Fleet) command(env string, args []string) Result {
	f.t.Helper()
	cmd := exec.CommandContext(f.t.Context(), f.binary, args...)
	cmd.Env = append(os.Environ(), env)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		f.t.Fatalf("run rackswarm %s: %v", strings.Join(args, " "), err)
	}
	return Result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}
