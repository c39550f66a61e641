package store

import (
	"crypto/tls"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/rackswarm/rackswarm/core/api"
)

// DefaultPrefix starts every key when Config names no other.
const DefaultPrefix = "rackswarm"

// The store must answer quickly or count as gone: the data path does not wait
// for it (requirement 30).
const (
	dialTimeout = 2 * time.Second
	ioTimeout   = 3 * time.Second
	poolSize    = 16
)

// Config says where Redis is and how to speak to it.
type Config struct {
	// URL is redis://[user:password@]host:port[/db], or rediss:// for TLS. With
	// ?addr=host:port (repeated) it names further nodes of a Cluster.
	URL string
	// Addrs replaces URL: one address is a single server, several are nodes of
	// a Cluster; with MasterName they are Sentinels.
	Addrs      []string
	MasterName string
	// Cluster says that Redis is a Cluster although only one node is named.
	Cluster bool
	// Username and Password win over those of URL.
	Username, Password string
	// SentinelUsername and SentinelPassword are for the Sentinels themselves.
	SentinelUsername, SentinelPassword string
	// Prefix starts every key and channel; "" is DefaultPrefix. Fleets with
	// different prefixes can share a server.
	Prefix string
	// TLS, if not nil, is used whatever the scheme of URL is.
	TLS *tls.Config
}

func (c Config) prefix() (string, error) {
	if c.Prefix == "" {
		return DefaultPrefix, nil
	}
	if i := strings.IndexFunc(c.Prefix, func(r rune) bool { return !strings.ContainsRune(prefixRunes, r) }); i >= 0 {
		return "", &api.Error{
			Code: api.CodeInvalid, Subject: "store.prefix",
			Message: fmt.Sprintf("%q contains %q", c.Prefix, c.Prefix[i:i+1]),
			Fix:     "use letters, digits, '.', '_', '-', ':' and '/'",
		}
	}
	return c.Prefix, nil
}

const prefixRunes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-:/"

// options translates c for go-redis.
func (c Config) options() (*redis.UniversalOptions, error) {
	o := &redis.UniversalOptions{}
	switch {
	case c.URL != "" && len(c.Addrs) > 0:
		return nil, invalidURL("both an URL and addresses are given", "keep one of the two")
	case c.URL != "":
		if err := readURL(c.URL, o); err != nil {
			return nil, err
		}
	case len(c.Addrs) > 0:
		o.Addrs = c.Addrs
	default:
		return nil, invalidURL("is empty", "write for example redis://redis.example.net:6379")
	}
	c.override(o)
	limits(o)
	return o, nil
}

// override sets what c says beside the URL.
func (c Config) override(o *redis.UniversalOptions) {
	o.MasterName = c.MasterName
	o.IsClusterMode = o.IsClusterMode || c.Cluster
	o.SentinelUsername, o.SentinelPassword = c.SentinelUsername, c.SentinelPassword
	if c.Username != "" {
		o.Username = c.Username
	}
	if c.Password != "" {
		o.Password = c.Password
	}
	if c.TLS != nil {
		o.TLSConfig = c.TLS
	}
}

// limits bounds time and connections, and keeps the client from sending
// commands that an ACL or an older server refuses.
func limits(o *redis.UniversalOptions) {
	o.DialTimeout, o.DialerRetries = dialTimeout, 1
	o.ReadTimeout, o.WriteTimeout = ioTimeout, ioTimeout
	o.PoolTimeout = ioTimeout + time.Second
	o.PoolSize, o.MaxActiveConns = poolSize, poolSize
	o.PipelinePoolSize = -1
	o.MaxRetries = 2
	o.ContextTimeoutEnabled = true
	o.Protocol = 2
	o.DisableIdentity = true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
}

// readURL fills in addresses, credentials, database and TLS.
func readURL(raw string, o *redis.UniversalOptions) error {
	u, err := url.Parse(raw)
	if err != nil {
		return invalidURL("does not parse", "write for example redis://redis.example.net:6379")
	}
	if u.Query().Has("addr") {
		return readClusterURL(raw, o)
	}
	p, err := redis.ParseURL(raw)
	if err != nil {
		return invalidURL(strings.TrimPrefix(err.Error(), "redis: "), "write redis://host:port, or rediss://host:port for TLS")
	}
	o.Addrs, o.DB = []string{p.Addr}, p.DB
	o.Username, o.Password, o.TLSConfig = p.Username, p.Password, p.TLSConfig
	return nil
}

func readClusterURL(raw string, o *redis.UniversalOptions) error {
	p, err := redis.ParseClusterURL(raw)
	if err != nil {
		return invalidURL(strings.TrimPrefix(err.Error(), "redis: "), "write redis://host:port?addr=host:port for a Cluster")
	}
	o.Addrs, o.IsClusterMode = p.Addrs, true
	o.Username, o.Password, o.TLSConfig = p.Username, p.Password, p.TLSConfig
	return nil
}

func invalidURL(message, fix string) error {
	return &api.Error{Code: api.CodeInvalid, Subject: "store.url", Message: message, Fix: fix}
}
