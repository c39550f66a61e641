package probe

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/unit"
)

// chosen is the network interface that has the host's address, as it was found last.
type chosen struct {
	byAddress string // "" for none
	samples   int    // until it is looked for again
}

// lookEvery is after how many samples the interface of an address is looked for
// again: addresses move, but that takes a question to the kernel for each interface.
const lookEvery = 60

// name is the interface to sample now.
func (c *chosen) name(h *Host) (string, error) {
	if h.config.Interface != "" {
		return h.config.Interface, nil
	}
	if c.samples == 0 {
		c.byAddress, c.samples = interfaceOf(h.config.Address), lookEvery
	}
	c.samples--
	if c.byAddress != "" {
		return c.byAddress, nil
	}
	routes, err := h.read("proc/net/route")
	if err != nil {
		return "", err
	}
	name := bandwidth.DefaultInterface(routes)
	if name == "" {
		return "", errors.New("there is no default route that tells the network interface: set host.interface in agent.yaml")
	}
	return name, nil
}

// interfaceOf is the network interface that has an address, "" if none has.
func interfaceOf(want netip.Addr) string {
	if !want.IsValid() || want.IsUnspecified() {
		return ""
	}
	all, err := net.Interfaces()
	if err != nil {
		return ""
	}
	for _, i := range all {
		if want.IsLoopback() && i.Flags&net.FlagLoopback != 0 {
			return i.Name
		}
		addresses, err := i.Addrs()
		if err != nil {
			continue
		}
		for _, a := range addresses {
			if prefix, err := netip.ParsePrefix(a.String()); err == nil && prefix.Addr() == want.Unmap() {
				return i.Name
			}
		}
	}
	return ""
}

// readSpeed is the speed of an interface, 0 if it has none or is not what is in /sys:
// that may be of another network namespace, with interfaces of the same names.
func (h *Host) readSpeed(name string) unit.Rate {
	dir := filepath.Join("sys/class/net", name)
	text, err := h.read(dir, "speed")
	if err != nil || !h.wired(name) { // EINVAL of those without one
		return 0
	}
	before, errBefore := h.readCounters(name)
	received, errCount := h.read(dir, "statistics/rx_bytes")
	after, errAfter := h.readCounters(name)
	n, errParse := bandwidth.ParseCount(received)
	if errors.Join(errBefore, errCount, errAfter, errParse) != nil || n < before.Down || n > after.Down {
		return 0
	}
	return bandwidth.ParseSpeed(text)
}

// wired reports whether a network interface has a device, or is on top of one that
// has, as bonds, bridges and VLANs are. Others, such as veth and tun, make a speed up.
func (h *Host) wired(name string) bool {
	dir := filepath.Join(h.config.Root, "sys/class/net", name)
	if _, err := os.Stat(filepath.Join(dir, "device")); err == nil {
		return true
	}
	const below = "lower_"
	lower, _ := filepath.Glob(filepath.Join(dir, below+"*")) // the pattern is right
	for _, l := range lower {
		if h.wired(strings.TrimPrefix(filepath.Base(l), below)) {
			return true
		}
	}
	return false
}
