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
	// Answered says that these agents have answered the caller before, so that a
	// watch outlasts their failures from its start on; see Watch.
	Answered bool
}

// Client calls agents. It is safe for concurrent use.
type Client struct {
	endpoints []endpoint
	// good is the index of the endpoint that answered last, tried first.
	good atomic.Int32
	// answered is set once a call has succeeded.
	answered atomic.Bool
}

// New checks the endpoints. It does not connect yet.
func New(cfg Config) (*Client, error) {
	names := cfg.Endpoints
	if len(names) == 0 {
		names = []string{DefaultEndpoint}
	}
	c := &Client{}
	c.answered.Store(cfg.Answered)
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
