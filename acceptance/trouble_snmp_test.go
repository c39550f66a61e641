package acceptance

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/rackswarm/rackswarm/acceptance/fleet"
	"github.com/rackswarm/rackswarm/acceptance/hosts"
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/unit"
)

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

// Whatever is wrong with how a link is measured: the log and the list of links name the
// link, the fault and what to do; explain says that it binds; the floor is in force, and
// holds on the wire; and the content arrives.
func TestBadLinkMeasurements(t *testing.T) {
	t.Parallel()
	s := racks(t, badLinks...)
	for _, b := range badLinks {
		fleet.Eventually(t, patience, b.rack+" is warned of", func() error { return b.warned(t, s.Host(b.rack)) })
	}
	before := map[string]intake{}
	for _, b := range badLinks {
		before[b.rack] = intakeOf(t, s.Host(b.rack))
	}
	const size = 900_000
	sum := distributeFrom(t, s.Host("seed"), size)
	for rack, after := range explainedAndDone(t, s, sum) {
		if rate := after.rateSince(before[rack]); rate > floorOnWire {
			t.Errorf("%s: %v on the wire, and the floor is %v", rack, rate, floor)
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

// explainedAndDone waits until explain has said of each bad link that it binds, and its
// host has the content, and returns what had come in by then. All are looked at by turns:
// who waits for one after the other measures the others over the time of the slowest.
func explainedAndDone(t *testing.T, s *hosts.Set, sum string) map[string]intake {
	t.Helper()
	explained, done := map[string]bool{}, map[string]intake{}
	fleet.Eventually(t, patience, "all links are explained, and all racks have the content", func() error {
		var missing []error
		for _, b := range badLinks {
			h := s.Host(b.rack)
			if !explained[b.rack] {
				err := b.explained(t, h)
				explained[b.rack] = err == nil
				missing = append(missing, err)
			}
			if _, ok := done[b.rack]; ok {
				continue
			}
			err := hasContent(t, h, sum)
			if err == nil {
				done[b.rack] = intakeOf(t, h)
			}
			missing = append(missing, err)
		}
		return errors.Join(missing...)
	})
	return done
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
	before := intakeOf(t, h)
	fleet.Eventually(t, patience, "it moves on", moved(500_000))
	if rate := intakeOf(t, h).rateSince(before); rate > floorOnWire {
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
