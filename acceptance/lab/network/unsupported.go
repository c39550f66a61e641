package network

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"sync"

	"github.com/rackswarm/rackswarm/core/topo"
	"github.com/rackswarm/rackswarm/core/unit"
)

// Unsupported says why there can be no network on this machine and what would mend
// it, nil if there can. It looks once.
func Unsupported() error { return unsupported() }

var unsupported = sync.OnceValue(func() error {
	if os.Geteuid() != 0 {
		return errors.New("networks are made of namespaces, which needs root: run this as root")
	}
	for name, of := range map[string]string{"ip": "iproute2", "tc": "iproute2", "bridge": "iproute2", "nft": "nftables"} {
		if _, err := exec.LookPath(name); err != nil {
			return fmt.Errorf("networks need the program %s: apt-get install %s", name, of)
		}
	}
	if err := try(); err != nil {
		return fmt.Errorf("networks need a kernel with namespaces, veth, bridge, tbf, cubic, and nftables' netdev family, and leave to use them: %w", err)
	}
	return nil
})

// try makes one of each thing that networks are made of.
func try() error {
	m := machine{Address: netip.IPv4Unspecified()}
	if err := m.open(); err != nil {
		return err
	}
	ctx := context.Background()
	err := m.run(ctx, "link add name a type veth peer name b\nlink add br0 type bridge\nlink set lo up\n"+
		"route add 10.77.0.0/16 dev lo congctl cubic\n", "ip", "-batch", "-")
	var todo script
	l := link{lower: end{&m, "a"}, upper: end{&m, "b"}, capacity: topo.Link{Up: unit.Rate(unit.MiB), Down: unit.Unlimited}, loss: 0.5}
	todo.lower(&l)
	todo.port("b", true)
	todo.upper(&l)
	if err == nil {
		err = m.apply(ctx, &todo)
	}
	return errors.Join(err, m.shut())
}
