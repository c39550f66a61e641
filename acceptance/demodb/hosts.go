package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/rackswarm/rackswarm/acceptance/dbhost"
	"github.com/rackswarm/rackswarm/acceptance/hosts"
	"github.com/rackswarm/rackswarm/acceptance/show"
	"github.com/rackswarm/rackswarm/core/client"
	"github.com/rackswarm/rackswarm/core/unit"
)

// Where hosts stand. The commands are given on ops, which holds the store as well.
const ops = "ops"

var places = map[string]string{ops: "ams/r1", "db1": "ams/r1", "db2": "ams/r2", "db3": "ams/r2"}

// examples are what the demo runs, below the checkout.
const examples = "examples/databases"

// demo is what the steps share.
type demo struct {
	options
	set    *hosts.Set
	db     map[string]*dbhost.Instance
	out    *show.Printer
	client *client.Client // of the agent on ops
	figures
}

// figures are for the summary.
type figures struct {
	bytes              int64 // of the database
	seeded, again      time.Duration
	ratio              float64
	backedUp, restored time.Duration
	accounts           string // rows of a table
}

func newDemo(ctx context.Context, o options) (*demo, error) {
	programs := map[string]string{}
	for _, p := range o.programs() {
		programs[filepath.Base(p)] = p
	}
	set, err := hosts.New(ctx, hosts.Options{Names: []string{ops, "db1", "db2", "db3"}, Programs: programs, See: []string{o.top}})
	if err != nil {
		return nil, err
	}
	d := &demo{options: o, set: set, out: show.New(os.Stdout, set.Dir), db: map[string]*dbhost.Instance{}}
	for _, name := range []string{"db1", "db2", "db3"} {
		d.db[name] = dbhost.On(set.Host(name), dbhost.Options{})
	}
	return d, nil
}

// close ends the hosts with all that runs there.
func (d *demo) close() error {
	fmt.Printf("\nEnding the hosts and removing %s\n", d.set.Dir)
	if d.client != nil {
		d.client.Close()
	}
	return d.set.Close()
}

// explain prints the ends of the logs.
func (d *demo) explain() {
	for _, h := range d.set.Hosts() {
		text, err := os.ReadFile(h.Log("agent"))
		if err != nil {
			continue
		}
		lines := strings.SplitAfter(string(text), "\n")
		fmt.Fprintf(os.Stderr, "\n--- the end of the agent's log on %s\n%s", h.Name, strings.Join(lines[max(0, len(lines)-12):], ""))
	}
}

// startHosts makes the database and starts the agents.
func (d *demo) startHosts(ctx context.Context) error {
	d.out.Heading("Four hosts with sshd and agents: ops, where commands are given, db1 with a database, db2, db3")
	if err := d.startDatabase(ctx); err != nil {
		return err
	}
	if err := d.set.StartSSHD(ctx, d.db["db1"].Host, d.db["db2"].Host, d.db["db3"].Host); err != nil {
		return err
	}
	settings, err := d.settings()
	if err != nil {
		return err
	}
	if err := d.set.StartAgents(ctx, hosts.Agents{On: d.set.Hosts(), Locations: places, Settings: settings}); err != nil {
		return err
	}
	d.client, err = client.New(client.Config{Endpoints: []string{"unix://" + d.set.Host(ops).Path("/run/rackswarm/agent.sock")}})
	if err != nil {
		return err
	}
	return d.introduce(ctx)
}

// startDatabase makes the primary, and has it written to from then on.
func (d *demo) startDatabase(ctx context.Context) error {
	for _, db := range d.db {
		if err := db.Prepare(ctx, "postgres"); err != nil {
			return err
		}
	}
	db1 := d.db["db1"]
	if err := db1.InitPrimary(ctx); err != nil {
		return err
	}
	if _, err := db1.As(ctx, fmt.Sprintf("pgbench -i -q -s %d postgres 2>&1", d.scale)); err != nil {
		return err
	}
	if _, err := db1.StartLoad(ctx); err != nil {
		return err
	}
	return nil
}

// settings are those that the example gives the agents of the databases.
func (d *demo) settings() (map[string]map[string]any, error) {
	text, err := os.ReadFile(filepath.Join(d.top, examples, "agent.yaml"))
	if err != nil {
		return nil, err
	}
	all := map[string]map[string]any{}
	for name := range d.db {
		var own map[string]any
		if err := yaml.Unmarshal(text, &own); err != nil {
			return nil, fmt.Errorf("%s/agent.yaml: %w", examples, err)
		}
		all[name] = own
	}
	return all, nil
}

// introduce shows what there is.
func (d *demo) introduce(ctx context.Context) error {
	d.out.Shell(sql)
	for _, line := range []string{
		"rackswarm nodes",
		"grep -v '^ *#' " + examples + "/agent.yaml  # a part of /etc/rackswarm/agent.yaml on db1, db2, db3",
		"sql db1 'SHOW server_version'",
	} {
		if _, err := d.shell(ctx, line, short); err != nil {
			return err
		}
	}
	out, err := d.db["db1"].SQL(ctx, "SELECT pg_database_size('postgres')", "SELECT count(*) FROM pgbench_accounts")
	if err != nil {
		return err
	}
	if _, err := fmt.Sscanf(out, "%d\n%s", &d.bytes, &d.accounts); err != nil {
		return err
	}
	d.out.Note("")
	d.out.Note("%s, %s rows in pgbench_accounts; a session adds ten rows to the table load every 20 ms", unit.Bytes(d.bytes), d.accounts)
	return nil
}
