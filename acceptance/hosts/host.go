package hosts

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/child"
)

// Host is one machine of a Set. Its methods may be called from any goroutine.
type Host struct {
	Name    string
	Address string // IPv4, on the set's bridge

	set  *Set
	dir  string         // holds what is on the disk
	init *child.Process // the first process in its namespaces
	logs string         // directory of what Start wrote
}

// Path is where this machine sees a path of the host, for as long as the host
// lives. Absolute symbolic links on the way lead out of the host.
func (h *Host) Path(path string) string {
	return filepath.Join("/proc", strconv.Itoa(h.init.Pid()), "root", path)
}

// Log is the file with the output of a program that Start started, as this
// machine sees it. It stays when the host is killed.
func (h *Host) Log(program string) string { return filepath.Join(h.logs, program+".log") }

// environment is all that programs on hosts get.
var environment = []string{
	"PATH=/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin",
	"HOME=/root", "USER=root", "LOGNAME=root", "LANG=C.UTF-8", "GORACE=atexit_sleep_ms=0",
}

// Command is a command that runs on the host as root, in /root.
func (h *Host) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "nsenter", h.enter(name, args)...)
	cmd.Env = environment
	// nsenter is killed when ctx ends, and what it started may hold the output open
	// until the host ends.
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

func (h *Host) enter(name string, args []string) []string {
	return append([]string{"--target", strconv.Itoa(h.init.Pid()), "--mount", "--uts", "--net", "--pid", "--ipc", "--wd=/root", "--", name}, args...)
}

// Run runs a shell script on the host and returns what it printed on standard
// output. An error has what it printed on standard error.
func (h *Host) Run(ctx context.Context, script string) (string, error) {
	cmd := h.Command(ctx, "bash", "-euo", "pipefail", "-c", script)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("on %s: %s: %w\n%s", h.Name, script, err, errOut.String())
	}
	return out.String(), nil
}

// Write writes a file of the host, with the directories that it needs.
func (h *Host) Write(path, text string, mode os.FileMode) error {
	file := h.Path(path)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fmt.Errorf("on %s: %w", h.Name, err)
	}
	if err := os.WriteFile(file, []byte(text), mode); err != nil {
		return fmt.Errorf("on %s: %w", h.Name, err)
	}
	return nil
}

// Copy copies a file of this machine, with its mode.
func (h *Host) Copy(from, to string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	return h.Write(to, string(text), info.Mode().Perm())
}

// Service is a program that goes on running on a host.
type Service struct {
	*child.Process
	host *Host
	pid  string // file with its number on the host
}

// Start starts a program on the host that goes on running. Its output is appended
// to Log(label).
func (h *Host) Start(label, name string, args ...string) (*Service, error) {
	log, err := os.OpenFile(h.Log(label), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	pid := "/run/" + label + ".started"
	script := `echo $$ >"$0" && exec "$@"`
	cmd := exec.Command("nsenter", h.enter("sh", append([]string{"-c", script, pid, name}, args...))...)
	cmd.Env, cmd.Stdout, cmd.Stderr = environment, log, log
	p, err := child.Start(cmd)
	if err != nil {
		return nil, fmt.Errorf("on %s: %w", h.Name, err)
	}
	return &Service{p, h, pid}, nil
}

// Signal sends a signal such as "TERM" to the program. It is no error if it has
// ended.
func (s *Service) Signal(ctx context.Context, name string) error {
	if !s.Running() {
		return nil
	}
	_, err := s.host.Run(ctx, fmt.Sprintf(`kill -%s "$(cat %s)"`, name, s.pid))
	if err != nil && s.Running() {
		return err
	}
	return nil
}

// Stop asks the program to end and waits until it has, or ctx ends.
func (s *Service) Stop(ctx context.Context) error {
	if err := s.Signal(ctx, "TERM"); err != nil {
		return err
	}
	select {
	case <-s.Exited():
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop what runs on %s: %w", s.host.Name, ctx.Err())
	}
}

// Running reports whether the host lives.
func (h *Host) Running() bool { return h.init.Running() }

// Kill ends the host with everything that runs on it, as if its power failed, and
// returns when all of it has ended. What was on its disk stays in the set's
// directory, and cannot be started again.
func (h *Host) Kill() {
	h.init.End(syscall.SIGKILL, killPatience)
}

const killPatience = 30 * time.Second

// patience is how long what was started may take until it answers.
const patience = time.Minute
