package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/unit"
)

const backupHelp = `rackswarm-backup takes backups of databases, keeps them on nodes, and restores
them: on replicas one after the other, or on a node of its own. seed does so from
a database that runs, without a backup.

Databases are those that the agents' configuration names. The agents do the work,
and go on when this program is gone: a run has an ID, by which it is found again.
Any agent answers for the whole fleet. Commands ask the one at --endpoint.

Exit codes: 0 done, 1 failed, 2 wrong command line, 3 partial success,
130 interrupted.`

// backupRoot is the command line of rackswarm-backup.
func (r *run) backupRoot() *cobra.Command {
	const name = "rackswarm-backup"
	return r.program(name, "Back up databases, restore them, seed replicas", backupHelp,
		r.takeCommand(), r.listBackupsCommand(), r.verifyBackupCommand(), r.restoreCommand(), r.seedCommand(), r.pruneCommand(),
		r.runsCommand(), r.runStatusCommand(), r.abortCommand(), r.forgetCommand(), r.scheduleCommand(), r.versionCommand(name),
	)
}

func (r *run) listBackupsCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "list [DATABASE]",
		Short:             "List backups, of one database or of all",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: r.completeDatabase,
		RunE: r.command(func(ctx context.Context, args []string) error {
			c, err := r.connect()
			if err != nil {
				return err
			}
			all, err := c.Backups(ctx, strings.Join(args, ""))
			if err != nil {
				return err
			}
			if len(all) == 0 && len(args) == 1 {
				if err := knownDatabase(ctx, c, args[0]); err != nil {
					return err
				}
			}
			return r.print(api.BackupList{Backups: all}, func(w io.Writer) { r.backupsTable(w, all) })
		}),
	}
}

func (r *run) backupsTable(w io.Writer, all []api.Backup) {
	rows := [][]string{{"BACKUP", "DATABASE", "TAKEN", "SIZE", "ENGINE", "COPIES", "VERIFIED"}}
	for _, b := range all {
		rows = append(rows, []string{b.ID, b.Database, r.at(b.TakenAt), size(b.SizeBytes), engine(b.Content), dash(strings.Join(b.Copies, ",")), ago(r.now(), b.VerifiedAt)})
	}
	table(w, rows)
}

// engine is what a backup is of, such as "PostgreSQL 15.8".
func engine(c api.BackupContent) string {
	return dash(strings.TrimSpace(cmp.Or(c.Engine, c.Driver) + " " + c.Version))
}

// at writes a moment in the local time, and how long ago it was.
func (r *run) at(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return fmt.Sprintf("%s (%s)", r.local(t), ago(r.now(), t))
}

func (r *run) local(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.In(r.zone).Format("2006-01-02 15:04 MST")
}

// backupText is a backup in one line.
func (r *run) backupText(b api.Backup) string {
	return fmt.Sprintf("%s, taken %s, %s, %s", b.ID, r.at(b.TakenAt), engine(b.Content), unit.Bytes(b.SizeBytes))
}
