package probe

import (
	"cmp"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"time"

	"github.com/gosnmp/gosnmp"

	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/unit"
)

// Limits of a device's polls.
const (
	DefaultPort    = 161
	MinInterval    = time.Second // between two queries
	DefaultTimeout = 2 * time.Second
)

// Secret is a password, which is not printed.
type Secret string

// String hides the secret.
func (Secret) String() string { return "(hidden)" }

// GoString hides it too.
func (Secret) GoString() string { return "(hidden)" }

// LogValue hides it in logs.
func (Secret) LogValue() slog.Value { return slog.StringValue("(hidden)") }

// Device is a switch or router with interfaces at one or more links.
type Device struct {
	Host     string // name or address
	Port     int    // DefaultPort if 0
	Interval time.Duration
	Timeout  time.Duration // of a query; DefaultTimeout if 0

	// Community is that of SNMP v2c. If it is empty, User is asked with v3.
	Community Secret
	User      User
	Links     []Link
}

// User is a user of SNMP v3, with authentication and privacy.
type User struct {
	Name string
	// Auth is SHA-256 (the default), SHA-512 or SHA; Privacy AES (the default) or
	// AES-256.
	Auth, Privacy                 string
	AuthPassword, PrivacyPassword Secret
}

var authProtocols = map[string]gosnmp.SnmpV3AuthProtocol{
	"": gosnmp.SHA256, "SHA-256": gosnmp.SHA256, "SHA-512": gosnmp.SHA512, "SHA": gosnmp.SHA,
}

var privacyProtocols = map[string]gosnmp.SnmpV3PrivProtocol{"": gosnmp.AES, "AES": gosnmp.AES, "AES-256": gosnmp.AES256}

// Link is an interface of a device at a link, by one of its name (ifName, such
// as "ge-0/0/1"), its alias (ifAlias, the description that operators give) or its
// index (ifIndex, which may change when the device restarts).
type Link struct {
	Name, Alias string
	Index       int
	bandwidth.MeterConfig
}

// String names the interface.
func (l Link) String() string {
	switch {
	case l.Name != "":
		return "interface " + l.Name
	case l.Alias != "":
		return "interface with the alias " + strconv.Quote(l.Alias)
	}
	return "interface " + strconv.Itoa(l.Index)
}

// withDefaults fills in what is zero.
func (d Device) withDefaults() Device {
	if d.Port == 0 {
		d.Port = DefaultPort
	}
	if d.Timeout == 0 {
		d.Timeout = DefaultTimeout
	}
	d.Interval = max(d.Interval, MinInterval)
	return d
}

// String names the device.
func (d Device) String() string {
	return "device " + net.JoinHostPort(d.Host, strconv.Itoa(cmp.Or(d.Port, DefaultPort)))
}

// Check says what is wrong with a device's configuration, for the operator.
func (d Device) Check() error {
	switch {
	case d.Host == "":
		return fmt.Errorf("a device needs a host, a name or an address")
	case d.Port < 0 || d.Port > 65535:
		return fmt.Errorf("device %s: there is no port %d", d.Host, d.Port)
	case d.Interval < 0 || d.Timeout < 0:
		return fmt.Errorf("device %s: interval and timeout cannot be negative", d.Host)
	case d.Community != "" && d.User.Name != "":
		return fmt.Errorf("device %s has a community and a user: set the community for SNMP v2c, or the user for v3", d.Host)
	case d.Community == "":
		if err := d.User.check(); err != nil {
			return fmt.Errorf("device %s: %w", d.Host, err)
		}
	}
	seen := map[unit.Location]bool{}
	for _, l := range d.Links {
		if err := l.check(); err != nil {
			return fmt.Errorf("device %s: link of %s: %w", d.Host, l.Link, err)
		}
		if seen[l.Link] {
			return fmt.Errorf("device %s: two interfaces are configured for the link of %s", d.Host, l.Link)
		}
		seen[l.Link] = true
	}
	return nil
}

func (u User) check() error {
	if u.Name == "" {
		return fmt.Errorf("neither community nor user is set: set the community for SNMP v2c, or the user for v3")
	}
	if _, ok := authProtocols[u.Auth]; !ok {
		return fmt.Errorf("user %s: there is no authentication %q: SHA-256, SHA-512 or SHA", u.Name, u.Auth)
	}
	if _, ok := privacyProtocols[u.Privacy]; !ok {
		return fmt.Errorf("user %s: there is no privacy %q: AES or AES-256", u.Name, u.Privacy)
	}
	const shortest = 8 // of RFC 3414
	if len(u.AuthPassword) < shortest || len(u.PrivacyPassword) < shortest {
		return fmt.Errorf("user %s: both passwords, for authentication and for privacy, need at least %d characters", u.Name, shortest)
	}
	return nil
}

func (l Link) check() error {
	n := 0
	for _, set := range []bool{l.Name != "", l.Alias != "", l.Index != 0} {
		if set {
			n++
		}
	}
	if n != 1 || l.Index < 0 {
		return fmt.Errorf("set one of the interface's name, alias and index")
	}
	return nil
}
