package rackswarm

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/rackswarm/rackswarm/acceptance/child"
	"github.com/rackswarm/rackswarm/acceptance/lab/network"
	"github.com/rackswarm/rackswarm/acceptance/lab/system"
	"github.com/rackswarm/rackswarm/acceptance/wait"
)

// redisBinary is Debian's Redis server.
const redisBinary = "/usr/bin/redis-server"

// redisTimeout is how long a server may take to answer.
const redisTimeout = 20 * time.Second

// redisServer is one server on the store's host. It keeps what it was told, as
// in production, so that it can come back after it was killed.
type redisServer struct {
	host *network.Host
	port int
	dir  string
	args []string
	tls  bool
	// credentials finds the files of a client's certificate, if tls is true.
	credentials func(name string) string

	process *child.Process
	client  *redis.Client
}

func (r *redisServer) address() string {
	return net.JoinHostPort(r.host.Address.String(), strconv.Itoa(r.port))
}

// command is how the server is started.
func (r *redisServer) command() *exec.Cmd {
	port := []string{"--port", strconv.Itoa(r.port)}
	if r.tls {
		port = []string{"--port", "0", "--tls-port", strconv.Itoa(r.port)}
	}
	return exec.Command(redisBinary, slices.Concat(port, []string{
		"--bind", r.host.Address.String(), "--protected-mode", "no", "--dir", r.dir, "--logfile", filepath.Join(r.dir, "redis.log"),
		"--save", "", "--appendonly", "yes",
	}, r.args)...)
}

// start starts the server and waits until it answers.
func (r *redisServer) start(ctx context.Context) error {
	if _, err := os.Stat(redisBinary); err != nil {
		return fmt.Errorf("redis-server %w: %w; install the Debian package redis-server", system.ErrMissing, err)
	}
	if err := os.MkdirAll(r.dir, 0o755); err != nil {
		return err
	}
	return r.run(ctx, r.command())
}

func (r *redisServer) run(ctx context.Context, cmd *exec.Cmd) (err error) {
	if r.client == nil {
		if r.client, err = r.newClient(); err != nil {
			return err
		}
	}
	if r.process, err = r.host.Start(cmd); err != nil {
		return err
	}
	return wait.Until(ctx, redisTimeout, "redis-server answers at "+r.address(), func() error {
		if !r.process.Running() {
			return wait.Stop{Err: fmt.Errorf("redis-server ended; see %s", filepath.Join(r.dir, "redis.log"))}
		}
		return r.client.Ping(ctx).Err()
	})
}

// newClient returns a client whose connections begin on the store's host.
func (r *redisServer) newClient() (*redis.Client, error) {
	o := &redis.Options{
		Addr: r.address(), Protocol: 2, DisableIdentity: true, MaxRetries: -1,
		Dialer: r.host.Dial,
	}
	if r.tls {
		pair, err := tls.LoadX509KeyPair(r.credentials(storeName+".crt"), r.credentials(storeName+".key"))
		if err != nil {
			return nil, err
		}
		authority, err := os.ReadFile(r.credentials("ca.crt"))
		if err != nil {
			return nil, err
		}
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(authority)
		config := &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}, ServerName: r.host.Address.String(), MinVersion: tls.VersionTLS12}
		o.Dialer = func(ctx context.Context, _, address string) (net.Conn, error) {
			c, err := r.host.Dial(ctx, "tcp4", address)
			if err != nil {
				return nil, err
			}
			return tls.Client(c, config), nil
		}
	}
	return redis.NewClient(o), nil
}

func (r *redisServer) kill() {
	if r.process != nil && r.process.Running() {
		r.process.End(os.Kill, redisTimeout)
	}
}

func (r *redisServer) close() {
	r.kill()
	if r.client != nil {
		r.client.Close()
	}
}

// calls is how many commands the server has dealt with since it was started, our
// own apart; ok is false if it does not answer.
func (r *redisServer) calls(ctx context.Context) (n int64, ok bool) {
	text, err := r.client.Info(ctx, "commandstats").Result()
	if err != nil {
		return 0, false
	}
	return commandCalls(text), true
}

// commandCalls adds up the calls of INFO commandstats: lines such as
// "cmdstat_get:calls=3,usec=5,…". INFO itself is ours.
func commandCalls(text string) int64 {
	var sum int64
	for line := range strings.Lines(text) {
		name, stats, ok := strings.Cut(line, ":calls=")
		if !ok || name == "cmdstat_info" {
			continue
		}
		digits, _, _ := strings.Cut(stats, ",")
		n, _ := strconv.ParseInt(digits, 10, 64)
		sum += n
	}
	return sum
}

// operations counts commands of servers that may be started again.
type operations struct {
	total int64
	peak  float64 // per second
	last  map[*redisServer]int64
	at    time.Time
}

// begin sets the counters' beginning.
func (o *operations) begin(ctx context.Context, servers []*redisServer) {
	o.last, o.at = map[*redisServer]int64{}, time.Now()
	for _, r := range servers {
		o.last[r], _ = r.calls(ctx)
	}
}

// look adds what was done since the last look.
func (o *operations) look(ctx context.Context, servers []*redisServer) {
	var fresh int64
	for _, r := range servers {
		now, ok := r.calls(ctx)
		if !ok {
			continue
		}
		if now < o.last[r] { // it was started again
			o.last[r] = 0
		}
		fresh += now - o.last[r]
		o.last[r] = now
	}
	now := time.Now()
	// A look that follows at once says nothing about a second.
	if d := now.Sub(o.at); d > time.Second/2 {
		o.peak = max(o.peak, float64(fresh)/d.Seconds())
	}
	o.total, o.at = o.total+fresh, now
}
