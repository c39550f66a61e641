package network

import (
	"fmt"
	"strings"

	"github.com/rackswarm/rackswarm/core/unit"
)

// Which processors receive packets (receive packet steering). Those of one connection have
// to be received on one processor: on several, they overtake each other at 300 Mbit/s and
// more. To hand a packet to another processor costs an interrupt, and on a virtual machine
// that is a fifth of what a slow network costs. So a switch and its hosts have a processor
// in common as long as it can deal with them, and each connection one of its own otherwise.

// onOne is how much a switch may pass on for one processor to receive it and what its
// hosts get: three quarters of what one can, if 1 Gbit/s takes three.
const onOne unit.Rate = 250e6 / 8

// steer tells machines on which of some processors they receive packets.
func (n *Network) steer(processors int) {
	for _, s := range n.switches {
		s.receives = everyProcessor(processors)
		if n.passes(s) <= onOne {
			s.receives = oneProcessor(s.number, processors)
		}
	}
	for _, h := range n.allHosts() {
		h.receives = h.at.receives
	}
}

// passes is what a switch passes on at most to the hosts and switches below it.
func (n *Network) passes(s *Switch) (sum unit.Rate) {
	add := func(r unit.Rate) {
		for at := s; at.uplink != nil; at = at.parent {
			r = min(r, max(at.uplink.capacity.Down, at.uplink.capacity.Up))
		}
		sum = min(sum, unit.Unlimited-r) + r
	}
	for _, h := range n.order {
		if h.at == s {
			add(h.link.capacity.Down)
		}
	}
	for _, below := range n.below(s) {
		add(min(below.uplink.capacity.Down, n.passes(below)))
	}
	return sum
}

// everyProcessor is the mask of the first count processors, as the kernel reads it.
func everyProcessor(count int) string {
	words := []string{fmt.Sprintf("%x", uint64(1)<<(count%perWord)-1)}
	for range count / perWord {
		words = append(words, "ffffffff")
	}
	return strings.Join(words, ",")
}

// oneProcessor is the mask of one of count processors.
func oneProcessor(number, count int) string {
	at := number % count
	return fmt.Sprintf("%x", uint64(1)<<(at%perWord)) + strings.Repeat(",00000000", at/perWord)
}

// perWord is how many processors a word of a mask has.
const perWord = 32
