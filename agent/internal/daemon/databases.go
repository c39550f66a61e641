package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/rackswarm/rackswarm/agent/internal/config"
	"github.com/rackswarm/rackswarm/agent/internal/restore"
	"github.com/rackswarm/rackswarm/agent/internal/runner"
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/pluginapi"
	"github.com/rackswarm/rackswarm/core/pluginhost"
)

// databaseNames are the databases that others are told of, with their drivers.
func databaseNames(all map[string]config.Database) map[string]string {
	names := make(map[string]string, len(all))
	for name, db := range all {
		names[name] = db.Driver
	}
	return names
}

// openRunner prepares what leads runs. An agent without databases leads those
// that it was asked for.
func (d *daemon) openRunner(context.Context) error {
	d.runner = runner.New(runner.Config{Self: d.self.Name, Store: d.store,
		Databases: slices.Sorted(maps.Keys(d.cfg.Databases)), Logger: d.log})
	return nil
}

// openDatabases prepares this node's parts in runs. What is wrong with the
// databases keeps the agent from nothing else. Without databases there may be parts
// that began before they were removed from the configuration.
func (d *daemon) openDatabases(context.Context) error {
	if len(d.cfg.Databases) == 0 && !restore.Pending(d.cfg.StateDir) {
		return nil
	}
	if err := d.cfg.CheckDrivers(); err != nil {
		d.log.Warn("not all databases can be backed up and restored", "error", err)
	}
	host := &drivers{open: func() (*pluginhost.Host, error) { return newHost(d.cfg, d.log) }}
	d.onClose(host.Close)
	c := restore.Config{
		Self: d.self.Name, Store: d.store, Drivers: host, Publisher: d.publisher, CanPublish: d.signer != nil, Holder: d.reconcile,
		Budget: d.budget, Databases: instances(d.cfg.Databases), Roots: d.cfg.Roots, StateDir: d.cfg.StateDir, Logger: d.log,
	}
	worker, err := restore.NewWorker(c)
	if err != nil {
		d.log.Error("no database is backed up or restored", "error", err)
		d.databases = restore.NewRefuser(c, err)
		return nil
	}
	d.databases, d.worker = worker, worker
	return nil
}

// drivers opens their host when one is asked for, and tries again at the next if it
// cannot be opened.
type drivers struct {
	open func() (*pluginhost.Host, error)

	mu   sync.Mutex
	host *pluginhost.Host // guarded by mu
}

// Database returns a driver. An error of the host is one that a person has to
// correct.
func (d *drivers) Database(ctx context.Context, name string) (pluginapi.DatabaseDriver, error) {
	d.mu.Lock()
	if d.host == nil {
		host, err := d.open()
		if err != nil {
			d.mu.Unlock()
			return nil, &pluginhost.Error{Driver: name, Reason: pluginhost.ReasonCatalog, Message: err.Error(),
				Fix: "make room for small files in the directory of api.socket, or in /tmp"}
		}
		d.host = host
	}
	host := d.host
	d.mu.Unlock()
	return host.Database(ctx, name)
}

// Close ends the drivers. It is called when nobody asks for one any more.
func (d *drivers) Close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.host != nil {
		d.host.Close()
	}
}

// newHost returns a host for drivers. Their sockets lie beside the agent's own, or
// where a short path is free.
func newHost(c config.Config, log *slog.Logger) (*pluginhost.Host, error) {
	var errs []error
	for _, dir := range []string{filepath.Dir(c.API.Socket), os.TempDir(), "/tmp"} {
		host, err := pluginhost.New(pluginhost.Config{Catalog: c.Drivers, RunDir: dir, Logger: log})
		if err == nil {
			return host, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

func instances(all map[string]config.Database) map[string]restore.Instance {
	list := make(map[string]restore.Instance, len(all))
	for name, db := range all {
		list[name] = restore.Instance{Driver: db.Driver, Data: db.Data, Settings: db.Settings, Commands: db.Commands, AllowPrimary: db.AllowPrimary}
	}
	return list
}

// CheckDatabases starts the drivers that the databases name, and asks what they
// are and which settings they know. No database is touched. The error joins one
// *api.Error for each finding.
func CheckDatabases(ctx context.Context, c config.Config, log *slog.Logger) error {
	if len(c.Databases) == 0 {
		return nil
	}
	if err := c.CheckDrivers(); err != nil {
		return err
	}
	host, err := newHost(c, log)
	if err != nil {
		return err
	}
	defer host.Close()
	var errs []error
	described := map[string]pluginapi.Description{}
	for _, name := range slices.Sorted(maps.Keys(c.Databases)) {
		driver := c.Databases[name].Driver
		about, known := described[driver]
		if !known {
			if about, err = describe(ctx, host, driver); err != nil {
				errs = append(errs, driverError(name, err))
				continue
			}
			described[driver] = about
		}
		errs = append(errs, checkSettings(name, c.Databases[name].Settings, about))
	}
	return errors.Join(errs...)
}

func describe(ctx context.Context, host *pluginhost.Host, name string) (pluginapi.Description, error) {
	driver, err := host.Database(ctx, name)
	if err != nil {
		return pluginapi.Description{}, err
	}
	return driver.Describe(ctx)
}

// driverError is what a person is told of a driver that does not answer.
func driverError(database string, err error) error {
	e := &api.Error{Code: api.CodeInvalid, Subject: "databases." + database, Message: err.Error()}
	if own, ok := errors.AsType[*pluginapi.Error](err); ok {
		e.Message, e.Fix = "driver: "+own.Message, own.Fix
	}
	e.Fix = cmp.Or(e.Fix, "look at the log of this check")
	return e
}

// checkSettings compares what an instance has with what its driver knows.
func checkSettings(database string, given map[string]string, about pluginapi.Description) error {
	known := map[string]bool{}
	var errs []error
	for _, s := range about.Settings {
		known[s.Name] = true
		if s.Required && given[s.Name] == "" {
			errs = append(errs, &api.Error{Code: api.CodeInvalid, Subject: "databases." + database + ".settings." + s.Name,
				Message: "not set, and driver " + about.Name + " needs it", Fix: "set it: " + s.Help})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if !knows(known, name) {
			errs = append(errs, &api.Error{Code: api.CodeInvalid, Subject: "databases." + database + ".settings." + name,
				Message: "driver " + about.Name + " has no such setting", Fix: fmt.Sprintf("remove it; there are: %s", names(known))})
		}
	}
	return errors.Join(errs...)
}

// knows reports whether one of a driver's settings is this one. A name such as
// config.<parameter> stands for all that begin with config.
func knows(known map[string]bool, setting string) bool {
	for name := range known {
		prefix, _, many := strings.Cut(name, "<")
		switch rest, ok := strings.CutPrefix(setting, prefix); {
		case !many && setting == name:
			return true
		case many && ok && rest != "" && setting != name:
			return true
		}
	}
	return false
}

func names(set map[string]bool) string {
	if len(set) == 0 {
		return "none"
	}
	return strings.Join(slices.Sorted(maps.Keys(set)), ", ")
}
