package config

import (
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rackswarm/rackswarm/agent/internal/hook"
	"github.com/rackswarm/rackswarm/agent/internal/links"
	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/swarm"
	"github.com/rackswarm/rackswarm/core/unit"
)

// kind is the form in which a setting is written.
type kind int

const (
	kindText kind = iota
	kindBool
	kindList   // of texts; in a variable separated by commas
	kindLabels // text to text; in a variable key=value, separated by commas
	kindHooks  // name to command; in a variable YAML as in the file
	kindDatabases
	kindLinks
	kindDevices
)

func (k kind) String() string {
	return [...]string{"a text", "true or false", "a list of texts", "a mapping of texts", "a mapping of hooks", "a mapping of databases", "a mapping of links", "a mapping of devices"}[k]
}

// raw is a value as it was written; which field is set follows from the kind.
type raw struct {
	text      string
	flag      bool
	list      []string
	labels    map[string]string
	hooks     hook.Set
	databases map[string]Database
	links     map[unit.Location]links.Link
	devices   map[string]Device
}

// setting is one key of the configuration.
type setting struct {
	key  string // such as "node.name"
	kind kind
	fix  string // what to write
	set  func(*Config, raw) error
	show func(*Config) string // never a secret
}

// settings are all there are, in the order in which they are shown.
var settings = []setting{
	parsed("node.name", "write 1 to 128 letters, digits, '.', '_' and '-', as in the node's certificate", func(c *Config) *unit.NodeID { return &c.Node.Name }, unit.ParseNodeID),
	parsed("node.location", "write the way from the root down, such as ams1/rsn-27", func(c *Config) *unit.Location { return &c.Node.Location }, unit.ParseLocation),
	labels("node.labels", func(c *Config) *map[string]string { return &c.Node.Labels }),
	text("state_dir", func(c *Config) *string { return &c.StateDir }),
	list("roots", func(c *Config) *[]string { return &c.Roots }),
	text("data.listen", func(c *Config) *string { return &c.Data.Listen }),
	text("data.advertise", func(c *Config) *string { return &c.Data.Advertise }),
	flag("data.datagrams", func(c *Config) *bool { return &c.Data.Datagrams }),
	prefixes("foreign.accept", func(c *Config) *[]netip.Prefix { return &c.Foreign.Accept }),
	list("foreign.peers", func(c *Config) *[]string { return &c.Foreign.Peers }),
	text("api.socket", func(c *Config) *string { return &c.API.Socket }),
	text("api.listen", func(c *Config) *string { return &c.API.Listen }),
	text("api.advertise", func(c *Config) *string { return &c.API.Advertise }),
	flag("tls.enabled", func(c *Config) *bool { return &c.TLS.Enabled }),
	text("tls.ca", func(c *Config) *string { return &c.TLS.CA }),
	text("tls.cert", func(c *Config) *string { return &c.TLS.Cert }),
	text("tls.key", func(c *Config) *string { return &c.TLS.Key }),
	storeURL(),
	text("store.prefix", func(c *Config) *string { return &c.Store.Prefix }),
	text("store.username", func(c *Config) *string { return &c.Store.Username }),
	text("store.password_file", func(c *Config) *string { return &c.Store.PasswordFile }),
	flag("store.tls", func(c *Config) *bool { return &c.Store.TLS }),
	flag("store.embedded", func(c *Config) *bool { return &c.Store.Embedded }),
	text("store.listen", func(c *Config) *string { return &c.Store.Listen }),
	text("publish.key", func(c *Config) *string { return &c.Publish.Key }),
	list("publish.roots", func(c *Config) *[]string { return &c.Publish.Roots }),
	text("publish.ca_file", func(c *Config) *string { return &c.Publish.CAFile }),
	list("trust", func(c *Config) *[]string { return &c.Trust }),
	parsed("limits.download", rateFix, func(c *Config) *unit.Rate { return &c.Limits.Download }, parseRate),
	parsed("limits.upload", rateFix, func(c *Config) *unit.Rate { return &c.Limits.Upload }, parseRate),
	part("reserve", reserveFix, func(c *Config) *bandwidth.Part { return &c.Reserve }),
	declared(),
	devices(),
	text("host.interface", func(c *Config) *string { return &c.Host.Interface }),
	hostRate("host.up", func(c *Config) *unit.Rate { return &c.Host.Up }),
	hostRate("host.down", func(c *Config) *unit.Rate { return &c.Host.Down }),
	hostReserve(),
	part("impact.uplink", ceilingFix, func(c *Config) *bandwidth.Part { return &c.Impact.Uplink }),
	part("impact.cpu_idle", cpuIdleFix, func(c *Config) *bandwidth.Part { return &c.Impact.Host.CPUIdle }),
	part("impact.io_idle", ioIdleFix, func(c *Config) *bandwidth.Part { return &c.Impact.Host.Unstalled }),
	diskLatency(),
	quota(),
	hooks(),
	databases(),
	text("drivers", func(c *Config) *string { return &c.Drivers }),
	text("trace", func(c *Config) *string { return &c.Trace }),
	flag("strategy.overlay", func(c *Config) *bool { return &c.Strategy.Overlay }),
	flag("strategy.division", func(c *Config) *bool { return &c.Strategy.Division }),
	flag("strategy.stealing", func(c *Config) *bool { return &c.Strategy.Stealing }),
	flag("strategy.low_latency", func(c *Config) *bool { return &c.Strategy.LowLatency }),
	parsed("strategy.picker", "write stealing, or leave it out", func(c *Config) *swarm.Picker { return &c.Strategy.Picker }, swarm.ParsePicker),
	parsed("check_interval", "write a number and a unit, such as 10s or 5m", func(c *Config) *time.Duration { return &c.CheckInterval }, parseInterval),
}

const quotaFix = "write for example 200GB or 1TiB, or 0 for no limit"

const rateFix = "write for example 2Gbit, 100MiB/s or unlimited"

// parseRate reads a rate. A number alone is bytes for programs, but lines are sold in
// bits.
func parseRate(text string) (unit.Rate, error) {
	r, err := unit.ParseRate(text)
	if err == nil && unit.WithoutUnit(text) {
		err = fmt.Errorf("%s of what?", text)
	}
	return r, err
}

// quota is a setting whose zero is no limit.
func quota() setting {
	s := parsed("storage.quota", quotaFix, func(c *Config) *unit.Bytes { return &c.Storage.Quota }, unit.ParseBytes)
	s.show = func(c *Config) string {
		if c.Storage.Quota == 0 {
			return "no quota"
		}
		return c.Storage.Quota.String()
	}
	return s
}

func text(key string, at func(*Config) *string) setting {
	return setting{key, kindText, "", func(c *Config, r raw) error {
		*at(c) = r.text
		return nil
	}, func(c *Config) string { return *at(c) }}
}

func flag(key string, at func(*Config) *bool) setting {
	return setting{key, kindBool, "", func(c *Config, r raw) error {
		*at(c) = r.flag
		return nil
	}, func(c *Config) string { return strconv.FormatBool(*at(c)) }}
}

func list(key string, at func(*Config) *[]string) setting {
	return setting{key, kindList, "", func(c *Config, r raw) error {
		*at(c) = r.list
		return nil
	}, func(c *Config) string { return strings.Join(*at(c), ",") }}
}

func labels(key string, at func(*Config) *map[string]string) setting {
	return setting{key, kindLabels, "", func(c *Config, r raw) error {
		*at(c) = r.labels
		return nil
	}, func(c *Config) string { return joinLabels(*at(c)) }}
}

func parsed[T any](key, fix string, at func(*Config) *T, parse func(string) (T, error)) setting {
	return setting{key, kindText, fix, func(c *Config, r raw) error {
		v, err := parse(r.text)
		if err != nil {
			return err
		}
		*at(c) = v
		return nil
	}, func(c *Config) string { return fmt.Sprint(*at(c)) }}
}

// storeURL is the one setting that may hold a password.
func storeURL() setting {
	s := text("store.url", func(c *Config) *string { return &c.Store.URL })
	s.show = func(c *Config) string { return redact(c.Store.URL) }
	return s
}

// redact hides the password of a URL, and everything of what is not one.
func redact(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return "(not a URL)"
	}
	if u.RawQuery != "" { // clients take passwords there as well
		u.RawQuery = "xxxxx"
	}
	if u.Opaque != "" {
		u.Opaque = "xxxxx"
	}
	return u.Redacted()
}

func parseInterval(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf("%q is not a duration", s)
	}
	return d, nil
}

// find returns the setting of a key.
func find(key string) (setting, bool) {
	i := slices.IndexFunc(settings, func(s setting) bool { return s.key == key })
	if i < 0 {
		return setting{}, false
	}
	return settings[i], true
}

// isSection reports whether settings lie below the key.
func isSection(key string) bool {
	return slices.ContainsFunc(settings, func(s setting) bool { return strings.HasPrefix(s.key, key+".") })
}

// variable is the name of the environment variable that overrides the setting.
func (s setting) variable() string {
	return variablePrefix + strings.ToUpper(strings.ReplaceAll(s.key, ".", "_"))
}

func joinLabels(m map[string]string) string {
	var pairs []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		pairs = append(pairs, k+"="+m[k])
	}
	return strings.Join(pairs, ",")
}
