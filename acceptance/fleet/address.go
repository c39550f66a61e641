package fleet

import (
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
)

// Ports of every agent, on an address of its own.
const (
	dataPort  = 7420
	storePort = 7421
	apiPort   = 7422
	guardPort = 7419 // held by the fleet that owns the subnet
)

// subnet is a /24 of 127.0.0.0/8 that this fleet has for itself.
type subnet struct{ a, b int }

// takeSubnet finds a subnet that no other fleet on this machine uses, and holds
// it until the test ends.
func takeSubnet(t testing.TB) subnet {
	t.Helper()
	for range 100 {
		s := subnet{16 + rand.IntN(224), rand.IntN(256)}
		guard, err := net.Listen("tcp4", s.address(254, guardPort))
		if err == nil {
			t.Cleanup(func() { guard.Close() })
			return s
		}
	}
	t.Fatalf("no free subnet of 127.0.0.0/8 for port %d", guardPort)
	return subnet{}
}

// address is host n's address with a port; n is 1 to 254.
func (s subnet) address(n, port int) string {
	return fmt.Sprintf("127.%d.%d.%d:%d", s.a, s.b, n, port)
}
