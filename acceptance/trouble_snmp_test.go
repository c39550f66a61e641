package acceptance

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/fleet"
	"github.com/rackswarm/rackswarm/acceptance/hosts"
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/unit"
)

type section = map[string]any

// What all links of these tests carry, and what counts while that is not measured.
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
	speed  int     // that it tells, uplinkSpeed if 0
	fault  bandwidth.Fault
	says   string // what is wrong
	fix    string
}

var badLinks = []badLink{
	{rack: "name", port: section{"interface": "ge-0/0/48"}, fault: bandwidth.FaultVanished, says: "it has no interface ge-0/0/48", fix: "correct the interface's name"},
	{rack: "index", port: section{"interface": nil, "index": 4711}, fault: bandwidth.FaultVanished, says: "it has no interface 4711", fix: "correct the interface's name"},
	{rack: "oid", access: "view few included .1.3.6.1.2.1\nview few excluded " + ifHCInOctets + "\nrocommunity public default -V few",
		fault: bandwidth.FaultSilent, says: "it does not know the counters ifHCInOctets and ifHCOutOctets", fix: "hides them from these credentials"},
	{rack: "community", device: section{"community_file": secretFile("wrong")}, fault: bandwidth.FaultSilent, says: "no answer within", fix: "is the community right?"},
	{rack: "key", device: section{"community_file": nil, "user": "poller", "auth_password_file": secretFile("wrong"), "privacy_password_file": secretFile("privpass123")},
		fault: bandwidth.FaultRefused, says: "it does not accept user poller", fix: "correct the user's name, its password"},
	{rack: "privacy", device: section{"community_file": nil, "user": "poller", "auth_password_file": secretFile("authpass123"), "privacy_password_file": secretFile("wrong")},
		fault: bandwidth.FaultSilent, says: "no answer within", fix: "is the password for privacy right?"},
	{rack: "address", device: section{"host": "10.77.0.250"}, fault: bandwidth.FaultSilent, says: "device 10.77.0.250:161", fix: "reach"},
	{rack: "port", device: section{"port": 1610}, fault: bandwidth.FaultSilent, says: "nothing listens there", fix: "start the device's SNMP agent"},
	{rack: "negative", in: "integer -5", fault: bandwidth.FaultAbsurd, says: "negative", fix: "take the device out"},
	{rack: "absurd", in: "counter64 $(date +%s%N)", fault: bandwidth.FaultAbsurd, says: "it carries 40 Mbit/s at most", fix: "is that the right interface"},
}

// secretFile is the file of a host with a password or community.
func secretFile(secret string) string { return "/etc/rackswarm/secret-" + secret }

// location is where the rack stands.
func (b badLink) location() string { return "ams1/" + b.rack }

// settings are those of the agent's device.
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

// startSwitch has Net-SNMP's agent answer on a host for an interface uplink.
func startSwitch(t *testing.T, h *hosts.Host, b badLink) {
	t.Helper()
	for _, secret := range []string{"public", "wrong-one", "authpass123", "privpass123"} {
		must(t, h.Write(secretFile(strings.TrimSuffix(secret, "-one")), secret+"\n", 0o600))
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
	access, speed := b.access, b.speed
	if access == "" {
		access = "rocommunity public"
	}
	if speed == 0 {
		speed = uplinkSpeed
	}
	conf := fmt.Sprintf(`agentAddress udp:161
%s
createUser poller SHA-256 "authpass123" AES "privpass123"
rouser poller priv
override %s.%d uinteger %d
pass -p 1 %s.%d /etc/snmp/answer
pass -p 1 %s.%d /etc/snmp/answer
`, access, ifHighSpeed, n, speed, ifHCInOctets, n, ifHCOutOctets, n)
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

// linkOn is the uplink of a host's rack, as its agent tells it.
func linkOn(t *testing.T, h *hosts.Host, location string) (api.LinkStatus, error) {
	t.Helper()
	var list api.LinkList
	must(t, json.Unmarshal([]byte(onHost(t, h, "rackswarm links --json")), &list))
	for _, l := range list.Links {
		if l.Location == location {
			return l, nil
		}
	}
	return api.LinkStatus{}, fmt.Errorf("link of %s is not listed: %+v", location, list.Links)
}

// wireBytes is what has come in over the wire of a host.
func wireBytes(t *testing.T, h *hosts.Host) int64 {
	t.Helper()
	n, err := strconv.ParseInt(strings.TrimSpace(onHost(t, h, "awk '/eth0:/ {print $2}' /proc/net/dev")), 10, 64)
	must(t, err)
	return n
}

// Whatever is wrong with how a link is measured: the log and the list of links name the
// link, the fault and what to do; explain says that it binds; the floor is in force, and
// holds on the wire; and the content arrives.
func TestBadLinkMeasurements(t *testing.T) {
	t.Parallel()
	s := racks(t, badLinks...)
	for _, b := range badLinks {
		fleet.Eventually(t, patience, b.rack+" is warned of", func() error { return b.warned(t, s.Host(b.rack)) })
	}
	before, began := map[string]int64{}, time.Now()
	for _, b := range badLinks {
		before[b.rack] = wireBytes(t, s.Host(b.rack))
	}
	const size = 900_000
	sum := distributeFrom(t, s.Host("seed"), size)
	for _, b := range badLinks {
		fleet.Eventually(t, patience, b.rack+" is explained", func() error { return b.explained(t, s.Host(b.rack)) })
	}
	for _, b := range badLinks {
		h := s.Host(b.rack)
		fleet.Eventually(t, patience, b.rack+" has the content", func() error { return hasContent(t, h, sum) })
		if rate := unit.Rate(float64(wireBytes(t, h)-before[b.rack]) / time.Since(began).Seconds()); rate > floorOnWire {
			t.Errorf("%s: %v on the wire, and the floor is %v", b.rack, rate, floor)
		}
	}
	var st api.Status
	fleet.Eventually(t, patience, "all nodes report it", func() error {
		text := onHost(t, s.Host("seed"), "rackswarm status data --json")
		must(t, json.Unmarshal([]byte(text), &st))
		if !st.Summary.Done {
			return errors.New(text)
		}
		return nil
	})
	for _, n := range st.Nodes {
		if n.Node == "seed" {
			continue
		}
		if rate := unit.Rate(size / n.InstalledAt.Sub(*n.StartedAt).Seconds()); rate > floor*11/10 {
			t.Errorf("%s: %v of content, and the floor is %v", n.Node, rate, floor)
		}
	}
}

// An interface that vanishes while content crosses the link has the budget sink to the
// floor, though the operator's own limit is higher; when it is back, so is the budget.
func TestAnUplinkVanishesUnderWay(t *testing.T) {
	t.Parallel()
	b := badLink{rack: "vanish", fault: bandwidth.FaultVanished, says: "interface uplink", fix: "the interface"}
	s := racks(t, b)
	h := s.Host(b.rack)
	measured := func() error {
		l, err := linkOn(t, h, b.location())
		if err == nil && (!l.Measured || l.Down.Allowed() < 10*floor || len(l.Warnings) > 0) {
			err = fmt.Errorf("it says %+v", l)
		}
		return err
	}
	fleet.Eventually(t, patience, "the link is measured", measured)
	// So slow that the floor is reached long before the end.
	onHost(t, h, "rackswarm limit --node vanish --download 3Mbit")
	sum := distributeFrom(t, s.Host("seed"), 20_000_000)
	moved := func(more int64) func() error {
		from := wireBytes(t, h)
		return func() error {
			if now := wireBytes(t, h) - from; now < more {
				return fmt.Errorf("%d bytes came", now)
			}
			return nil
		}
	}
	fleet.Eventually(t, patience, "it moves", moved(500_000))
	must(t, measured())
	index := strings.TrimSpace(onHost(t, h, "ip -o link show uplink | cut -d: -f1; ip link del uplink"))
	fleet.Eventually(t, patience, "it is warned of", func() error { return b.warned(t, h) })
	fleet.Eventually(t, patience, "it is explained", func() error { return b.explained(t, h) })
	before, began := wireBytes(t, h), time.Now()
	fleet.Eventually(t, patience, "it moves on", moved(500_000))
	if rate := unit.Rate(float64(wireBytes(t, h)-before) / time.Since(began).Seconds()); rate > floorOnWire {
		t.Errorf("%v on the wire, and the floor is %v", rate, floor)
	}
	plug(t, h, "index "+index)
	fleet.Eventually(t, patience, "it is measured again", measured)
	onHost(t, h, "rackswarm limit --node vanish --clear")
	fleet.Eventually(t, patience, "the content arrives", func() error { return hasContent(t, h, sum) })
}

// Of capacities that contradict each other the lower one counts, and log and list say
// so: of agent.yaml's links, an operator's word and its device's, against the device.
func TestCapacitiesThatContradictEachOther(t *testing.T) {
	t.Parallel()
	all := []badLink{
		{rack: "links", agent: section{"links": section{"ams1/links": section{"up": "1Gbit", "down": "1Gbit"}}}, port: section{"up": nil, "down": nil},
			says: "119.2 MiB/s are declared and device", fix: "the lower one counts"},
		{rack: "said", port: section{"up": nil, "down": nil}, says: "119.2 MiB/s are declared and device", fix: "the lower one counts"},
		{rack: "device", port: section{"up": "1Gbit", "down": "1Gbit"}, says: "1 Gbit/s are configured and the interface has 40 Mbit/s", fix: "correct it"},
	}
	s := racks(t, all...)
	onHost(t, s.Host("seed"), "rackswarm links set ams1/said --up 1Gbit --down 1Gbit")
	for _, b := range all {
		b.fault = bandwidth.FaultCapacity
		h := s.Host(b.rack)
		fleet.Eventually(t, patience, b.rack+" is warned of", func() error {
			l, err := linkOn(t, h, b.location())
			if err != nil {
				return err
			}
			if l.Down.Capacity != uplinkRate || l.Up.Capacity != uplinkRate || l.Down.Allowed() > 0.8*uplinkRate || l.Down.Allowed() <= floor {
				return fmt.Errorf("it is %+v", l)
			}
			return b.told(t, h, l, "")
		})
	}
	sum := distributeFrom(t, s.Host("seed"), 900_000)
	for _, b := range all {
		fleet.Eventually(t, patience, b.rack+" has the content", func() error { return hasContent(t, s.Host(b.rack), sum) })
	}
}

// floor is what counts of an uplink that is not measured; floorOnWire is that with all
// else that a host hears, as of the store.
var floor = bandwidth.FloorOf(uplinkRate)

const floorOnWire unit.Rate = 1.5 * 100_000

// distributeFrom distributes a file of a size to all hosts, and returns its SHA-256.
func distributeFrom(t *testing.T, seed *hosts.Host, size int) string {
	t.Helper()
	sum := onHost(t, seed, fmt.Sprintf("head -c %d /dev/urandom >/srv/data && sha256sum </srv/data", size))
	onHost(t, seed, "rackswarm distribute data --source /srv/data --path /opt/data")
	return sum
}

// hasContent says what is missing of the content on a host.
func hasContent(t *testing.T, h *hosts.Host, sum string) error {
	t.Helper()
	if got, err := h.Run(t.Context(), "sha256sum </opt/data"); err != nil || got != sum {
		return fmt.Errorf("it has %q: %w", got, err)
	}
	return nil
}

// warned says what is missing of what log and list are to say of a link of which the
// floor is in force.
func (b badLink) warned(t *testing.T, h *hosts.Host) error {
	t.Helper()
	l, err := linkOn(t, h, b.location())
	if err != nil {
		return err
	}
	if l.Down.Allowed() != floor || l.Up.Allowed() != floor {
		return fmt.Errorf("in force are %v and %v, not the floor %v: %+v", l.Up.Allowed(), l.Down.Allowed(), floor, l)
	}
	return b.told(t, h, l, "; in force: "+floor.String()+" up, "+floor.String()+" down")
}

// told says what is missing of what log and list are to say of a link, of which more is
// in the list alone.
func (b badLink) told(t *testing.T, h *hosts.Host, l api.LinkStatus, more string) error {
	t.Helper()
	says := func(text string) bool { return strings.Contains(text, b.says) && strings.Contains(text, b.fix) }
	if !slices.ContainsFunc(l.Warnings, func(w api.LinkWarning) bool {
		return w.Fault == string(b.fault) && says(w.Message) && strings.HasSuffix(w.Message, more)
	}) {
		return fmt.Errorf("the warnings are %+v", l.Warnings)
	}
	if text := onHost(t, h, "rackswarm links"); !strings.Contains(text, b.location()) || !says(text) {
		return errors.New(text)
	}
	log, err := os.ReadFile(h.Log("agent"))
	must(t, err)
	for line := range strings.Lines(string(log)) {
		if strings.Contains(line, "level=WARN") && strings.Contains(line, "link="+b.location()) && strings.Contains(line, "fault="+string(b.fault)) && says(line) {
			return nil
		}
	}
	return fmt.Errorf("the log does not say it:\n%s", log)
}

// explained says what is missing of what is to be said of the host's part in data.
func (b badLink) explained(t *testing.T, h *hosts.Host) error {
	t.Helper()
	text := onHost(t, h, "rackswarm explain data "+h.Name)
	for _, part := range []string{"uplink of " + b.location() + ", down", "Fix: have the link measured again", "rackswarm links"} {
		if !strings.Contains(text, part) {
			return errors.New(text)
		}
	}
	return nil
}
