package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/client"
	"github.com/rackswarm/rackswarm/core/restore"
	"github.com/rackswarm/rackswarm/core/unit"
)

// What a run is asked for; each is the name of a command.
const (
	verbTake    = "take"
	verbSeed    = "seed"
	verbRestore = "restore"
)

const latest = restore.Latest

// wish is what the flags of take, seed and restore say of a run.
type wish struct {
	nodes, locations, labels []string

	copies             int
	path               string
	on                 []string
	keepLast, keepDays int

	from   string // of a seed
	backup string // of a restore
	as     string // of a restore

	allowPrimary, noRequireReplica, force bool
	maxUnavailable                        int
	maxLag                                string
	healthTimeout                         time.Duration
}

// flagsOf are the names of the flags of a verb.
var flagsOf = map[string][]string{
	verbTake:    {"node", "copies", "path", "location", "label", "on", "keep-last", "keep-days"},
	verbSeed:    append([]string{"from", "copies", "path", "on", "keep-last", "keep-days"}, rollout...),
	verbRestore: append([]string{"backup", "as"}, rollout...),
}

// rollout are the flags that say who is restored and how.
var rollout = []string{"node", "location", "label", "allow-primary", "no-require-replica", "force", "max-unavailable", "max-lag", "health-timeout"}

// Defaults of flags.
const (
	defaultCopies  = 2
	defaultPath    = "/srv/backups"
	defaultLag     = "16MiB"
	defaultHealthy = 5 * time.Minute
)

// define adds the flags of the verbs to a command.
func (r *run) define(cmd *cobra.Command, w *wish, verbs ...string) {
	all := pflag.NewFlagSet("", pflag.ContinueOnError)
	takes := slices.Contains(verbs, verbTake)
	restores := slices.Contains(verbs, verbSeed) || slices.Contains(verbs, verbRestore)
	copies, node, where := 0, "", "nodes"
	switch {
	case takes && restores:
		copies, node = defaultCopies, "of take: the node to capture the database on; else: restore this node; repeat it to name several"
	case takes:
		copies, node = defaultCopies, "capture the database on this node (default: the only one that has it)"
		where = "keep copies on nodes"
	default:
		node, where = "restore this node; repeat it to name several", "restore nodes"
	}
	all.StringArrayVar(&w.nodes, "node", nil, node)
	all.StringArrayVar(&w.locations, "location", nil, where+" in this location, at any depth; repeat it to name several")
	all.StringArrayVar(&w.labels, "label", nil, where+" with this label, key=value; repeat it to ask for several at once")
	all.IntVar(&w.copies, "copies", copies, "keep the backup on so many nodes, spread over locations")
	all.StringVar(&w.path, "path", defaultPath, "directory on these nodes, inside an allowed root; a backup lies in DATABASE/BACKUP below it")
	all.StringArrayVar(&w.on, "on", nil, "keep copies on this node; repeat it to name several")
	all.IntVar(&w.keepLast, "keep-last", 0, "afterwards, delete backups of the database but the newest so many, and those that --keep-days keeps")
	all.IntVar(&w.keepDays, "keep-days", 0, "afterwards, delete backups of the database that are older, but those that --keep-last keeps")
	all.StringVar(&w.from, "from", "", "capture the database on this node, such as the primary (required)")
	all.StringVar(&w.backup, "backup", "", "ID of the backup, or latest (required)")
	all.StringVar(&w.as, "as", "", "what the restored database becomes: a replica of the primary that the node's configuration names, or standalone (required)")
	all.BoolVar(&w.allowPrimary, "allow-primary", false, "replace a database that runs and takes writes, too, where the node's configuration allows it")
	all.BoolVar(&w.noRequireReplica, "no-require-replica", false, "replace a database that does not run and was no replica, too")
	all.BoolVar(&w.force, "force", false, "replace replicas that follow their primary well, too")
	all.IntVar(&w.maxUnavailable, "max-unavailable", 1, "switch so many nodes at a time, of one location")
	all.StringVar(&w.maxLag, "max-lag", defaultLag, "what a healthy replica may be behind its primary")
	all.DurationVar(&w.healthTimeout, "health-timeout", defaultHealthy, "what a node has to become healthy; else its old data come back")
	all.VisitAll(func(f *pflag.Flag) {
		if slices.ContainsFunc(verbs, func(v string) bool { return slices.Contains(flagsOf[v], f.Name) }) {
			cmd.Flags().AddFlag(f)
		}
	})
	r.completeWish(cmd)
}

func (r *run) completeWish(cmd *cobra.Command) {
	for name, fn := range map[string]cobra.CompletionFunc{
		"node": r.completeNode, "on": r.completeNode, "from": r.completeNode, "location": r.completeLocation, "label": r.completeLabel,
		"backup": r.completeBackupOf,
		"as":     cobra.FixedCompletions([]cobra.Completion{api.AsReplica, api.AsStandalone}, cobra.ShellCompDirectiveNoFileComp),
	} {
		if cmd.Flags().Lookup(name) != nil {
			_ = cmd.RegisterFlagCompletionFunc(name, fn)
		}
	}
}

// request makes the request of a verb.
func (w wish) request(ctx context.Context, c *client.Client, verb, database string) (api.RunRequest, error) {
	req := api.RunRequest{Database: database}
	var err error
	switch verb {
	case verbTake:
		if req.Copies, err = w.kept(api.Selector{NodeNames: w.on, Locations: w.locations}, w.labels); err == nil {
			req.Source, err = sourceOf(ctx, c, database, w.nodes)
		}
	case verbSeed:
		req.Source = w.from
		if w.copies != 0 {
			req.Copies, err = w.kept(api.Selector{NodeNames: w.on}, nil)
		}
		if err == nil {
			req.Restore, err = w.restored(api.AsReplica)
		}
	case verbRestore:
		req.Backup = w.backup
		req.Restore, err = w.restored(w.as)
	}
	return req, err
}

func (w wish) kept(s api.Selector, labels []string) (*api.Copies, error) {
	var err error
	if s.Labels, err = parseLabels(labels); err != nil {
		return nil, err
	}
	return &api.Copies{Count: w.copies, Path: w.path, Selector: s, KeepOnly: api.Retention{Last: w.keepLast, Days: w.keepDays}}, nil
}

func (w wish) restored(as string) (*api.Restore, error) {
	if len(w.nodes)+len(w.locations)+len(w.labels) == 0 {
		return nil, usage("--node", "no node to restore is named", "choose by --node, --location or --label")
	}
	labels, err := parseLabels(w.labels)
	if err != nil {
		return nil, err
	}
	lag, err := unit.ParseBytes(w.maxLag)
	switch {
	case err != nil || lag == 0:
		return nil, usage("--max-lag", fmt.Sprintf("%q is no amount above zero", w.maxLag), "write for example "+defaultLag)
	case w.maxUnavailable < 1:
		return nil, usage("--max-unavailable", fmt.Sprintf("is %d", w.maxUnavailable), "write 1 or more")
	case w.healthTimeout <= 0:
		return nil, usage("--health-timeout", fmt.Sprintf("is %s", w.healthTimeout), "write for example 5m")
	}
	return &api.Restore{
		Selector:     api.Selector{NodeNames: w.nodes, Locations: w.locations, Labels: labels},
		As:           as,
		AllowStopped: w.noRequireReplica, AllowPrimary: w.allowPrimary, Force: w.force,
		MaxUnavailable: w.maxUnavailable, MaxLagBytes: int64(lag), HealthTimeout: w.healthTimeout.Seconds(),
	}, nil
}

// what names a request as the command that makes it.
func what(req api.RunRequest) string {
	switch {
	case req.Backup != "":
		return verbRestore
	case req.Restore != nil:
		return verbSeed
	}
	return verbTake
}

// byFlag names the flag of a verb in the place of the field of a request that an
// error is about.
func byFlag(verb string, err error) error {
	e, ok := err.(*api.Error) //nolint:errorlint // what wraps another says more
	if !ok {
		return err
	}
	for field, flag := range map[string]string{
		"source": map[string]string{verbTake: "--node", verbSeed: "--from"}[verb], "backup": "--backup", "id": "--id", "restore.as": "--as", "restore.max_unavailable": "--max-unavailable",
		"restore.max_lag_bytes": "--max-lag", "restore.health_timeout": "--health-timeout", "restore.selector.node_names": "--node",
		"restore.selector.locations": "--location", "copies.count": "--copies", "copies.path": "--path", "copies.selector.node_names": "--on",
		"copies.selector.locations": "--location", "copies.keep_only.last": "--keep-last", "copies.keep_only.days": "--keep-days", "when": "--when", "time_zone": "--time-zone",
	} {
		if flag != "" && strings.TrimPrefix(e.Subject, "run.") == field {
			shown := *e
			shown.Subject = flag
			return &shown
		}
	}
	return err
}
