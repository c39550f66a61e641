package rackswarm

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/lab/network"
	"github.com/rackswarm/rackswarm/acceptance/wait"
)

// sentinel is a master, a replica, and a Sentinel that makes the replica the
// master within about a second of the master's death. Agents have no setting for
// Sentinel; they are told an address that follows the master, as operators do
// with a proxy: it is served here.
type sentinel struct {
	redisStore
	watcher  *redisServer // the Sentinel
	follower *follower
}

// fleetName is what the Sentinel calls the master.
const fleetName = "fleet"

func newSentinel(url string, server func(port int, args ...string) *redisServer) *sentinel {
	return &sentinel{
		redisStore: redisStore{url: url, servers: []*redisServer{server(masterPort), server(masterPort + 1)}},
		watcher:    server(sentinelPort),
	}
}

func (s *sentinel) start(ctx context.Context) error {
	if err := s.redisStore.start(ctx); err != nil {
		return err
	}
	master, replica := s.servers[0], s.servers[1]
	host := master.host.Address.String()
	if err := replica.client.ReplicaOf(ctx, host, strconv.Itoa(master.port)).Err(); err != nil {
		return fmt.Errorf("make a replica: %w", err)
	}
	if err := s.startWatcher(ctx); err != nil {
		return err
	}
	for _, args := range [][]any{
		{"SENTINEL", "MONITOR", fleetName, host, master.port, 1},
		{"SENTINEL", "SET", fleetName, "down-after-milliseconds", 1000, "failover-timeout", 3000},
	} {
		if err := s.watcher.client.Do(ctx, args...).Err(); err != nil {
			return fmt.Errorf("set up Sentinel: %w", err)
		}
	}
	err := wait.Until(ctx, redisTimeout, "Sentinel knows the replica", func() error {
		replicas, err := s.watcher.client.Do(ctx, "SENTINEL", "REPLICAS", fleetName).Slice()
		if err == nil && len(replicas) == 0 {
			return fmt.Errorf("there is none")
		}
		return err
	})
	if err != nil {
		return err
	}
	s.follower, err = follow(master.host, s.master)
	return err
}

// startWatcher starts the Sentinel, which needs a file to write its configuration
// to.
func (s *sentinel) startWatcher(ctx context.Context) error {
	w := s.watcher
	if err := os.MkdirAll(w.dir, 0o755); err != nil {
		return err
	}
	file := filepath.Join(w.dir, "sentinel.conf")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		return err
	}
	return w.run(ctx, exec.Command(redisBinary, file, "--port", strconv.Itoa(w.port), "--bind", w.host.Address.String(),
		"--protected-mode", "no", "--sentinel", "--logfile", filepath.Join(w.dir, "redis.log")))
}

// master asks the Sentinel for the master's address.
func (s *sentinel) master(ctx context.Context) (string, error) {
	answer, err := s.watcher.client.Do(ctx, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", fleetName).StringSlice()
	if err != nil || len(answer) != 2 {
		return "", fmt.Errorf("ask Sentinel for the master: %v, %w", answer, err)
	}
	return net.JoinHostPort(answer[0], answer[1]), nil
}

// kill ends the master; the replica takes over.
func (s *sentinel) kill(ctx context.Context) error {
	address, err := s.master(ctx)
	if err != nil {
		return err
	}
	for _, r := range s.servers {
		if r.address() == address {
			r.kill()
		}
	}
	return nil
}

func (s *sentinel) close() error {
	if s.follower != nil {
		s.follower.close()
	}
	s.watcher.close()
	return s.redisStore.close()
}

// follower relays connections to whoever is the master, and ends them when that
// is another.
type follower struct {
	host     *network.Host
	master   func(context.Context) (string, error)
	listener net.Listener
	stop     context.CancelFunc
	done     sync.WaitGroup

	mu     sync.Mutex
	target string
	open   map[net.Conn]bool
}

// followInterval is how often the master is asked for.
const followInterval = 100 * time.Millisecond

func follow(h *network.Host, master func(context.Context) (string, error)) (*follower, error) {
	l, err := h.Listen(redisPort)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	f := &follower{host: h, master: master, listener: l, stop: stop, open: map[net.Conn]bool{}}
	f.look(ctx)
	f.done.Go(func() { f.watch(ctx) })
	f.done.Go(func() { f.accept(ctx) })
	return f, nil
}

func (f *follower) watch(ctx context.Context) {
	tick := time.NewTicker(followInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			f.look(ctx)
		}
	}
}

// look notices another master.
func (f *follower) look(ctx context.Context) {
	target, err := f.master(ctx)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil || target == f.target {
		return
	}
	f.target = target
	for c := range f.open {
		c.Close()
	}
}

func (f *follower) accept(ctx context.Context) {
	for {
		c, err := f.listener.Accept()
		if err != nil {
			return // it was closed
		}
		f.done.Go(func() { f.relay(ctx, c) })
	}
}

func (f *follower) relay(ctx context.Context, c net.Conn) {
	defer c.Close()
	f.mu.Lock()
	target := f.target
	f.mu.Unlock()
	up, err := f.host.Dial(ctx, "tcp4", target)
	if err != nil {
		return // the client tries again
	}
	defer up.Close()
	if !f.keep(c, up) {
		return
	}
	defer f.drop(c, up)
	ended := make(chan struct{}, 2)
	for _, way := range [][2]net.Conn{{c, up}, {up, c}} {
		go func() {
			_, _ = io.Copy(way[0], way[1]) // either end may close
			ended <- struct{}{}
		}()
	}
	<-ended
}

func (f *follower) keep(all ...net.Conn) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.open == nil {
		return false
	}
	for _, c := range all {
		f.open[c] = true
	}
	return true
}

func (f *follower) drop(all ...net.Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range all {
		delete(f.open, c)
	}
}

func (f *follower) close() {
	f.stop()
	f.listener.Close()
	f.mu.Lock()
	for c := range f.open {
		c.Close()
	}
	f.open = nil
	f.mu.Unlock()
	f.done.Wait()
}
