package rackswarm

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"time"

	"github.com/rackswarm/rackswarm/core/scenario"
)

// store is the coordination store, on a host of its own at the root of the
// network.
type store interface {
	start(ctx context.Context) error
	// settings are those by which an agent finds the store.
	settings(a *agent) section
	kill(ctx context.Context) error
	restart(ctx context.Context) error
	// watch counts operations until ctx ends; operations tells how many there were,
	// and the most in a second.
	watch(ctx context.Context)
	operations(ctx context.Context) (total int64, peak float64)
	close() error
}

// Ports on the store's host. An agent that keeps an embedded store uses
// redisPort as well.
const (
	redisPort    = 6379
	masterPort   = 6380 // behind a follower of Sentinel, the replica is next
	sentinelPort = 26379
)

// clusterMasters is how many masters a Cluster has: the fewest that make one.
const clusterMasters = 3

func (f *Fleet) newStore() (store, error) {
	dir := func(n int) string { return filepath.Join(f.opts.Dir, fmt.Sprintf("store-%d", n)) }
	host := f.opts.Network.Store()
	server := func(port int, args ...string) *redisServer {
		return &redisServer{host: host, port: port, dir: dir(port), args: args}
	}
	url := "redis://" + net.JoinHostPort(host.Address.String(), strconv.Itoa(redisPort))
	switch kind := f.opts.Scenario.Store; kind {
	case scenario.Redis:
		return &redisStore{url: url, servers: []*redisServer{server(redisPort)}}, nil
	case scenario.RedisTLS:
		s := server(redisPort, "--tls-auth-clients", "yes", "--tls-ca-cert-file", f.pkiFile("ca.crt"),
			"--tls-cert-file", f.pkiFile(storeName+".crt"), "--tls-key-file", f.pkiFile(storeName+".key"))
		s.tls = true
		s.credentials = f.pkiFile
		return &redisStore{url: "rediss" + url[len("redis"):], tls: true, servers: []*redisServer{s}}, nil
	case scenario.Cluster:
		c := &cluster{redisStore{url: url}}
		for i := range clusterMasters {
			c.servers = append(c.servers, server(redisPort+i, "--cluster-enabled", "yes", "--cluster-port", strconv.Itoa(redisPort+1000+i)))
			if i > 0 {
				c.url += fmt.Sprintf("%caddr=%s", "?&"[min(i, 2)-1], c.servers[i].address())
			}
		}
		return c, nil
	case scenario.Sentinel:
		return newSentinel(url, server), nil
	case scenario.Embedded:
		return newEmbedded(f), nil
	default:
		return nil, fmt.Errorf("there is no store %q", kind)
	}
}

// redisStore is one Redis, or several that the agents know by one URL.
type redisStore struct {
	url     string
	tls     bool
	servers []*redisServer
	counted operations
}

func (s *redisStore) start(ctx context.Context) error {
	for _, r := range s.servers {
		if err := r.start(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (s *redisStore) settings(*agent) section { return section{"url": s.url, "tls": s.tls} }

// kill ends all servers: the store is gone.
func (s *redisStore) kill(context.Context) error {
	for _, r := range s.servers {
		r.kill()
	}
	return nil
}

func (s *redisStore) restart(ctx context.Context) error {
	for _, r := range s.servers {
		if r.process.Running() {
			continue
		}
		if err := r.start(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (s *redisStore) close() error {
	for _, r := range s.servers {
		r.close()
	}
	return nil
}

func (s *redisStore) watch(ctx context.Context) {
	s.counted.begin(ctx, s.servers)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.counted.look(ctx, s.servers)
		}
	}
}

func (s *redisStore) operations(ctx context.Context) (int64, float64) {
	s.counted.look(ctx, s.servers)
	return s.counted.total, s.counted.peak
}
