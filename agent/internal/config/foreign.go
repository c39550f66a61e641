package config

import (
	"fmt"
	"net/netip"
	"strings"
)

// Foreign are other BitTorrent clients that may take part, in plain TCP and
// unencrypted. They can read everything that this agent serves; what they send is
// verified.
type Foreign struct {
	Accept []netip.Prefix // who may connect; nobody if empty
	Peers  []string       // host:port that the agent connects to in every transfer
}

// prefixes is a list of addresses and of networks.
func prefixes(key string, at func(*Config) *[]netip.Prefix) setting {
	const fix = "write networks such as 10.1.0.0/16 or 2001:db8::/32, or single addresses"
	return setting{key, kindList, fix, func(c *Config, r raw) error {
		list := make([]netip.Prefix, len(r.list))
		for i, text := range r.list {
			p, err := parsePrefix(text)
			if err != nil {
				return err
			}
			list[i] = p
		}
		*at(c) = list
		return nil
	}, func(c *Config) string {
		var texts []string
		for _, p := range *at(c) {
			texts = append(texts, p.String())
		}
		return strings.Join(texts, ",")
	}}
}

func parsePrefix(text string) (netip.Prefix, error) {
	if ip, err := netip.ParseAddr(text); err == nil && ip.Zone() == "" {
		return netip.PrefixFrom(ip.Unmap(), ip.Unmap().BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return p, fmt.Errorf("%q is neither a network nor an address", text)
	}
	if p != p.Masked() {
		return p, fmt.Errorf("%q has bits set beyond its length: did you mean %s?", text, p.Masked())
	}
	return p, nil
}

func (v *validator) foreign() {
	f := v.c.Foreign
	for _, p := range f.Peers {
		if host, port, err := splitAddress(p); err != nil || host == "" || port == 0 {
			v.fail("foreign.peers", "write host:port of each client, such as 10.1.0.9:51413", "%q is not host:port", p)
		}
	}
	for _, p := range f.Accept {
		if p.Bits() == 0 {
			v.fail("foreign.accept", "name the networks or addresses of the clients", "%s is everybody: whoever knows an info-hash could read the content", p)
		}
	}
	if len(f.Accept)+len(f.Peers) > 0 {
		v.note("foreign is set: clients at these addresses take part unencrypted and prove no name, and can read what this agent serves")
	}
}
