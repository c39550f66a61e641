package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
)

// Ports of every program, each on an address of its own.
const (
	firstPort = 7420 // host n is reached at firstPort+n: some programs have no address of their own
	lastPort  = 7440
)

// subnet is a /24 of 127.0.0.0/8 that nobody else uses.
type subnet struct{ a, b byte }

// takeSubnet finds one where nobody listens.
func takeSubnet(hosts int) (subnet, error) {
	for range 100 {
		s := subnet{byte(16 + rand.IntN(224)), byte(rand.IntN(256))}
		if s.free(hosts) {
			return s, nil
		}
	}
	return subnet{}, fmt.Errorf("no free addresses in 127.0.0.0/8 for ports %d to %d", firstPort, lastPort)
}

func (s subnet) free(hosts int) bool {
	for n := range hosts {
		l, err := net.Listen("tcp4", s.host(n).String())
		if err != nil {
			return false
		}
		l.Close()
	}
	return true
}

// host is where the n-th program listens, from 0: the seeder.
func (s subnet) host(n int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, s.a, s.b, byte(n + 1)}), uint16(firstPort+n))
}

// other is another address of the n-th program.
func (s subnet) other(n, port int) netip.AddrPort {
	return netip.AddrPortFrom(s.host(n).Addr(), uint16(port))
}

// listening reports whether somebody listens there, without connecting.
func listening(addr netip.AddrPort) bool {
	text, _ := os.ReadFile("/proc/net/tcp") // without it nobody does
	a := addr.Addr().As4()
	want := fmt.Sprintf(" %02X%02X%02X%02X:%04X 00000000:0000 0A ", a[3], a[2], a[1], a[0], addr.Port())
	return bytes.Contains(text, []byte(want))
}
