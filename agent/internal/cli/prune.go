package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/client"
	"github.com/rackswarm/rackswarm/core/restore"
)

func (r *run) pruneCommand() *cobra.Command {
	var keep api.Retention
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "prune DATABASE --keep-last N --keep-days N",
		Short: "Delete old backups of a database",
		Long: `Delete the backups of a database that neither --keep-last nor --keep-days keeps.
The newest backup that was verified stays, and so do those that a run needs.`,
		Args:              takesOne("DATABASE"),
		ValidArgsFunction: r.completeDatabase,
		RunE: r.command(func(ctx context.Context, args []string) error {
			c, err := r.connect()
			if err != nil {
				return err
			}
			return r.prune(ctx, c, args[0], keep, dryRun)
		}),
	}
	cmd.Flags().IntVar(&keep.Last, "keep-last", 0, "keep the newest so many")
	cmd.Flags().IntVar(&keep.Days, "keep-days", 0, "keep those that are younger")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only say what would be deleted")
	return cmd
}

// pruning is printed by prune.
type pruning struct {
	Database string         `json:"database"`
	DryRun   bool           `json:"dry_run,omitempty"`
	Backups  []prunedBackup `json:"backups"`
}

// prunedBackup is what becomes of one backup, newest first.
type prunedBackup struct {
	api.Backup
	Deleted bool   `json:"deleted"` // or would be, or shall be, see Error
	Why     string `json:"why"`
	// Error is why it could not be deleted.
	Error *api.Error `json:"error,omitempty"`
}

func (r *run) prune(ctx context.Context, c *client.Client, database string, keep api.Retention, dryRun bool) error {
	if keep.Last < 0 || keep.Days < 0 || keep == (api.Retention{}) {
		return usage("--keep-last", "neither --keep-last nor --keep-days says what to keep", "give a number above zero to one of them")
	}
	all, err := c.Backups(ctx, database)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		if err := knownDatabase(ctx, c, database); err != nil {
			return err
		}
	}
	runs, err := c.Runs(ctx)
	if err != nil {
		return err
	}
	out := pruning{Database: database, DryRun: dryRun, Backups: r.judge(all, keep, runs)}
	var failed []error
	for i := range out.Backups {
		b := &out.Backups[i]
		if !b.Deleted || dryRun {
			continue
		}
		err := c.DeleteBackup(ctx, b.ID)
		if err == nil || client.IsNotFound(err) {
			continue
		}
		failed = append(failed, err)
		b.Deleted = false
		if e, ok := errors.AsType[*api.Error](err); ok {
			b.Error = e
		}
	}
	if err := r.print(out, func(w io.Writer) { r.writePruning(w, out) }); err != nil {
		return err
	}
	return errors.Join(failed...)
}

// judge decides what is deleted and says why, newest first.
func (r *run) judge(all []api.Backup, keep api.Retention, runs []api.Run) []prunedBackup {
	now := r.now()
	user := func(id string) string { return restore.User(runs, id, "") }
	expired := restore.Expired(all, keep, func(id string) bool { return user(id) != "" }, now)
	slices.SortFunc(all, func(a, b api.Backup) int { return cmp.Or(b.TakenAt.Compare(a.TakenAt), cmp.Compare(b.ID, a.ID)) })
	out := []prunedBackup{}
	for i, b := range all {
		p := prunedBackup{Backup: b, Deleted: slices.ContainsFunc(expired, func(e api.Backup) bool { return e.ID == b.ID })}
		switch young := now.Sub(b.TakenAt) < time.Duration(keep.Days)*24*time.Hour; {
		case p.Deleted:
			p.Why = expiredText(keep)
		case i < keep.Last:
			p.Why = fmt.Sprintf("one of the newest %d", keep.Last)
		case young:
			p.Why = fmt.Sprintf("younger than %d days", keep.Days)
		case user(b.ID) != "":
			p.Why = "run " + user(b.ID) + " needs it"
		default:
			p.Why = "the newest that was verified"
		}
		out = append(out, p)
	}
	return out
}

func expiredText(keep api.Retention) string {
	var why []string
	if keep.Last > 0 {
		why = append(why, fmt.Sprintf("not one of the newest %d", keep.Last))
	}
	if keep.Days > 0 {
		why = append(why, fmt.Sprintf("not younger than %d days", keep.Days))
	}
	return strings.Join(why, ", ")
}

func (r *run) writePruning(w io.Writer, p pruning) {
	if len(p.Backups) == 0 {
		fmt.Fprintf(w, "There is no backup of %s.\n", clean(p.Database))
		return
	}
	rows := [][]string{{"BACKUP", "TAKEN", "SIZE", "RESULT", "WHY"}}
	for _, b := range p.Backups {
		result, why := "kept", b.Why
		switch {
		case b.Error != nil:
			why = errorText(*b.Error)
		case b.Deleted && p.DryRun:
			result = "would be deleted"
		case b.Deleted:
			result = "deleted"
		}
		rows = append(rows, []string{b.ID, r.at(b.TakenAt), size(b.SizeBytes), result, why})
	}
	table(w, rows)
}
