package network

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/rackswarm/rackswarm/acceptance/child"
)

// machine is a network namespace without a name: it is there while the file is open,
// or a process is in it.
type machine struct {
	Address  netip.Addr // IPv4, in 10.77.0.0/16
	receives string     // the mask of the processors that receive its packets, see Network.steer

	namespace *os.File
	counters  *counterReader

	lock    sync.Mutex
	running []*child.Process
}

// settings of every namespace, below /proc/sys/net: nothing but what programs send
// crosses the links, and TCP has room for fast ones with a delay.
var settings = map[string]string{
	"ipv6/conf/default/disable_ipv6":   "1",
	"ipv4/ip_forward":                  "1", // see Network.gateways
	"ipv4/conf/all/send_redirects":     "0",
	"ipv4/conf/default/send_redirects": "0",
	"ipv4/conf/all/rp_filter":          "0",
	"ipv4/conf/default/rp_filter":      "0",
	"ipv4/tcp_rmem":                    "4096 131072 33554432",
	"ipv4/tcp_wmem":                    "4096 16384 33554432",
	"ipv4/ip_local_port_range":         "32768 60999",
	"bridge/bridge-nf-call-iptables":   "0",
	"bridge/bridge-nf-call-ip6tables":  "0",
	"bridge/bridge-nf-call-arptables":  "0",
}

// open makes the namespace.
func (m *machine) open() error {
	return onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("make a network namespace: %w", err)
		}
		file, err := os.Open("/proc/thread-self/ns/net")
		if err != nil {
			return fmt.Errorf("hold a network namespace: %w", err)
		}
		m.namespace = file
		if m.counters, err = newCounterReader(); err != nil {
			return err
		}
		return configure(m.receives)
	})
}

// configure sets up the namespace that the thread is in.
func configure(receives string) error {
	all := maps.Clone(settings)
	if receives != "" {
		all["core/rps_default_mask"] = receives
	}
	for name, value := range all {
		err := os.WriteFile(filepath.Join("/proc/sys/net", name), []byte(value), 0)
		if errors.Is(err, os.ErrNotExist) {
			continue // a kernel that has no such thing need not be told
		}
		if err != nil {
			return fmt.Errorf("set %s of a namespace: %w", name, err)
		}
	}
	return nil
}

// onThread calls f on a thread that ends with it, whatever f did to it.
func onThread(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocks
		done <- f()
	}()
	return <-done
}

// Do calls f on a thread that is in the machine's network: sockets that f makes
// there stay there. What f does on goroutines of its own is not.
func (m *machine) Do(f func() error) error {
	return onThread(func() error {
		if err := unix.Setns(int(m.namespace.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("enter the namespace of %s: %w", m.Address, err)
		}
		return f()
	})
}

// Start starts a program in the machine's network. It shares all but the network
// with the caller, and ends with it, and with the network.
func (m *machine) Start(cmd *exec.Cmd) (*child.Process, error) {
	m.lock.Lock()
	defer m.lock.Unlock()
	if m.namespace == nil {
		return nil, fmt.Errorf("start %s on %s: the network is closed", cmd.Path, m.Address)
	}
	p, err := child.StartIn(m.namespace, cmd)
	if err != nil {
		return nil, fmt.Errorf("on %s: %w", m.Address, err)
	}
	m.running = append(slices.DeleteFunc(m.running, func(p *child.Process) bool { return !p.Running() }), p)
	return p, nil
}

// run runs a program that reads what it has to do from its standard input.
func (m *machine) run(ctx context.Context, input, name string, args ...string) error {
	if input == "" {
		return nil
	}
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &said, &said
	p, err := m.Start(cmd)
	if err != nil {
		return err
	}
	if err := p.Wait(); err != nil {
		return fmt.Errorf("%s on %s: %w: %s", name, m.Address, err, bytes.TrimSpace(said.Bytes()))
	}
	return nil
}

// path is where other processes of root find the namespace.
func (m *machine) path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), m.namespace.Fd()) }

// hardware is the Ethernet address of the machine, which follows from its address.
func (m *machine) hardware() string {
	a := m.Address.As4()
	return fmt.Sprintf("02:00:%02x:%02x:%02x:%02x", a[0], a[1], a[2], a[3])
}

// shut ends the processes and lets go of the namespace.
func (m *machine) shut() error {
	m.lock.Lock()
	defer m.lock.Unlock()
	for _, p := range m.running {
		if p.Running() {
			p.KillGroup()
		}
	}
	for _, p := range m.running {
		<-p.Exited()
	}
	if m.namespace == nil {
		return nil
	}
	err := errors.Join(m.counters.Close(), m.namespace.Close())
	m.namespace = nil
	return err
}
