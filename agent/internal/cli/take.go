package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/client"
	"github.com/rackswarm/rackswarm/core/restore"
	"github.com/rackswarm/rackswarm/core/unit"
)

const takeHelp = `Capture a database on a node while it runs, and keep the capture on other nodes.
The command ends when the copies are there.

With --keep-last or --keep-days older backups of the database are deleted then:
those that neither keeps, but never the newest that was verified.`

const restoreHelp = `Bring a backup to nodes, check it there, and have the nodes switch to it one after
the other. It is for the nodes that have the database and that --node, --location
and --label choose; a node has to fit all that are given. It comes from the nodes
that keep copies: the one that it was taken on is not needed.

Only replicas, data directories that are empty or missing, and nothing else is
replaced, unless --no-require-replica or --allow-primary say so. A node that does
not become healthy gets its old data back, and no further node is touched. It
then exits 3 if some nodes have the backup, 1 if none has.`

const seedHelp = `Capture a database on a node while it runs, and make replicas of it: as restore
does with a backup. With --copies the capture is kept as a backup, too.`

// runFlags say how a command deals with the run that it starts.
type runFlags struct {
	id             string
	noWait, dryRun bool
}

func (r *run) takeCommand() *cobra.Command {
	return r.startCommand(verbTake, "take DATABASE", "Back up a database", takeHelp)
}

func (r *run) restoreCommand() *cobra.Command {
	cmd := r.startCommand(verbRestore, "restore DATABASE --backup BACKUP --as replica|standalone --node NODE...", "Restore a backup on nodes", restoreHelp)
	_ = cmd.MarkFlagRequired("backup")
	_ = cmd.MarkFlagRequired("as")
	return cmd
}

func (r *run) seedCommand() *cobra.Command {
	cmd := r.startCommand(verbSeed, "seed DATABASE --from NODE --node NODE...", "Make replicas of a database that runs", seedHelp)
	_ = cmd.MarkFlagRequired("from")
	return cmd
}

// startCommand is the command of a verb.
func (r *run) startCommand(verb, use, short, long string) *cobra.Command {
	var want wish
	var f runFlags
	cmd := &cobra.Command{
		Use: use, Short: short,
		Long:              long + "\n\nInterrupted, the run goes on.",
		Args:              takesOne("DATABASE"),
		ValidArgsFunction: r.completeDatabase,
		RunE: r.command(func(ctx context.Context, args []string) error {
			c, err := r.connect()
			if err != nil {
				return err
			}
			req, err := want.request(ctx, c, verb, args[0])
			if err != nil {
				return err
			}
			req.ID = f.id
			if f.dryRun {
				return byFlag(verb, r.foretell(ctx, c, req))
			}
			return r.begin(ctx, c, verb, req, f.noWait)
		}),
	}
	r.define(cmd, &want, verb)
	cmd.Flags().StringVar(&f.id, "id", "", "ID of the run; asking again with the same ID makes no second run (default: chosen)")
	cmd.Flags().BoolVar(&f.noWait, "no-wait", false, "end when the run is started")
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "only say what would be done")
	return cmd
}

// begin starts a run and follows it to its end.
func (r *run) begin(ctx context.Context, c *client.Client, verb string, req api.RunRequest, noWait bool) error {
	run, err := c.CreateRun(ctx, req)
	if err != nil {
		return byFlag(verb, err)
	}
	if !noWait {
		r.note("Run %s.", run.ID)
		return r.awaitRun(ctx, c, run)
	}
	return r.print(run, func(w io.Writer) {
		fmt.Fprintf(w, "%s: the agents work on it. Follow it with: rackswarm-backup status %s --wait\n", run.ID, run.ID)
	})
}

// foretell prints what a run would do, without the agents: what the nodes find
// when they look at their databases is not known before.
func (r *run) foretell(ctx context.Context, c *client.Client, req api.RunRequest) error {
	nodes, err := c.Nodes(ctx)
	if err != nil {
		return err
	}
	backups, err := c.Backups(ctx, "")
	if err != nil {
		return err
	}
	run, err := restore.NewRun(req, orText(req.ID, "dry-run"), nodes, backups, r.now())
	if err != nil {
		return err
	}
	return r.print(run, func(w io.Writer) { r.writePlan(w, run, nodes) })
}

func orText(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func (r *run) writePlan(w io.Writer, run api.Run, nodes []api.Node) {
	fmt.Fprintln(w, "Nothing is done. The run would:")
	req := run.Request
	if run.Source != nil {
		fmt.Fprintf(w, "- capture %s on %s, if it runs there\n", req.Database, run.Source.Node)
	} else {
		fmt.Fprintf(w, "- use backup %s\n", r.backupText(*run.Backup))
	}
	if c := req.Copies; c != nil {
		fmt.Fprintf(w, "- keep %d copies at %s/%s/\n", c.Count, c.Path, req.Database)
		if c.KeepOnly != (api.Retention{}) {
			fmt.Fprintf(w, "- then delete other backups of it: %s\n", retentionText(c.KeepOnly))
		}
	}
	if req.Restore != nil {
		r.writeRollout(w, run, nodes)
	}
}

func retentionText(keep api.Retention) string {
	switch {
	case keep.Last > 0 && keep.Days > 0:
		return fmt.Sprintf("those that are neither among the newest %d nor younger than %d days", keep.Last, keep.Days)
	case keep.Last > 0:
		return fmt.Sprintf("all but the newest %d", keep.Last)
	}
	return fmt.Sprintf("those of %d days and older", keep.Days)
}

func (r *run) writeRollout(w io.Writer, run api.Run, nodes []api.Node) {
	want := *run.Request.Restore
	fmt.Fprintf(w, "- restore it as %s on these nodes, %d at a time, in this order:\n\n", want.As, want.MaxUnavailable)
	rows := [][]string{{"NODE", "LOCATION", "STATE"}}
	for _, m := range run.Members {
		state := "down"
		if slices.ContainsFunc(nodes, func(n api.Node) bool { return n.Name == m.Node && n.Alive }) {
			state = "up"
		}
		rows = append(rows, []string{m.Node, place(m.Location), state})
	}
	table(w, rows)
	fmt.Fprintln(w)
	rows = [][]string{{"Data directories that are missing or empty", "filled"}}
	for _, rule := range []struct {
		found   string
		replace bool
		flag    string
	}{
		{"Replicas", true, ""},
		{"Replicas that follow well", want.Force, "--force"},
		{"Databases that do not run and were no replica", want.AllowStopped, "--no-require-replica"},
		{"Databases that take writes", want.AllowPrimary, "--allow-primary"},
	} {
		does := "replaced"
		if !rule.replace {
			does = "left alone, without " + rule.flag
		}
		rows = append(rows, []string{rule.found, does})
	}
	rows = append(rows, []string{"Healthy within", seconds(want.HealthTimeout).String()})
	if want.As == api.AsReplica {
		rows = append(rows, []string{"Healthy with a lag of", unit.Bytes(want.MaxLagBytes).String() + " at most"})
	}
	table(w, rows)
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
