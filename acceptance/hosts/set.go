package hosts

import (
	"bufio"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/rackswarm/rackswarm/acceptance/broom"
	"github.com/rackswarm/rackswarm/acceptance/child"
)

// Options describe a set.
type Options struct {
	// Names of the hosts, 1 to 200; each is known to all by its name.
	Names []string
	// Programs are put into /usr/local/bin of every host, where they hide what this
	// machine has there: by name, the file on this machine.
	Programs map[string]string
	// See are directories of this machine that the hosts see at the same path,
	// though /tmp, /run and /srv are their own. Directories elsewhere are seen
	// anyway.
	See []string
}

// Set is some hosts on one network.
type Set struct {
	// Dir is a directory that this machine and all hosts see at the same path.
	Dir string

	hosts  []*Host
	bridge *child.Process // the network namespace of the bridge
	broom  *broom.Broom   // removes Dir; nil before
	close  sync.Once
	err    error
}

// network is the same in every set: they do not see each other.
const network = "10.77.0."

// Unsupported says why there can be no hosts on this machine, nil if there can.
func Unsupported() error {
	if os.Geteuid() != 0 {
		return errors.New("hosts are made of namespaces, which needs root")
	}
	for _, name := range []string{"ip", "nsenter", "mount", "bash"} {
		if _, err := exec.LookPath(name); err != nil {
			return fmt.Errorf("hosts need the program %s: install iproute2, util-linux and bash", name)
		}
	}
	cmd := exec.Command("mount", "--make-rprivate", "/")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: namespaces}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("this machine does not let root make namespaces: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

const namespaces = syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC

// New makes hosts that run nothing yet. They end with the caller's process at
// the latest.
func New(ctx context.Context, o Options) (*Set, error) {
	if len(o.Names) == 0 || len(o.Names) > 200 {
		return nil, fmt.Errorf("make %d hosts: 1 to 200 are possible", len(o.Names))
	}
	dir, err := os.MkdirTemp("", "rackswarm-hosts-")
	if err != nil {
		return nil, err
	}
	s := &Set{Dir: dir}
	if err := s.make(ctx, o); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Set) make(ctx context.Context, o Options) (err error) {
	if s.broom, err = broom.Start(s.Dir); err != nil {
		return err
	}
	if err := s.layOut(o); err != nil {
		return err
	}
	if err := s.startBridge(ctx); err != nil {
		return err
	}
	var wg sync.WaitGroup
	failed := make([]error, len(s.hosts))
	for i, h := range s.hosts {
		wg.Go(func() { failed[i] = s.startHost(ctx, h, i, o.See) })
	}
	wg.Wait()
	return errors.Join(failed...)
}

// layOut makes the files that hosts share and the directories that they do not.
func (s *Set) layOut(o Options) error {
	if err := os.Chmod(s.Dir, 0o755); err != nil {
		return err
	}
	names := "127.0.0.1 localhost\n::1 localhost\n"
	for i, name := range o.Names {
		h := &Host{Name: name, Address: fmt.Sprint(network, i+1), set: s, dir: filepath.Join(s.Dir, "host", name), logs: filepath.Join(s.Dir, "log", name)}
		s.hosts = append(s.hosts, h)
		names += h.Address + " " + name + "\n"
		for _, d := range []string{"srv", "tmp", "state"} {
			if err := os.MkdirAll(filepath.Join(h.dir, d), 0o755); err != nil {
				return err
			}
		}
		if err := os.Chmod(filepath.Join(h.dir, "tmp"), 0o777|os.ModeSticky); err != nil {
			return err
		}
		if err := os.MkdirAll(h.logs, 0o755); err != nil {
			return err
		}
	}
	bin := filepath.Join(s.Dir, "bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		return err
	}
	for name, file := range o.Programs {
		if err := linkOrCopy(file, filepath.Join(bin, name)); err != nil {
			return fmt.Errorf("program %s: %w", name, err)
		}
	}
	return os.WriteFile(filepath.Join(s.Dir, "hosts"), []byte(names), 0o644)
}

func linkOrCopy(from, to string) error {
	if os.Link(from, to) == nil {
		return nil
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// startBridge makes the namespace that joins the hosts.
func (s *Set) startBridge(ctx context.Context) (err error) {
	s.bridge, err = startReady(ctx, syscall.CLONE_NEWNET,
		"ip link add br0 type bridge && ip link set br0 up && echo ready && exec sleep infinity", "bridge")
	return err
}

//go:embed setup.sh
var setup string

// startHost starts the host's first process and plugs its cable.
func (s *Set) startHost(ctx context.Context, h *Host, i int, see []string) (err error) {
	h.init, err = startReady(ctx, namespaces, setup, append([]string{h.Name, s.Dir, h.dir}, see...)...)
	if err != nil {
		return fmt.Errorf("host %s: %w", h.Name, err)
	}
	port := fmt.Sprint("p", i+1)
	cable := exec.CommandContext(ctx, "ip", "link", "add", "eth0", "netns", fmt.Sprint(h.init.Pid()), "type", "veth",
		"peer", "name", port, "netns", fmt.Sprint(s.bridge.Pid()))
	if out, err := cable.CombinedOutput(); err != nil {
		return fmt.Errorf("host %s: %w: %s", h.Name, err, out)
	}
	plug := exec.CommandContext(ctx, "nsenter", "--target", fmt.Sprint(s.bridge.Pid()), "--net", "ip", "link", "set", port, "master", "br0", "up")
	if out, err := plug.CombinedOutput(); err != nil {
		return fmt.Errorf("host %s: %w: %s", h.Name, err, out)
	}
	_, err = h.Run(ctx, fmt.Sprintf("ip addr add %s/24 dev eth0 && ip link set eth0 up", h.Address))
	return err
}

// startReady starts a script in new namespaces and returns when it says "ready".
func startReady(ctx context.Context, flags uintptr, script string, args ...string) (*child.Process, error) {
	cmd := exec.Command("bash", append([]string{"-c", script}, args...)...)
	cmd.Env = environment
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags}
	out, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = in, in
	p, err := child.Start(cmd)
	in.Close()
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, p.KillGroup)
	defer stop()
	said := bufio.NewScanner(out)
	var before []string
	for said.Scan() {
		if said.Text() == "ready" {
			return p, nil
		}
		before = append(before, said.Text())
	}
	p.KillGroup()
	return nil, fmt.Errorf("set up: %w: %s", p.Wait(), strings.Join(before, "; "))
}

// Hosts returns the hosts in the order of their names in Options.
func (s *Set) Hosts() []*Host { return s.hosts }

// Host returns a host by its name, nil if there is none.
func (s *Set) Host(name string) *Host {
	for _, h := range s.hosts {
		if h.Name == name {
			return h
		}
	}
	return nil
}

// Close kills the hosts and removes everything that was made. It may be called
// again.
func (s *Set) Close() error {
	s.close.Do(func() { s.err = s.end() })
	return s.err
}

func (s *Set) end() error {
	var wg sync.WaitGroup
	for _, h := range s.hosts {
		if h.init != nil {
			wg.Go(h.Kill)
		}
	}
	wg.Wait()
	if s.bridge != nil {
		s.bridge.End(syscall.SIGKILL, killPatience)
	}
	if s.broom == nil {
		return os.RemoveAll(s.Dir)
	}
	return s.broom.Close()
}
