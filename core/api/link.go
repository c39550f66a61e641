package api

import (
	"cmp"
	"fmt"
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

// Link is what an operator says of the link between a location and what is above
// it. It counts for the whole fleet, and more than what agents' files say.
type Link struct {
	Location string `json:"location"`
	// Up and Down are what the link carries out of the location and into it, in bytes
	// per second; nil leaves it to the configuration and to what the device tells.
	Up   *int64 `json:"up,omitempty"`
	Down *int64 `json:"down,omitempty"`
	// Reserve is the part of the capacity that stays free, from 0 to less than 1; nil
	// is that of the agents' configuration.
	Reserve *float64 `json:"reserve,omitempty"`
	// MaxUp and MaxDown are what the fleet may move over the link at most, on the wire,
	// whatever it carries; nil is no such ceiling.
	MaxUp   *int64    `json:"max_up,omitempty"`
	MaxDown *int64    `json:"max_down,omitempty"`
	By      string    `json:"by"`   // who set it; set by the server
	From    string    `json:"from"` // from where; set by the server
	At      time.Time `json:"at"`   // set by the server
}

// Validate checks what the user wrote. The error is an *Error.
func (l Link) Validate() error {
	if err := CheckLinkLocation(l.Location); err != nil {
		return err
	}
	switch {
	case l.SaysNothing():
		return invalid("up", "nothing is said of the link", "set up, down, reserve, max_up or max_down, or delete the link")
	case l.Reserve != nil && !(*l.Reserve >= 0 && *l.Reserve < 1):
		return invalid("reserve", fmt.Sprintf("%v is not a part of the capacity", *l.Reserve), "write a number from 0 to less than 1, such as 0.2")
	}
	return cmp.Or(
		checkLinkRate("up", l.Up, "a link of %d bytes per second carries nothing", "write what it carries in bytes per second"),
		checkLinkRate("down", l.Down, "a link of %d bytes per second carries nothing", "write what it carries in bytes per second"),
		checkLinkRate("max_up", l.MaxUp, "at most %d bytes per second is nothing", "leave it out for no ceiling"),
		checkLinkRate("max_down", l.MaxDown, "at most %d bytes per second is nothing", "leave it out for no ceiling"),
	)
}

// CheckLinkLocation checks the name of a location that is to have a link. The error is an
// *Error.
func CheckLinkLocation(name string) error {
	loc, err := unit.ParseLocation(name)
	switch {
	case err != nil:
		return invalid("location", err.Error(), "write the way from the root down, such as ams1/rsn-27")
	case loc == unit.Root:
		return invalid("location", "the root has no link: nothing is above it", "name a location below it, such as ams1")
	case string(loc) != name:
		return invalid("location", fmt.Sprintf("%q is not how the location is written", name), "write "+string(loc))
	}
	return nil
}

// SaysWhatItCarries reports whether l says anything of the link itself, and not only
// what the fleet may move over it.
func (l Link) SaysWhatItCarries() bool { return l.Up != nil || l.Down != nil || l.Reserve != nil }

// SaysNothing reports whether l says neither what the link carries, nor what the fleet
// may move over it.
func (l Link) SaysNothing() bool {
	return !l.SaysWhatItCarries() && l.MaxUp == nil && l.MaxDown == nil
}

// checkLinkRate refuses a rate that is no more than nothing.
func checkLinkRate(field string, n *int64, wrong, fix string) error {
	if n == nil || *n > 0 {
		return nil
	}
	return invalid(field, fmt.Sprintf(wrong, *n), fix+"; to keep everything from moving: rackswarm pause --all")
}

// LinkDirection is one direction of a link, in bytes per second on the wire.
type LinkDirection struct {
	Capacity int64  `json:"capacity"`         // 0 if it is not known, or is said to have no end
	Others   int64  `json:"others"`           // what others than the fleet use, as it was measured last
	Ours     int64  `json:"ours"`             // what the fleet moves
	Budget   *int64 `json:"budget,omitempty"` // what the fleet may move; nil is no limit
	Reason   string `json:"reason"`           // what sets the budget
	Why      string `json:"why"`              // the same in words
}

// Allowed is the budget, unit.Unlimited if there is none.
func (d LinkDirection) Allowed() unit.Rate {
	if d.Budget == nil {
		return unit.Unlimited
	}
	return unit.Rate(*d.Budget)
}

// BudgetOf is r as a LinkDirection has it. Unlimited is no number that all readers of
// JSON could keep.
func BudgetOf(r unit.Rate) *int64 {
	if r == unit.Unlimited {
		return nil
	}
	return new(int64(r))
}

// LinkWarning is what is wrong with a link's readings, or with what is said of it.
type LinkWarning struct {
	Fault   string `json:"fault"`
	Message string `json:"message"`
}

// LinkStatus is what is known of a link that somebody declared.
type LinkStatus struct {
	Location string `json:"location"`
	Declared *Link  `json:"declared,omitempty"` // by this interface
	// Source is who measures the link, "" for nobody: then its capacity counts alone.
	Source string `json:"source,omitempty"`
	Node   string `json:"node,omitempty"` // that asks the source
	// Measured: the use by others was measured, Age ago (in seconds).
	Measured bool          `json:"measured"`
	Age      float64       `json:"age"`
	Up       LinkDirection `json:"up"`
	Down     LinkDirection `json:"down"`
	// Reserve is the part of the capacity that stays free, from 0 to less than 1: the
	// link's own, or that of the asked node's configuration.
	Reserve  float64       `json:"reserve"`
	Users    int           `json:"users"` // nodes that move something over it
	Warnings []LinkWarning `json:"warnings"`
}

// LinkList answers GET /v1/links, sorted by location.
type LinkList struct {
	Links []LinkStatus `json:"links"`
	// Host is the own link of the node that was asked.
	Host *HostLink `json:"host,omitempty"`
	// StoreDown says that this is what the asked node knew last.
	StoreDown bool `json:"store_down,omitempty"`
}
