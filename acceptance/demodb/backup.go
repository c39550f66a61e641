package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/wait"
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/unit"
)

func size(n int64) string { return unit.Bytes(n).String() }

// schedule asks for a backup every day, for the first time in a moment.
func (d *demo) schedule(ctx context.Context) error {
	d.out.Heading("A backup every day, kept on two nodes; here at the next minute")
	due := nextMinute(time.Now().UTC())
	_, err := d.shell(ctx, fmt.Sprintf("rackswarm-backup schedule set nightly --when '%d %d * * *' take main --node db1 --copies 2 --keep-last 7", due.Minute(), due.Hour()), short)
	return err
}

// nextMinute is the next full minute that is not over before a command is.
func nextMinute(now time.Time) time.Time {
	return now.Add(5 * time.Second).Truncate(time.Minute).Add(time.Minute)
}

// backUp waits for the scheduled backup.
func (d *demo) backUp(ctx context.Context) error {
	d.out.Heading("The scheduled backup was taken by itself")
	var run api.Run
	err := eventually(ctx, "the schedule's run is complete", func() error {
		all, err := d.client.Schedules(ctx)
		if err != nil || len(all) != 1 || all[0].LastRun == "" {
			return errors.Join(err, errors.New("it has not started"))
		}
		if run, err = d.client.Run(ctx, all[0].LastRun); err != nil {
			return err
		}
		switch {
		case run.Phase == api.RunComplete:
			return nil
		case run.Phase.Finished():
			return wait.Stop{Err: fmt.Errorf("it ended %s: %w", run.Phase, run.Error)}
		}
		return fmt.Errorf("it is %s", run.Phase)
	})
	if err != nil {
		return err
	}
	d.backedUp = run.FinishedAt.Sub(run.CreatedAt)
	for _, line := range []string{"rackswarm-backup runs main", "rackswarm-backup list main"} {
		if _, err := d.shell(ctx, line, short); err != nil {
			return err
		}
	}
	return nil
}

// lose loses a table, on the replicas as well, and then the primary.
func (d *demo) lose(ctx context.Context) error {
	d.out.Heading("A table is dropped by mistake, on the replicas as well, and then db1 loses its power")
	if _, err := d.shell(ctx, "sql db1 'DROP TABLE pgbench_accounts'", short); err != nil {
		return err
	}
	err := eventually(ctx, "db2 has no pgbench_accounts either", func() error {
		there, err := d.db["db2"].SQL(ctx, "SELECT to_regclass('pgbench_accounts')")
		if err == nil && there != "" {
			err = errors.New("it is there")
		}
		return err
	})
	if err != nil {
		return err
	}
	if _, err := d.shell(ctx, "sql db2 'SELECT count(*) FROM pgbench_accounts'", func(line string) string {
		if strings.HasPrefix(line, "ERROR") {
			return line
		}
		return ""
	}); err != nil {
		return err
	}
	d.db["db1"].Kill()
	d.out.Note("db1 is gone")
	return nil
}

// restore brings the backup to db2, and writes there.
func (d *demo) restore(ctx context.Context) error {
	d.out.Heading("The backup is restored on db2, without db1")
	begin := time.Now()
	if _, err := d.shell(ctx, "rackswarm-backup restore main --backup latest --as standalone --node db2", short); err != nil {
		return err
	}
	d.restored = time.Since(begin)
	out, err := d.shell(ctx, "sql db2 'SELECT pg_is_in_recovery() AS replica, (SELECT count(*) FROM pgbench_accounts) AS accounts, (SELECT max(at) FROM load) AS last_row'", short)
	if err == nil && !strings.Contains(out, "f       |  "+d.accounts) {
		err = fmt.Errorf("db2 is not as it was: %s", out)
	}
	if err != nil {
		return err
	}
	out, err = d.shell(ctx, "sql db2 \"INSERT INTO load (text) VALUES ('after the restore') RETURNING id, text\"", short)
	if err == nil && !strings.Contains(out, "after the restore") {
		err = fmt.Errorf("db2 cannot be written to: %s", out)
	}
	return err
}

func (d *demo) summary(whole time.Duration) {
	row := func(what string, took time.Duration, format string, args ...any) {
		d.out.Note("%-13s %5.1f s  %s", what, took.Seconds(), fmt.Sprintf(format, args...))
	}
	d.out.Note("")
	row("Two replicas", d.seeded, "by one play, of %s; db1 sent %.2f copies", size(d.bytes), d.ratio)
	row("Second run", d.again, "nothing changed")
	row("Backup", d.backedUp, "captured, verified, on two nodes")
	row("Restore", d.restored, "to a database that takes writes, without db1")
	fmt.Printf("\nDone in %.0f s.\n", whole.Seconds())
}
