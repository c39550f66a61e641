package config

import (
	"os"
	"time"

	"github.com/rackswarm/rackswarm/agent/internal/hook"
	"github.com/rackswarm/rackswarm/agent/internal/links"
	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/node"
	"github.com/rackswarm/rackswarm/core/unit"
)

// DefaultFile is where the configuration is looked for.
const DefaultFile = "/etc/rackswarm/agent.yaml"

// DefaultSocket is where an agent listens for commands on its own machine.
const DefaultSocket = "/run/rackswarm/agent.sock"

// Config is an agent's configuration. One that Load returned is valid: paths
// are absolute, roots are directories, keys and certificates can be read.
type Config struct {
	Node     Node
	StateDir string
	Roots    []string // destinations must lie in one of these directories
	Data     Data
	API      API
	TLS      TLS
	Store    Store
	Publish  Publish
	Trust    []string // files of trusted publishers' public keys
	Limits   Limits
	// Reserve is the part of each link that stays free, unless Links says otherwise.
	Reserve bandwidth.Part
	// Links are the uplinks of locations whose capacity is known, of the fleet.
	Links map[unit.Location]links.Link
	// Devices tell how much of links is used, by name.
	Devices map[string]Device
	Host    HostLink
	Impact  Impact
	Foreign Foreign
	Storage Storage
	// Hooks are the commands that distributions may have run around a switch.
	Hooks hook.Set
	// Databases are the instances on this node, by name.
	Databases map[string]Database
	// Drivers is the catalogue of the programs that know databases, as sha256sum
	// writes it; "" for none.
	Drivers string
	// Strategy is how transfers are done, to be changed for measurements only.
	Strategy node.Strategy
	// Trace is a file that gets a line for each event of the swarm, "" for none.
	Trace string
	// CheckInterval is how often installed content is looked at for changes.
	CheckInterval time.Duration

	// Notes are what is allowed but worth knowing, such as TLS switched off.
	Notes []string

	origin map[string]string // where a setting came from, by key; absent for a default
}

// Node is who this agent is in the fleet.
type Node struct {
	Name     unit.NodeID
	Location unit.Location
	Labels   map[string]string
}

// Endpoint is an address to listen on, host:port with an optional host, and the
// one that others are told: a host with or without a port, "" to find it out
// from Listen.
type Endpoint struct {
	Listen    string
	Advertise string
}

// Data is where other agents fetch from. Datagrams has announcements go by UDP as
// well, at the port of Listen.
type Data struct {
	Endpoint
	Datagrams bool
}

// API is where commands are answered: on a unix socket, and over mutual TLS if
// Listen is set.
type API struct {
	Socket string
	Endpoint
}

// TLS is this node's certificate. Disabled, agents talk in the clear and believe
// each other's names.
type TLS struct {
	Enabled       bool
	CA, Cert, Key string
}

// Store is the coordination store: a Redis at URL, or one inside this agent.
type Store struct {
	URL          string
	Prefix       string // of every key
	Username     string
	PasswordFile string
	TLS          bool // with the node's certificate; embedded: ask clients for theirs
	Embedded     bool
	Listen       string // of an embedded store
}

// Publish is what the agent needs to publish content.
type Publish struct {
	Key string // file of the ed25519 private key; "" if this agent does not publish
	// Roots are directories below which other nodes may have paths published.
	Roots []string
	// CAFile holds authorities, beside the system's, for the servers of https URLs.
	CAFile string
}

// Limits bound the agent's traffic.
type Limits struct {
	Download unit.Rate
	Upload   unit.Rate
}

// Storage bounds what the agent keeps on disk.
type Storage struct {
	Quota unit.Bytes // of everything that rackswarm holds on this node; 0 is no limit
}

// Default is the configuration of an empty file. It is not valid, as it has no
// roots, certificate and store.
func Default() Config {
	host, err := os.Hostname()
	if err != nil {
		host = "" // node.name is then missing, and Validate says so
	}
	return Config{
		Node:          Node{Name: unit.NodeID(host)},
		StateDir:      "/var/lib/rackswarm",
		Data:          Data{Endpoint: Endpoint{Listen: ":7420"}, Datagrams: true},
		API:           API{Socket: DefaultSocket},
		TLS:           TLS{Enabled: true},
		Store:         Store{Prefix: "rackswarm"},
		Limits:        Limits{Download: unit.Unlimited, Upload: unit.Unlimited},
		Reserve:       bandwidth.DefaultReserve,
		Impact:        Impact{Uplink: 1, Host: bandwidth.DefaultImpact()},
		Drivers:       defaultDrivers(),
		Strategy:      node.DefaultStrategy(),
		CheckInterval: 10 * time.Second,
	}
}
