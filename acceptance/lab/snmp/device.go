// Package snmp has the switches of a lab's network answer by SNMP: each runs
// Net-SNMP's agent, whose counters are those of the kernel.
package snmp

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/child"
	"github.com/rackswarm/rackswarm/acceptance/lab/network"
	"github.com/rackswarm/rackswarm/acceptance/wait"
	"github.com/rackswarm/rackswarm/core/scenario"
	"github.com/rackswarm/rackswarm/core/topo"
)

const (
	// Community is the word to ask with, by v2c.
	Community = "public"
	// Interface is the switch's interface at its uplink, by ifName.
	Interface = "uplink"
)

const (
	tune    = "tune" // the community that may set how old counters may be
	refresh = 1      // seconds that counters may be old: the least that Net-SNMP knows
)

// upTimeout is how long the agent may take to answer.
const upTimeout = 30 * time.Second

// Device is a switch that answers. Its methods may be called from any goroutine.
type Device struct {
	at    *network.Switch
	dir   string
	index int // of its uplink's interface

	mu       sync.Mutex
	process  *child.Process
	first    uint64 // what the interface's speed was said to be at the start, in Mbit/s
	speed    uint64
	says     scenario.Says
	asked    uint64 // by others, of agents that have ended
	ownAsked uint64 // by us, of the one that runs
}

// Unsupported says why no device can be started on this machine.
func Unsupported() error {
	if _, err := exec.LookPath("snmpd"); err != nil {
		return fmt.Errorf("%w: install Net-SNMP's agent, Debian's package snmpd, or leave bandwidth.snmp out of the scenario", err)
	}
	return nil
}

// Start has a switch answer for its uplink of a capacity. Its files are in dir,
// which is made. It ends with the network at the latest.
func Start(ctx context.Context, at *network.Switch, uplink topo.Link, dir string) (*Device, error) {
	d := &Device{at: at, dir: dir, first: speed(uplink), speed: speed(uplink), says: scenario.Truth}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	err := at.Do(func() error {
		i, err := net.InterfaceByName(Interface)
		if err == nil {
			d.index = i.Index
		}
		return err
	})
	if err == nil {
		err = d.start(ctx)
	}
	if err != nil {
		return nil, d.explain(err)
	}
	return d, nil
}

// speed is what ifHighSpeed can say of a link, one number for both directions.
func speed(l topo.Link) uint64 {
	const mbit = 1e6 / 8
	return uint64(max(l.Up, l.Down)+mbit/2) / mbit
}

func (d *Device) explain(err error) error {
	log, _ := os.ReadFile(d.file("log")) // without it there is less to say
	return fmt.Errorf("SNMP agent of %s: %w\n%s", d.at.Location, err, log)
}

func (d *Device) file(name string) string { return filepath.Join(d.dir, name) }

// start starts the agent. It is called with the lock held, or before others know
// the device.
func (d *Device) start(ctx context.Context) error {
	if err := d.configure(); err != nil {
		return err
	}
	cmd := exec.Command("snmpd", "-f", "-Lf", d.file("log"), "-C", "-c", d.file("conf"), "-I", "-smux")
	cmd.Env = append(os.Environ(), "MIBS=", "SNMP_PERSISTENT_DIR="+d.dir)
	p, err := d.at.Start(cmd)
	if err != nil {
		return err
	}
	d.process = p
	err = wait.Until(ctx, upTimeout, "it answers", func() error {
		if !p.Running() {
			return wait.Stop{Err: p.Wait()}
		}
		return d.setRefresh()
	})
	if err != nil {
		return err
	}
	d.ownAsked, err = d.packets()
	return err
}

// Columns of IF-MIB's ifXTable.
const (
	inOctets  = ".1.3.6.1.2.1.31.1.1.1.6"
	outOctets = ".1.3.6.1.2.1.31.1.1.1.10"
	highSpeed = ".1.3.6.1.2.1.31.1.1.1.15"
)

// configure writes what the agent reads when it starts and on SIGHUP. An override
// stands until it ends; what is otherwise later comes from a script that goes
// before it.
func (d *Device) configure() error {
	var conf, script strings.Builder
	fmt.Fprintf(&conf, "agentAddress udp:161\nrocommunity %s\nrwcommunity %s 127.0.0.1 %s\n", Community, tune, cacheTable)
	fmt.Fprintf(&conf, "override %s.%d uinteger %d\n", highSpeed, d.index, d.first)
	script.WriteString("#!/bin/sh\n[ \"$1\" = -g ] || exit 0\ncase $2 in\n")
	answer := func(column, kind string, value uint64) {
		fmt.Fprintf(&conf, "pass -p 1 %s.%d %s\n", column, d.index, d.file("answer"))
		fmt.Fprintf(&script, "%s.*) printf '%%s\\n%s\\n%d\\n' \"$2\" ;;\n", column, kind, value)
	}
	if d.speed != d.first {
		answer(highSpeed, "gauge", d.speed)
	}
	if d.says == scenario.Zeros {
		answer(inOctets, "counter64", 0)
		answer(outOctets, "counter64", 0)
	}
	script.WriteString("esac\n")
	if err := os.WriteFile(d.file("answer"), []byte(script.String()), 0o755); err != nil { //nolint:gosec // snmpd runs it
		return err
	}
	return os.WriteFile(d.file("conf"), []byte(conf.String()), 0o600)
}

// SetCapacity has the device tell that its uplink has another capacity.
func (d *Device) SetCapacity(ctx context.Context, uplink topo.Link) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.speed = speed(uplink)
	return d.change(ctx)
}

// Say has the device answer otherwise from now on.
func (d *Device) Say(ctx context.Context, says scenario.Says) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.says = says
	if says == scenario.Nothing {
		d.end()
		return nil
	}
	return d.change(ctx)
}

// change has the agent read its configuration again. One that does not run is
// started, unless it is not to answer.
func (d *Device) change(ctx context.Context) error {
	if d.process.Running() {
		if err := d.configure(); err != nil {
			return err
		}
		return syscall.Kill(d.process.Pid(), syscall.SIGHUP)
	}
	if d.says == scenario.Nothing {
		return nil
	}
	if err := d.start(ctx); err != nil {
		return d.explain(err)
	}
	return nil
}

// end ends the agent, and keeps how often it was asked.
func (d *Device) end() {
	if n, err := d.packets(); err == nil {
		d.asked += n - d.ownAsked
	}
	d.process.KillGroup()
	<-d.process.Exited()
}

// Queries is how often others than the lab have asked the device so far.
func (d *Device) Queries() (uint64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.process.Running() {
		return d.asked, nil
	}
	n, err := d.packets()
	if err != nil {
		return 0, fmt.Errorf("ask the SNMP agent of %s how often it was asked: %w", d.at.Location, err)
	}
	return d.asked + n - d.ownAsked, nil
}
