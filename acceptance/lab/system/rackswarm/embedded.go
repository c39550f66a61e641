package rackswarm

import (
	"context"
	"net"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/rackswarm/rackswarm/core/topo"
	"github.com/rackswarm/rackswarm/core/unit"
)

// embedded is a store in an agent on the store's host, which is a node of the
// fleet and takes no part in the transfer.
type embedded struct {
	agent *agent
	tls   bool
}

func newEmbedded(f *Fleet) *embedded {
	a := &agent{
		fleet: f, host: f.opts.Network.Store(), name: storeName, role: keeper, location: unit.Root,
		dir: filepath.Join(f.opts.Dir, storeName), limit: topo.Unlimited,
	}
	return &embedded{a, f.opts.Scenario.TLS}
}

func (e *embedded) address() string {
	return net.JoinHostPort(e.agent.host.Address.String(), strconv.Itoa(redisPort))
}

func (e *embedded) settings(a *agent) section {
	if a == e.agent {
		return section{"embedded": true, "listen": e.address(), "tls": e.tls}
	}
	if e.tls {
		return section{"url": "rediss://" + e.address(), "tls": true}
	}
	return section{"url": "redis://" + e.address()}
}

func (e *embedded) start(context.Context) error {
	if err := e.agent.prepare(); err != nil {
		return err
	}
	return e.agent.start()
}

func (e *embedded) kill(context.Context) error    { return e.agent.end(syscall.SIGKILL) }
func (e *embedded) restart(context.Context) error { return e.agent.start() }
func (e *embedded) close() error                  { return e.agent.end(syscall.SIGKILL) }

// watch does nothing: an embedded store counts nothing.
func (e *embedded) watch(context.Context)                       {}
func (e *embedded) operations(context.Context) (int64, float64) { return 0, 0 }
