package acceptance

import (
	"fmt"
	"maps"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/rackswarm/rackswarm/acceptance/fleet"
	"github.com/rackswarm/rackswarm/acceptance/hosts"
	"github.com/rackswarm/rackswarm/core/bandwidth"
)

type section = map[string]any

// What all links of these tests carry; uplinkRate is in bytes per second.
const (
	uplinkSpeed = 40 // Mbit/s
	uplinkRate  = uplinkSpeed * 1e6 / 8
)

// Columns of IF-MIB: the interface's counters of 64 bits, and its speed in Mbit/s.
const (
	ifHCInOctets  = ".1.3.6.1.2.1.31.1.1.1.6"
	ifHCOutOctets = ".1.3.6.1.2.1.31.1.1.1.10"
	ifHighSpeed   = ".1.3.6.1.2.1.31.1.1.1.15"
)

// badLink is a rack of one host whose uplink nobody can measure, and why. Its switch is
// Net-SNMP's agent, whose counters of the interface uplink are those of the host's own.
type badLink struct {
	rack   string
	device section // settings of the device; nil is what is right
	port   section // those of its interface
	agent  section // more settings of the agent
	access string  // who may ask the switch; "" for all
	in     string  // what the switch answers for what came in: a type and a shell word
	fault  bandwidth.Fault
	says   string // what is wrong
	fix    string // what is to be done
}

// secretFile is the file of a host with the password or community that has a name.
func secretFile(name string) string { return "/etc/rackswarm/secret-" + name }

// location is where the rack stands.
func (b badLink) location() string { return "ams1/" + b.rack }

// settings are the agent's own: its device, and what is said beside that.
func (b badLink) settings(h *hosts.Host) section {
	port := section{"interface": "uplink", "up": "40Mbit", "down": "40Mbit"}
	device := section{"host": h.Address, "timeout": "1s", "community_file": secretFile("public"), "links": section{b.location(): port}}
	for _, over := range []struct{ into, from section }{{port, b.port}, {device, b.device}} {
		for key, value := range over.from {
			if over.into[key] = value; value == nil {
				delete(over.into, key)
			}
		}
	}
	all := section{"devices": section{"switch": device}}
	maps.Copy(all, b.agent)
	return all
}

// startSwitch has Net-SNMP's agent answer on a host for an interface uplink, with the
// host's own counters, or what b has it say instead.
func startSwitch(t *testing.T, h *hosts.Host, b badLink) {
	t.Helper()
	for name, secret := range map[string]string{"public": "public", "wrong": "wrong-one", "authpass123": "authpass123", "privpass123": "privpass123"} {
		must(t, h.Write(secretFile(name), secret+"\n", 0o600))
	}
	n := plug(t, h, "")
	in := b.in
	if in == "" {
		in = "counter64 $(awk '/eth0:/ {print $2}' /proc/net/dev)"
	}
	kind, value, _ := strings.Cut(in, " ")
	answer := fmt.Sprintf("#!/bin/sh\n[ \"$1\" = -g ] || exit 0\ncase $2 in\n%s.*) printf '%%s\\n%s\\n%%s\\n' $2 %s ;;\n*) printf '%%s\\ncounter64\\n%%s\\n' $2 $(awk '/eth0:/ {print $10}' /proc/net/dev) ;;\nesac\n",
		ifHCInOctets, kind, value)
	must(t, h.Write("/etc/snmp/answer", answer, 0o755))
	access := b.access
	if access == "" {
		access = "rocommunity public"
	}
	conf := fmt.Sprintf(`agentAddress udp:161
%s
createUser poller SHA-256 "authpass123" AES "privpass123"
rouser poller priv
override %s.%d uinteger %d
pass -p 1 %s.%d /etc/snmp/answer
pass -p 1 %s.%d /etc/snmp/answer
`, access, ifHighSpeed, n, uplinkSpeed, ifHCInOctets, n, ifHCOutOctets, n)
	must(t, h.Write("/etc/snmp/test.conf", conf, 0o600))
	_, err := h.Start("snmpd", "env", "MIBS=", "SNMP_PERSISTENT_DIR=/run/snmp", "snmpd", "-f", "-Lo", "-C", "-c", "/etc/snmp/test.conf", "-I", "-smux")
	must(t, err)
}

// plug makes the interface uplink, which is up, and returns its index.
func plug(t *testing.T, h *hosts.Host, options string) int {
	t.Helper()
	text := onHost(t, h, "ip link add uplink "+options+" type veth peer name core && ip link set core up && ip link set uplink up && ip -o link show uplink | cut -d: -f1")
	n, err := strconv.Atoi(strings.TrimSpace(text))
	must(t, err)
	return n
}

// onHost runs a script on a host, and returns what it prints.
func onHost(t *testing.T, h *hosts.Host, script string) string {
	t.Helper()
	out, err := h.Run(t.Context(), script)
	must(t, err)
	return out
}

// needSwitches skips what needs hosts, Net-SNMP and Redis.
func needSwitches(t *testing.T) {
	t.Helper()
	if err := hosts.Unsupported(); err != nil {
		t.Skip(err)
	}
	for _, name := range []string{"snmpd", "redis-server"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("%v: install Debian's package %s", err, strings.Replace(name, "redis-server", "redis", 1))
		}
	}
}

// racks are hosts that each stand in a rack of their own, with a Redis, and a seed.
func racks(t *testing.T, links ...badLink) *hosts.Set {
	t.Helper()
	needSwitches(t)
	names := []string{"seed"}
	for _, l := range links {
		names = append(names, l.rack)
	}
	s, err := hosts.New(t.Context(), hosts.Options{Names: names, Programs: map[string]string{"rackswarm": fleet.Binary(t, "agent")}})
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	seed := s.Host("seed")
	_, err = seed.Start("redis", "redis-server", "--bind", seed.Address, "--protected-mode", "no", "--save", "")
	must(t, err)
	store := func() section {
		return section{"embedded": nil, "listen": nil, "tls": nil, "url": "redis://" + seed.Address + ":6379"}
	}
	a := hosts.Agents{On: s.Hosts(), Locations: map[string]string{"seed": "ams1/seed"}, Settings: map[string]map[string]any{"seed": {"store": store()}}}
	for _, l := range links {
		h := s.Host(l.rack)
		startSwitch(t, h, l)
		own := l.settings(h)
		own["store"] = store()
		a.Locations[l.rack], a.Settings[l.rack] = l.location(), own
	}
	must(t, s.StartAgents(t.Context(), a))
	return s
}
