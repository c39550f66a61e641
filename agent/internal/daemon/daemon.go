package daemon

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/rackswarm/rackswarm/agent/internal/config"
	"github.com/rackswarm/rackswarm/agent/internal/control"
	"github.com/rackswarm/rackswarm/agent/internal/download"
	"github.com/rackswarm/rackswarm/agent/internal/hostload"
	"github.com/rackswarm/rackswarm/agent/internal/links"
	"github.com/rackswarm/rackswarm/agent/internal/loop"
	"github.com/rackswarm/rackswarm/agent/internal/pki"
	"github.com/rackswarm/rackswarm/agent/internal/publisher"
	"github.com/rackswarm/rackswarm/agent/internal/quota"
	"github.com/rackswarm/rackswarm/agent/internal/reconcile"
	"github.com/rackswarm/rackswarm/agent/internal/restore"
	"github.com/rackswarm/rackswarm/agent/internal/runner"
	"github.com/rackswarm/rackswarm/agent/internal/storage"
	"github.com/rackswarm/rackswarm/agent/internal/transport"
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/node"
	"github.com/rackswarm/rackswarm/core/store"
	"github.com/rackswarm/rackswarm/core/unit"
)

// daemon is an agent in the making. What was opened is closed in reverse order
// by close.
type daemon struct {
	cfg     config.Config
	log     *slog.Logger
	version string
	closers []func()

	creds     *pki.Credentials // nil when TLS is off
	trust     []ed25519.PublicKey
	signer    ed25519.PrivateKey // nil when this agent does not publish
	embedded  *store.Embedded    // nil when the store is elsewhere
	store     *store.Store
	storage   *storage.Manager
	transport *transport.Transport
	self      api.Node
	loop      *loop.Loop
	load      *hostload.Load
	links     *links.Manager
	plugins   *plugins
	reconcile *reconcile.Reconciler
	budget    *quota.Budget
	publisher *publisher.Publisher
	runner    *runner.Runner
	control   *control.Server
	databases interface{ Run(context.Context) } // does this node's parts in runs, or refuses them; nil without databases
	worker    *restore.Worker                   // the former, if it is one
}

// Run runs an agent of the given version until ctx ends. It returns an error
// when the agent cannot start, or a part of it fails for good.
func Run(ctx context.Context, cfg config.Config, version string, log *slog.Logger) error {
	d := &daemon{cfg: cfg, version: version, log: log}
	defer d.close()
	for _, open := range []func(context.Context) error{
		d.openKeys, d.openState, d.openStore, d.openStorage, d.openTransport, d.openName, d.openSwarm, d.openPlugins, d.openLinks, d.openReconciler, d.openRunner, d.openControl,
		d.openDatabases,
	} {
		if err := open(ctx); err != nil {
			return err
		}
	}
	log.Info("agent runs", "node", cfg.Node.Name, "location", cfg.Node.Location.String(),
		"data", d.self.DataAddr, "socket", cfg.API.Socket, "version", version)
	return d.serve(ctx)
}

func (d *daemon) close() {
	for i := len(d.closers) - 1; i >= 0; i-- {
		d.closers[i]()
	}
}

func (d *daemon) onClose(f func()) { d.closers = append(d.closers, f) }

// openKeys reads certificates, trusted publishers and the publisher's key.
func (d *daemon) openKeys(context.Context) (err error) {
	if d.cfg.TLS.Enabled {
		if d.creds, err = pki.Load(d.cfg.TLS.CA, d.cfg.TLS.Cert, d.cfg.TLS.Key); err != nil {
			return err
		}
		d.creds.OnReload(func(err error) {
			if err != nil {
				d.log.Error("certificate not reloaded, the old one stays in use", "error", err)
				return
			}
			d.log.Info("certificate reloaded")
		})
		if err := d.checkIdentity(); err != nil {
			return err
		}
	}
	if d.trust, err = pki.LoadTrust(d.cfg.Trust); err != nil {
		return err
	}
	if d.cfg.Publish.Key != "" {
		d.signer, err = pki.LoadPublisher(d.cfg.Publish.Key)
	}
	return err
}

// checkIdentity refuses to run under another node's certificate: peers would.
func (d *daemon) checkIdentity() error {
	name, role, err := d.creds.Identity()
	if err != nil {
		return err
	}
	if role != pki.RoleNode || name != string(d.cfg.Node.Name) {
		return &api.Error{Code: api.CodeInvalid, Subject: d.cfg.TLS.Cert,
			Message: fmt.Sprintf("it is the certificate of %s %q, and this is node %q", role, name, d.cfg.Node.Name),
			Fix:     fmt.Sprintf("rackswarm pki issue --role node --name %s, or set node.name", d.cfg.Node.Name)}
	}
	return nil
}

// openStore connects to the store, after starting it if it is embedded. A store
// that does not answer is no error: the agent serves what it has, and joins
// when the store is back.
func (d *daemon) openStore(ctx context.Context) error {
	c := store.Config{URL: d.cfg.Store.URL, Prefix: d.cfg.Store.Prefix, Username: d.cfg.Store.Username}
	var err error
	if c.Password, err = d.cfg.Store.Password(); err != nil {
		return err
	}
	if d.cfg.Store.Embedded {
		if err := d.startEmbedded(c.Password); err != nil {
			return err
		}
		c.URL, c.Addrs, c.Username = "", []string{reachable(d.embedded.Addr())}, ""
	}
	if d.cfg.Store.TLS && d.creds != nil {
		c.TLS = d.creds.ClientTLS("")
	}
	if d.store, err = store.Open(ctx, c); err != nil {
		return err
	}
	d.onClose(func() { d.store.Close() })
	return nil
}

func (d *daemon) startEmbedded(password string) error {
	c := store.EmbeddedConfig{
		Listen: d.cfg.Store.Listen, Password: password, Logger: d.log,
		StateFile: filepath.Join(d.cfg.StateDir, "store.json"),
	}
	if c.Listen == "" {
		c.Listen = "127.0.0.1:0"
	}
	if d.cfg.Store.TLS && d.creds != nil {
		c.TLS = d.creds.ServerTLSFor(pki.RoleNode)
	}
	var err error
	if d.embedded, err = store.StartEmbedded(c); err != nil {
		return err
	}
	d.onClose(func() { d.embedded.Close() })
	return nil
}

// reachable replaces an address that stands for all by the loopback one.
func reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); err == nil && (host == "" || ip != nil && ip.IsUnspecified()) {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return addr
}

func (d *daemon) openStorage(context.Context) (err error) {
	d.storage, err = storage.New(storage.Options{Roots: d.cfg.Roots, StateDir: d.cfg.StateDir, Node: string(d.cfg.Node.Name), Logger: d.log})
	return err
}

// openTransport listens for peers and settles what others are told of us.
func (d *daemon) openTransport(context.Context) (err error) {
	c := transport.Config{Self: d.cfg.Node.Name, Listen: d.cfg.Data.Listen, Foreign: d.cfg.Foreign.Accept,
		Datagrams: d.cfg.Data.Datagrams, Client: d.client(), Logger: d.log}
	if d.creds != nil {
		c.TLS = nodeTLS{d.creds}
	}
	if d.transport, err = transport.Listen(c); err != nil {
		return err
	}
	d.onClose(func() { d.transport.Close() })
	d.self = api.Node{
		Name: string(d.cfg.Node.Name), Location: string(d.cfg.Node.Location), Labels: d.cfg.Node.Labels,
		Version: d.version, Databases: databaseNames(d.cfg.Databases), Roots: rootNames(d.cfg.Roots),
	}
	hint := storeHint(d.cfg.Store)
	if d.self.DataAddr, err = advertised(d.cfg.Data.Endpoint, d.transport.Addr(), hint); err != nil || d.cfg.API.Listen == "" {
		return err
	}
	listen, err := net.ResolveTCPAddr("tcp", d.cfg.API.Listen)
	if err != nil {
		return fmt.Errorf("api.listen: %w", err)
	}
	d.self.APIAddr, err = advertised(d.cfg.API.Endpoint, listen, hint)
	return err
}

// rootNames are roots as they are configured and as they are without symbolic links,
// sorted: destinations are accepted in both.
func rootNames(roots []string) (names []string) {
	for _, root := range roots {
		names = append(names, filepath.Clean(root))
		if resolved, err := filepath.EvalSymlinks(root); err == nil {
			names = append(names, resolved)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// client is the program's name as peers are told it.
func (d *daemon) client() string { return "rackswarm " + d.version }

// nodeTLS lets only certificates of nodes into the swarm, not those of
// operators.
type nodeTLS struct{ *pki.Credentials }

func (nodeTLS) Identity(cs tls.ConnectionState) (string, error) {
	name, role, err := pki.Identity(cs)
	if err == nil && role != pki.RoleNode {
		err = fmt.Errorf("certificate of %s %q; only nodes take part in transfers", role, name)
	}
	return name, err
}

func (d *daemon) openSwarm(context.Context) error {
	trace, err := d.openTrace()
	if err != nil {
		return err
	}
	d.loop = loop.New(loop.Config{
		Trace: trace,
		Machine: node.Config{
			Self: d.cfg.Node.Name, Addr: d.self.DataAddr, Location: d.cfg.Node.Location,
			Seed:     unit.Seed(string(d.cfg.Node.Name), d.self.DataAddr),
			Download: d.cfg.Limits.Download, Upload: d.cfg.Limits.Upload,
			Strategy: d.cfg.Strategy,
		},
		Foreign: d.cfg.Foreign.Peers, Client: d.client(),
		Store: d.store, Transport: d.transport, Logger: d.log,
	})
	return nil
}

func (d *daemon) openReconciler(context.Context) (err error) {
	d.budget = quota.New(d.cfg.Storage.Quota)
	d.reconcile, err = reconcile.New(reconcile.Config{
		Self: d.self, Store: d.store, Swarm: steered{d.loop, d.links}, Storage: d.storage, StateDir: d.cfg.StateDir,
		Trust: d.trust, Hooks: d.cfg.Hooks, Budget: d.budget, Download: d.cfg.Limits.Download, Upload: d.cfg.Limits.Upload, CheckInterval: d.cfg.CheckInterval, LinksChanged: d.links.Changed, Logger: d.log,
	})
	return err
}

// openTrace opens the file that the swarm's events go to, nil for none.
func (d *daemon) openTrace() (io.Writer, error) {
	if d.cfg.Trace == "" {
		return nil, nil
	}
	f, err := os.OpenFile(d.cfg.Trace, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, &api.Error{Code: api.CodeInvalid, Subject: "trace", Message: err.Error(), Fix: "name a file that the agent may write, or leave it empty"}
	}
	w := bufio.NewWriterSize(f, 64<<10)
	d.onClose(func() {
		if err := errors.Join(w.Flush(), f.Close()); err != nil {
			d.log.Warn("trace not written to its end", "file", d.cfg.Trace, "error", err)
		}
	})
	return w, nil
}

func (d *daemon) openControl(context.Context) (err error) {
	c := control.Config{
		Store: d.store, Self: d.info, Socket: d.cfg.API.Socket, Listen: d.cfg.API.Listen, Logger: d.log,
		Identify: func(cs tls.ConnectionState) (string, string, error) {
			name, role, err := pki.Identity(cs)
			return name, string(role), err
		},
	}
	if d.creds != nil {
		c.TLS = d.creds.ServerTLS()
	}
	if d.publisher, err = d.newPublisher(); err != nil {
		return err
	}
	c.Publisher, c.Torrent, c.Collector, c.Transfers = d.publisher, d.torrent, collector{d}, d.loop.Transfers
	c.Databases, c.Node, c.Links = d.runner, d.reconcile, d.listLinks
	d.budget.OnFull(func(ctx context.Context) {
		if _, err := (collector{d}).Collect(ctx, false); err != nil {
			d.log.Warn("not all that nothing needs is deleted", "error", err)
		}
	})
	d.control, err = control.New(c)
	return err
}

// torrent is a manifest that this node keeps, encoded.
func (d *daemon) torrent(digest artifact.Digest) ([]byte, error) {
	m, err := d.storage.Manifest(digest)
	if err != nil {
		return nil, err
	}
	return m.Encode(), nil
}

func (d *daemon) newPublisher() (*publisher.Publisher, error) {
	authorities, err := d.cfg.Publish.CAs()
	if err != nil {
		return nil, err
	}
	c := publisher.Config{
		Self: d.self.Name, Key: d.signer, StateDir: d.cfg.StateDir, Roots: d.cfg.Publish.Roots,
		Store: d.store, Sources: d.reconcile, Budget: d.budget, Logger: d.log,
		Fetcher: download.Config{CAs: authorities, Logger: d.log},
	}
	if d.creds != nil {
		c.NodeTLS = d.creds.ClientTLS
	}
	return publisher.New(c)
}

func (d *daemon) info() api.Info {
	return api.Info{
		Node: d.self.Name, Location: d.self.Location, Version: d.version, APIVersion: "v1",
		CanPublish: d.signer != nil, Roots: d.cfg.Roots,
	}
}

// serve runs the parts until ctx ends or one fails. Each outlives those that need
// it: a database that is stopped is started before the reconciler and the publisher
// end, and these before the loop; store and drivers are closed after all of them.
func (d *daemon) serve(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var failed error
	var once sync.Once
	var databases, parts, swarm sync.WaitGroup
	fail := func(part string, err error) {
		if err != nil && !errors.Is(err, context.Canceled) {
			once.Do(func() { failed = fmt.Errorf("%s: %w", part, err) })
		}
		stop()
	}
	swarmCtx, stopSwarm := context.WithCancel(context.WithoutCancel(ctx))
	defer stopSwarm()
	partsCtx, stopParts := context.WithCancel(context.WithoutCancel(ctx))
	defer stopParts()
	swarm.Go(func() { d.loop.Run(swarmCtx) })
	swarm.Go(func() { d.load.Run(swarmCtx) })
	swarm.Go(func() { d.links.Run(swarmCtx) })
	parts.Go(func() { fail("reconciler", d.reconcile.Run(partsCtx)) })
	parts.Go(func() { fail("control server", d.control.Run(ctx)) })
	parts.Go(func() { d.publisher.Run(partsCtx) })
	databases.Go(func() { d.runner.Run(ctx) })
	if d.databases != nil {
		databases.Go(func() { d.databases.Run(ctx) })
	}
	<-ctx.Done()
	databases.Wait()
	stopParts()
	parts.Wait()
	stopSwarm()
	swarm.Wait()
	d.log.Info("agent stopped")
	return failed
}
