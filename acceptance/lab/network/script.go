package network

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/lab/system"
	"github.com/rackswarm/rackswarm/core/unit"
)

// script is what is to be set up on a machine, by program.
type script struct {
	ip, tc, nft, bridge strings.Builder
	whole               []string // interfaces on which a packet is a packet
}

// apply does it.
func (m *machine) apply(ctx context.Context, s *script) error {
	if len(s.whole) > 0 {
		if err := m.Do(func() error { return dontBundle(s.whole) }); err != nil {
			return err
		}
	}
	for _, step := range []struct {
		text *strings.Builder
		name string
		args []string
	}{
		{&s.tc, "tc", []string{"-batch", "-"}},
		{&s.nft, "nft", []string{"-f", "-"}},
		{&s.ip, "ip", []string{"-batch", "-"}},
		{&s.bridge, "bridge", []string{"-batch", "-"}},
	} {
		if err := m.run(ctx, step.text.String(), step.name, step.args...); err != nil {
			return err
		}
	}
	return nil
}

// port joins an interface into the bridge. The bridge knows where every switch's address is
// and learns nothing: what it does not know is above it.
func (s *script) port(name string, up bool) {
	flood := "off"
	if up {
		flood = "on"
	}
	fmt.Fprintf(&s.ip, "link set dev %s master %s\n", name, bridgeDevice)
	fmt.Fprintf(&s.ip, "link set dev %s type bridge_slave learning off flood %s mcast_flood off bcast_flood off\n", name, flood)
}

// end sets up an interface that sends at a rate, and may lose what it receives.
func (s *script) end(e end, send unit.Rate, blocked bool, loss float64) {
	s.whole = append(s.whole, e.name)
	s.shape(e.name, send)
	s.receive(e.name, blocked, loss)
	fmt.Fprintf(&s.ip, "link set dev %s txqueuelen 10000 up\n", e.name) // a TAP's own queue, which its reader empties
}

// shape limits what an interface sends. Nothing need be done for one whose packets
// are all dropped at the other end.
func (s *script) shape(name string, rate unit.Rate) {
	switch rate {
	case 0:
	case unit.Unlimited:
		fmt.Fprintf(&s.tc, "qdisc replace dev %s root noqueue\n", name)
	default:
		burst := burst(rate)
		fmt.Fprintf(&s.tc, "qdisc replace dev %s root tbf rate %dbps burst %d limit %d\n", name, rate, burst, burst+rate.In(queue))
	}
}

// queue is how long a packet waits in a full queue, behind the burst.
const queue = 50 * time.Millisecond

// burst is how much may be sent at once after a pause. It has to hold what passes
// while the machine's timers are late, or the rate is not reached: 2 ms of a fast
// link, and on a slow one some packets.
func burst(rate unit.Rate) unit.Bytes {
	return max(32*unit.KiB, rate.In(2*time.Millisecond))
}

// receive counts what an interface receives, and drops what the link loses. What
// was counted stays when it is set up again.
func (s *script) receive(name string, blocked bool, loss float64) {
	s.nft.WriteString("add table netdev lab\n")
	for _, kind := range kinds {
		fmt.Fprintf(&s.nft, "add counter netdev lab %s\n", counterName(name, kind))
	}
	fmt.Fprintf(&s.nft, "add chain netdev lab %s { type filter hook ingress device %q priority 0; }\n", name, name)
	fmt.Fprintf(&s.nft, "flush chain netdev lab %s\n", name)
	if blocked {
		s.rule(name, "drop")
	}
	s.rule(name, "counter name %q", counterName(name, everything))
	s.count(name, "%[1]s dport %[2]d")
	s.count(name, "%[1]s sport %[2]d %[1]s dport != %[2]d")
	if loss > 0 {
		s.rule(name, "numgen random mod %d < %d drop", lossGrains, int(loss*lossGrains+0.5))
	}
}

// lossGrains are how many losses between nothing and everything can be told apart.
const lossGrains = 1_000_000

// count counts the data port's packets: those of TCP by the length of the header,
// from which the payload follows exactly.
func (s *script) count(name, match string) {
	var byHeader []string
	for words := minHeader; words <= maxHeader; words++ {
		byHeader = append(byHeader, fmt.Sprintf("%d : %q", words, counterName(name, tcpKind(words))))
	}
	s.rule(name, match+" counter name tcp doff map { %[3]s }", "tcp", system.DataPort, strings.Join(byHeader, ", "))
	s.rule(name, match+" counter name %[3]q", "udp", system.DataPort, counterName(name, udpData))
}

func (s *script) rule(name, format string, args ...any) {
	fmt.Fprintf(&s.nft, "add rule netdev lab %s %s\n", name, fmt.Sprintf(format, args...))
}
