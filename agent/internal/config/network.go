package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/rackswarm/rackswarm/core/api"
)

// maxSocketPath is what Linux allows in a socket's address.
const maxSocketPath = 107

func (v *validator) endpoints() {
	v.listen("data.listen", v.c.Data.Listen)
	v.advertise("data.advertise", v.c.Data.Advertise)
	if v.absolute("api.socket", v.c.API.Socket) && len(v.c.API.Socket) > maxSocketPath {
		v.fail("api.socket", "choose a shorter path", "%d characters; a socket's path may have %d", len(v.c.API.Socket), maxSocketPath)
	}
	if v.c.API.Listen == "" {
		if v.c.API.Advertise != "" {
			v.fail("api.advertise", "set api.listen, or leave api.advertise out", "is set, but api.listen is not")
		}
		return
	}
	v.listen("api.listen", v.c.API.Listen)
	v.advertise("api.advertise", v.c.API.Advertise)
	if !v.c.TLS.Enabled {
		v.fail("api.listen", "set tls.enabled: true, or leave api.listen out and use api.socket", "the API is served over mutual TLS only, but tls.enabled is false")
	}
}

func (v *validator) listen(key, address string) {
	if _, _, err := splitAddress(address); err != nil {
		v.fail(key, "write host:port, [address]:port or :port, such as :7420", "%v", err)
	}
}

// advertise checks an address that others are to connect to; "" is none. Without
// a port, or with port 0, the port that is listened on is meant.
func (v *validator) advertise(key, address string) {
	if address == "" {
		return
	}
	host := address
	if h, _, err := splitAddress(address); err == nil {
		host = h
	} else if ip, err := netip.ParseAddr(address); strings.ContainsAny(address, ":/[] ") && (err != nil || ip.Is4()) {
		host = "" // neither with a port nor without
	}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		v.fail(key, "write a host or address that the other nodes reach, with or without a port", "%q is not an address that others can connect to", address)
	}
}

func splitAddress(address string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, fmt.Errorf("%q is not host:port", address)
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("%q: port %q is not a number up to 65535", address, text)
	}
	return host, int(n), nil
}

func (v *validator) store() {
	s := v.c.Store
	if s.Prefix == "" || strings.ContainsAny(s.Prefix, "{} \t\n*?[]") {
		v.fail("store.prefix", "write a word such as rackswarm", "%q cannot begin the names of keys", s.Prefix)
	}
	if s.TLS && !v.c.TLS.Enabled {
		v.fail("store.tls", "set tls.enabled: true, or store.tls: false", "needs the node's certificate, but tls.enabled is false")
	}
	if s.PasswordFile != "" {
		v.readable("store.password_file", s.PasswordFile, "write the password to it, readable for the agent's user only")
	}
	if s.Embedded {
		v.embedded()
		return
	}
	if s.Listen != "" {
		v.fail("store.listen", "set store.embedded: true, or leave store.listen out", "is for an embedded store, but store.embedded is false")
	}
	v.storeURL()
}

func (v *validator) embedded() {
	if v.c.Store.URL != "" {
		v.fail("store.url", "leave out store.url, or set store.embedded: false", "is set, but store.embedded is true: this agent would have two stores")
	}
	if v.c.Store.Listen != "" {
		v.listen("store.listen", v.c.Store.Listen)
		v.guarded(v.c.Store)
	}
	v.note("store.embedded is true: the fleet's coordination depends on this agent; meant for a first use and for tests")
}

// guarded refuses an embedded store that anybody on the network could write to:
// what it holds is what all nodes do. A fleet without TLS has chosen to trust the
// network.
func (v *validator) guarded(s Store) {
	host, _, err := splitAddress(s.Listen)
	if err != nil || !v.c.TLS.Enabled || s.TLS || s.PasswordFile != "" || isLoopback(host) {
		return
	}
	v.fail("store.listen", "set store.tls: true, which lets only nodes in, or store.password_file, or listen on 127.0.0.1",
		"at %q anybody on the network could command the fleet", s.Listen)
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// storeURL never repeats the URL, as it may hold a password.
func (v *validator) storeURL() {
	const fix = "write for example redis://10.0.0.5:6379/0, or rediss:// for TLS"
	if v.c.Store.URL == "" {
		v.fail("store.url", fix+"; for a first try set store.embedded: true on one agent", "not set")
		return
	}
	u, err := url.Parse(v.c.Store.URL)
	switch {
	case err != nil:
		v.fail("store.url", fix, "not a URL")
	case u.Scheme != "redis" && u.Scheme != "rediss":
		v.fail("store.url", fix, "scheme %q is not redis or rediss", u.Scheme)
	case u.Hostname() == "":
		v.fail("store.url", fix, "names no host")
	}
	if err == nil && u.User != nil {
		if _, ok := u.User.Password(); ok {
			v.note("store.url holds a password: store.password_file keeps it out of this file")
		}
	}
}

// Password is the first line of the password file, "" if there is no such file
// in the configuration.
func (s Store) Password() (string, error) {
	password, err := secretIn(s.PasswordFile)
	if err != nil {
		return "", &api.Error{Code: api.CodeIO, Subject: s.PasswordFile, Message: "store.password_file cannot be read: " + err.Error(), Fix: "check the path, and that the agent's user may read it"}
	}
	return password, nil
}
