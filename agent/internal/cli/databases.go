package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/client"
)

// holders are the nodes that have a database, by name.
func holders(nodes []api.Node, database string) []string {
	var names []string
	for _, n := range nodes {
		if _, ok := n.Databases[database]; ok {
			names = append(names, n.Name)
		}
	}
	slices.Sort(names)
	return names
}

// databases are the names of those that any node has.
func databases(nodes []api.Node) []string {
	found := map[string]bool{}
	for _, n := range nodes {
		for name := range n.Databases {
			found[name] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// knownDatabase is an error that says which databases there are, if no node has
// this one.
func knownDatabase(ctx context.Context, c *client.Client, database string) error {
	nodes, err := c.Nodes(ctx)
	if err != nil || len(holders(nodes, database)) > 0 {
		return err
	}
	return noDatabase(database, nodes)
}

func noDatabase(database string, nodes []api.Node) error {
	what := "no agent's configuration names any"
	if known := databases(nodes); len(known) > 0 {
		what = "there are: " + strings.Join(known, ", ")
	}
	return &api.Error{Code: api.CodeNotFound, Subject: database, Message: "no node has a database of this name; " + what,
		Fix: "name one of them, or add it under 'databases' in the configuration of the agents"}
}

// sourceOf is the node that a database is captured on: the one that is named, or
// the only one that has it.
func sourceOf(ctx context.Context, c *client.Client, database string, named []string) (string, error) {
	switch len(named) {
	case 0:
	case 1:
		return named[0], nil
	default:
		return "", usage("--node", "a database is captured on one node, not on "+strings.Join(named, " and "), "name one of them")
	}
	nodes, err := c.Nodes(ctx)
	if err != nil {
		return "", err
	}
	switch have := holders(nodes, database); len(have) {
	case 0:
		return "", noDatabase(database, nodes)
	case 1:
		return have[0], nil
	default:
		return "", usage("--node", fmt.Sprintf("%d nodes have database %s: %s", len(have), database, strings.Join(have, ", ")),
			"name the one to capture it on, such as the primary, by --node")
	}
}

func (r *run) completeDatabase(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return r.offer(func(ctx context.Context, c *client.Client) ([]string, error) {
		nodes, err := c.Nodes(ctx)
		var all []string
		for _, name := range databases(nodes) {
			all = append(all, cobra.CompletionWithDesc(name, "on "+few(holders(nodes, name))))
		}
		return all, err
	})
}

func (r *run) completeBackup(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return r.offer(func(ctx context.Context, c *client.Client) ([]string, error) { return r.backupIDs(ctx, c, "") })
}

// completeBackupOf offers the backups of the database that the first argument
// names, for a flag.
func (r *run) completeBackupOf(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return r.offer(func(ctx context.Context, c *client.Client) ([]string, error) {
		ids, err := r.backupIDs(ctx, c, args[max(len(args)-1, 0):]...)
		return append([]string{cobra.CompletionWithDesc(latest, "the newest one")}, ids...), err
	})
}

func (r *run) backupIDs(ctx context.Context, c *client.Client, database ...string) ([]string, error) {
	all, err := c.Backups(ctx, strings.Join(database, ""))
	var ids []string
	for _, b := range all {
		ids = append(ids, cobra.CompletionWithDesc(b.ID, b.Database+", "+r.at(b.TakenAt)))
	}
	return ids, err
}

func (r *run) completeRun(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return r.offer(func(ctx context.Context, c *client.Client) ([]string, error) {
		all, err := c.Runs(ctx)
		var ids []string
		for _, run := range all {
			ids = append(ids, cobra.CompletionWithDesc(run.ID, what(run.Request)+" "+run.Request.Database+", "+string(run.Phase)))
		}
		return ids, err
	})
}

func (r *run) completeSchedule(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return r.offer(func(ctx context.Context, c *client.Client) ([]string, error) {
		all, err := c.Schedules(ctx)
		var names []string
		for _, s := range all {
			names = append(names, cobra.CompletionWithDesc(s.Name, s.When))
		}
		return names, err
	})
}
