package daemon

import (
	"context"
	"maps"
	"slices"

	"github.com/rackswarm/rackswarm/agent/internal/config"
	"github.com/rackswarm/rackswarm/agent/internal/restore"
	"github.com/rackswarm/rackswarm/agent/internal/runner"
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
	c := restore.Config{
		Self: d.self.Name, Store: d.store, Drivers: d.plugins, Publisher: d.publisher, CanPublish: d.signer != nil, Holder: d.reconcile,
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

func instances(all map[string]config.Database) map[string]restore.Instance {
	list := make(map[string]restore.Instance, len(all))
	for name, db := range all {
		list[name] = restore.Instance{Driver: db.Driver, Data: db.Data, Settings: db.Settings, Commands: db.Commands, AllowPrimary: db.AllowPrimary}
	}
	return list
}
