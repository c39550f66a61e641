package client

import (
	"crypto/tls"
	"sync/atomic"

	"github.com/rackswarm/rackswarm/core/api"
)

// DefaultEndpoint is the socket of the agent on this machine.
const DefaultEndpoint = "unix:///run/rackswarm/agent.sock"

// Config says where agents answer.
type Config struct {
	// Endpoints are tried in order until one answers: "unix:///path" or
	// "https://host:port". None means DefaultEndpoint.
	Endpoints []string
	// TLS is needed for https endpoints only; see LoadTLS.
	TLS *tls.Config
}

// Client calls agents. It is safe for concurrent use.
type Client struct {
	endpoints []endpoint
	// good is the index of the endpoint that answered last, tried first.
	good atomic.Int32
}

// New checks the endpoints. It does not connect yet.
func New(cfg Config) (*Client, error) {
	names := cfg.Endpoints
	if len(names) == 0 {
		names = []string{DefaultEndpoint}
	}
	c := &Client{}
	for _, name := range names {
		e, err := parseEndpoint(name, cfg.TLS)
		if err != nil {
			return nil, err
		}
		c.endpoints = append(c.endpoints, e)
	}
	return c, nil
}

// Close drops idle connections. The client stays usable.
func (c *Client) Close() {
	for _, e := range c.endpoints {
		e.http.CloseIdleConnections()
	}
}

// IsNotFound reports whether err says that there is no such object.
func IsNotFound(err error) bool { return hasCode(err, api.CodeNotFound) }
