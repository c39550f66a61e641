package config

import (
	"errors"
	"fmt"
	"net"

	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/unit"
)

// HostLink is this node's own link.
type HostLink struct {
	// Interface is the network interface; "" is the one that has the node's address,
	// or else that of the default route.
	Interface string
	// Up and Down are what the link carries; 0 is the interface's speed.
	Up, Down unit.Rate
	// Reserve is the part of it that stays free; nil is that of all links.
	Reserve *bandwidth.Part
}

// HostPolicy says how much of the node's own link may be used.
func (c *Config) HostPolicy() bandwidth.Policy {
	p := c.LinkPolicy()
	if c.Host.Reserve != nil {
		p.Reserve = *c.Host.Reserve
	}
	return p
}

// LinkPolicy says how much may be used of links of which nothing else is said.
func (c *Config) LinkPolicy() bandwidth.Policy {
	p := bandwidth.DefaultPolicy()
	p.Reserve, p.Ceiling = c.Reserve, c.Impact.Uplink
	return p
}

const (
	hostRateFix    = `write for example 1Gbit, unlimited to leave the link out of account, or "" for the interface's speed`
	hostReserveFix = `write a part of the link such as 10%, 0% for none, or "" for that of all links`
)

// hostRate is what the node's own link carries in a direction.
func hostRate(key string, at func(*Config) *unit.Rate) setting {
	return setting{key, kindText, hostRateFix, func(c *Config, r raw) (err error) {
		if *at(c) = 0; r.text != "" {
			*at(c), err = parseCapacity(r.text)
		}
		return err
	}, func(c *Config) string {
		if *at(c) == 0 {
			return ""
		}
		return at(c).String()
	}}
}

func hostReserve() setting {
	return setting{"host.reserve", kindText, hostReserveFix, func(c *Config, r raw) error {
		if c.Host.Reserve = nil; r.text == "" {
			return nil
		}
		reserve, err := bandwidth.ParsePart(r.text)
		if err == nil && reserve == 1 {
			err = errors.New("100% would leave nothing to this node")
		}
		c.Host.Reserve = &reserve
		return err
	}, func(c *Config) string {
		if c.Host.Reserve == nil {
			return ""
		}
		return c.Host.Reserve.String()
	}}
}

// hostLink notes what may be meant otherwise.
func (v *validator) hostLink() {
	if name := v.c.Host.Interface; name != "" {
		if _, err := net.InterfaceByName(name); err != nil {
			v.note(fmt.Sprintf("host.interface: there is no network interface %s now", name))
		}
	}
}
