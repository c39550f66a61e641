package daemon

import (
	"fmt"
	"net"
	"net/url"
	"strconv"

	"github.com/rackswarm/rackswarm/agent/internal/config"
)

// advertised is the host:port that others are told: what the configuration
// says, else the listening address, else, where that is every address, the one
// that the route towards hint leaves from.
func advertised(e config.Endpoint, listening net.Addr, hint string) (string, error) {
	_, port, err := net.SplitHostPort(listening.String())
	if err != nil {
		return "", fmt.Errorf("address %s: %w", listening, err)
	}
	if e.Advertise != "" {
		host, given, err := net.SplitHostPort(e.Advertise)
		if err != nil { // a host alone
			return net.JoinHostPort(e.Advertise, port), nil
		}
		if n, err := strconv.Atoi(given); err == nil && n == 0 {
			given = port
		}
		return net.JoinHostPort(host, given), nil
	}
	host, _, _ := net.SplitHostPort(listening.String())
	if ip := net.ParseIP(host); ip != nil && !ip.IsUnspecified() {
		return listening.String(), nil
	}
	return net.JoinHostPort(outgoing(hint), port), nil
}

// outgoing is this machine's address on the way to hint. Connecting a UDP socket
// sends nothing; it asks the routing table.
func outgoing(hint string) string {
	for _, to := range []string{hint, "[2001:db8::1]:9", "192.0.2.1:9"} {
		c, err := net.Dial("udp", to)
		if err != nil {
			continue
		}
		defer c.Close()
		if a, ok := c.LocalAddr().(*net.UDPAddr); ok && !a.IP.IsUnspecified() {
			return a.IP.String()
		}
	}
	return "127.0.0.1"
}

// storeHint is the address of the store, to find the way out by.
func storeHint(c config.Store) string {
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" {
		return ""
	}
	if u.Port() == "" {
		return net.JoinHostPort(u.Hostname(), "6379")
	}
	return u.Host
}
