package hosts_test

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/fleet"
	"github.com/rackswarm/rackswarm/acceptance/hosts"
)

func TestMain(m *testing.M) {
	if os.Getenv("HOSTS_TEST_VICTIM") != "" {
		victim()
	}
	fleet.Main(m)
}

func newSet(t *testing.T, o hosts.Options) *hosts.Set {
	t.Helper()
	if err := hosts.Unsupported(); err != nil {
		t.Skip(err)
	}
	s, err := hosts.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(s.Dir); !os.IsNotExist(err) {
			t.Errorf("%s is left: %v", s.Dir, err)
		}
	})
	return s
}

func run(t *testing.T, h *hosts.Host, script string) string {
	t.Helper()
	out, err := h.Run(t.Context(), script)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// What a host changes, no other host and not this machine sees.
func TestHostsAreApart(t *testing.T) {
	s := newSet(t, hosts.Options{Names: []string{"a", "b"}})
	a, b := s.Host("a"), s.Host("b")
	for _, dir := range []string{"/srv", "/tmp", "/run", "/etc/rackswarm", "/etc", "/var/lib/rackswarm", "/opt", "/root", "/home"} {
		file := filepath.Join(dir, "of-a-"+filepath.Base(s.Dir))
		run(t, a, "echo a >"+file)
		for where, path := range map[string]string{"b": b.Path(file), "this machine": file} {
			if _, err := os.Stat(path); !os.IsNotExist(err) {
				t.Errorf("%s sees %s: %v", where, file, err)
			}
		}
		if text, err := os.ReadFile(a.Path(file)); err != nil || string(text) != "a\n" {
			t.Errorf("%s is %q, %v", file, text, err)
		}
	}
	if name := run(t, b, "hostname"); name != "b\n" {
		t.Errorf("b is called %q", name)
	}
	program := filepath.Base(os.Args[0])
	if seen := run(t, b, "{ cat /proc/[0-9]*/cmdline || true; } | tr '\\0' '\\n'"); strings.Contains(seen, program) || !strings.Contains(seen, "cat") {
		t.Errorf("b sees these processes, and should not see %s:\n%s", program, seen)
	}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range addresses {
		if address.(*net.IPNet).Contains(net.ParseIP(a.Address)) {
			t.Errorf("this machine is %s on the hosts' network", address)
		}
	}
}

// Sets do not know of each other, though they have the same names and addresses.
func TestSetsAreApart(t *testing.T) {
	o := hosts.Options{Names: []string{"a", "b"}}
	s, other := newSet(t, o), newSet(t, o)
	if s.Host("a").Address != other.Host("a").Address {
		t.Fatal("the addresses differ")
	}
	if err := s.StartSSHD(t.Context(), s.Host("b")); err != nil {
		t.Fatal(err)
	}
	if got := run(t, s.Host("a"), "ssh b hostname"); got != "b\n" {
		t.Errorf("ssh b says %q", got)
	}
	if _, err := other.Host("a").Run(t.Context(), "exec 3<>/dev/tcp/b/22"); err == nil {
		t.Error("there is an sshd in the other set")
	}
}

// A host that is killed ends with all of its processes, orphans as well, and the
// others stay.
func TestKill(t *testing.T) {
	s := newSet(t, hosts.Options{Names: []string{"a", "b"}})
	a := s.Host("a")
	service, err := a.Start("sleeper", "sleep", "infinity")
	if err != nil {
		t.Fatal(err)
	}
	run(t, a, "setsid -f sleep infinity </dev/null >/dev/null 2>&1")
	a.Kill()
	<-service.Exited()
	if a.Running() || !s.Host("b").Running() {
		t.Errorf("a runs: %v, b runs: %v", a.Running(), s.Host("b").Running())
	}
	run(t, s.Host("b"), "hostname")
}

// cancelling is an output that ends a context.
type cancelling struct{ cancel func() }

func (c cancelling) Write(text []byte) (int, error) { c.cancel(); return len(text), nil }

// A command ends with its context, for who waits for it, though what it started
// holds its output open.
func TestCommandEndsWithItsContext(t *testing.T) {
	s := newSet(t, hosts.Options{Names: []string{"a"}})
	ctx, cancel := context.WithCancel(t.Context())
	cmd := s.Host("a").Command(ctx, "bash", "-c", "echo begun; sleep infinity")
	cmd.Stdout = cancelling{cancel}
	if err := cmd.Run(); err == nil || ctx.Err() == nil {
		t.Errorf("it ended with %v, the context with %v", err, ctx.Err())
	}
}

func TestServiceStops(t *testing.T) {
	s := newSet(t, hosts.Options{Names: []string{"a"}})
	service, err := s.Host("a").Start("polite", "bash", "-c", "trap 'echo bye; exit 0' TERM; echo hello; while :; do sleep 0.01; done")
	if err != nil {
		t.Fatal(err)
	}
	fleet.Eventually(t, 30*time.Second, "it says hello", func() error {
		if text, _ := os.ReadFile(s.Host("a").Log("polite")); string(text) != "hello\n" {
			return errors.New(string(text))
		}
		return nil
	})
	if err := service.Stop(t.Context()); err != nil || service.Wait() != nil {
		t.Errorf("stop: %v, it ended with %v", err, service.Wait())
	}
	if text, _ := os.ReadFile(s.Host("a").Log("polite")); string(text) != "hello\nbye\n" {
		t.Errorf("it said %q", text)
	}
}

// Agents on hosts find each other, each with the default paths.
func TestAgents(t *testing.T) {
	s := newSet(t, hosts.Options{Names: []string{"a", "b"}, Programs: map[string]string{"rackswarm": fleet.Binary(t, "agent")}})
	err := s.StartAgents(t.Context(), hosts.Agents{On: s.Hosts(), Locations: map[string]string{"b": "dc/other"},
		Settings: map[string]map[string]any{"b": {"node": map[string]any{"labels": map[string]string{"role": "x"}}}}})
	if err != nil {
		t.Fatal(err)
	}
	run(t, s.Host("a"), "mkdir /srv/site && echo hi >/srv/site/f && rackswarm distribute site --source /srv/site --path /opt/site --label role=x --wait")
	if got := run(t, s.Host("b"), "cat /opt/site/f"); got != "hi\n" {
		t.Errorf("b has %q", got)
	}
}

func TestRefused(t *testing.T) {
	if err := hosts.Unsupported(); err != nil {
		t.Skip(err)
	}
	for name, o := range map[string]hosts.Options{
		"no host":         {},
		"no such program": {Names: []string{"a"}, Programs: map[string]string{"x": "/nowhere/x"}},
		"nothing to see":  {Names: []string{"a"}, See: []string{"/nowhere"}},
	} {
		t.Setenv("TMPDIR", t.TempDir())
		if s, err := hosts.New(t.Context(), o); err == nil {
			t.Errorf("%s: no error", name)
			s.Close()
		}
		if left, _ := os.ReadDir(os.Getenv("TMPDIR")); len(left) > 0 {
			t.Errorf("%s: %v is left", name, left)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if s, err := hosts.New(ctx, hosts.Options{Names: []string{"a"}}); err == nil {
		t.Error("a context that has ended makes hosts")
		s.Close()
	}
}

// victim makes a set and waits to be killed.
func victim() {
	s, err := hosts.New(context.Background(), hosts.Options{Names: []string{"a"}})
	if err != nil {
		os.Stdout.WriteString(err.Error() + "\n")
		os.Exit(1)
	}
	if _, err := s.Host("a").Start("sleeper", "sleep", "infinity"); err != nil {
		os.Exit(1)
	}
	pid, _, _ := strings.Cut(strings.TrimPrefix(s.Host("a").Path("/"), "/proc/"), "/")
	os.Stdout.WriteString("made " + s.Dir + " " + pid + "\n")
	select {}
}

// Hosts end with the process that made them, and leave nothing, however it ends.
func TestNothingIsLeftOfAProcessThatWasKilled(t *testing.T) {
	if err := hosts.Unsupported(); err != nil {
		t.Skip(err)
	}
	for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGINT} {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "HOSTS_TEST_VICTIM=1")
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		buf := [4096]byte{}
		n, _ := out.Read(buf[:])
		said := strings.Fields(string(buf[:n]))
		cmd.Process.Signal(sig)
		cmd.Wait()
		if len(said) != 3 {
			t.Fatalf("it said %q", said)
		}
		pid, _ := strconv.Atoi(said[2])
		fleet.Eventually(t, 30*time.Second, "all of it is gone", func() error {
			if _, err := os.Stat(said[1]); !os.IsNotExist(err) {
				return errors.New(said[1] + " is there")
			}
			if syscall.Kill(pid, 0) == nil {
				return errors.New("the host lives")
			}
			return nil
		})
	}
}
