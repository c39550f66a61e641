package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/client"
)

func (r *run) scheduleCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "schedule",
		Short: "Take backups, or restore them, at times",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(r.setScheduleCommand(), r.listSchedulesCommand(), r.removeScheduleCommand(), r.pauseCommand("pause", true), r.pauseCommand("resume", false))
	return cmd
}

const setScheduleHelp = `State that a backup is taken, or restored, whenever the expression is due. The
flags are those of take and restore. Saying something else under the same name
changes the schedule.

A run that is due while the one before is under way is left out, and one that was
missed while no agent ran is not made up for.

  rackswarm-backup schedule set nightly --when "0 2 * * *" take main --node db1 --keep-last 7
  rackswarm-backup schedule set rehearsal --when @weekly restore main --backup latest --as standalone --allow-primary --node db9

The second one replaces what it restored a week ago, which takes writes.`

func (r *run) setScheduleCommand() *cobra.Command {
	var s api.Schedule
	var want wish
	cmd := &cobra.Command{
		Use:   "set NAME --when EXPRESSION take|restore DATABASE",
		Short: "Create or change a schedule",
		Long:  setScheduleHelp,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 3 || args[1] != verbTake && args[1] != verbRestore {
				return fmt.Errorf("schedule set takes NAME, take or restore, and DATABASE, not %q", strings.Join(args, " "))
			}
			return nil
		},
		ValidArgsFunction: r.completeScheduled,
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return r.command(func(ctx context.Context, args []string) error {
			if err := ownFlags(cmd, args[1]); err != nil {
				return err
			}
			c, err := r.connect()
			if err != nil {
				return err
			}
			s.Name = args[0]
			if s.Run, err = want.request(ctx, c, args[1], args[2]); err != nil {
				return err
			}
			set, err := c.PutSchedule(ctx, s)
			if err != nil {
				return byFlag(args[1], err)
			}
			return r.print(set, func(w io.Writer) {
				fmt.Fprintf(w, "%s: next at %s\n", set.Name, r.local(set.NextDue))
			})
		})(cmd, args)
	}
	r.define(cmd, &want, verbTake, verbRestore)
	cmd.Flags().StringVar(&s.When, "when", "", "cron expression: minute, hour, day of month, month, day of week; or @hourly, @daily, @weekly, @monthly (required)")
	cmd.Flags().StringVar(&s.TimeZone, "time-zone", "", "of the expression, such as Europe/Berlin (default: UTC)")
	cmd.Flags().BoolVar(&s.Paused, "paused", false, "start nothing until it is resumed")
	_ = cmd.MarkFlagRequired("when")
	return cmd
}

// ownFlags refuses flags of the other verb, and asks for those that the verb needs.
func ownFlags(cmd *cobra.Command, verb string) error {
	var err error
	cmd.Flags().Visit(func(f *pflag.Flag) {
		other := func(v string) bool { return v != verb && slices.Contains(flagsOf[v], f.Name) }
		if !slices.Contains(flagsOf[verb], f.Name) && (other(verbTake) || other(verbRestore)) {
			err = usage("--"+f.Name, "is no flag of "+verb, "leave it out")
		}
	})
	if err != nil || verb != verbRestore {
		return err
	}
	for _, name := range []string{"backup", "as"} {
		if !cmd.Flags().Changed(name) {
			return usage("--"+name, "is missing", "see: rackswarm-backup restore --help")
		}
	}
	return nil
}

func (r *run) completeScheduled(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
	switch len(args) {
	case 0:
		return r.completeSchedule(cmd, args, begun)
	case 1:
		return []cobra.Completion{verbTake, verbRestore}, cobra.ShellCompDirectiveNoFileComp
	case 2:
		return r.completeDatabase(cmd, nil, begun)
	}
	return nil, cobra.ShellCompDirectiveNoFileComp
}

func (r *run) listSchedulesCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the schedules",
		Args:  cobra.NoArgs,
		RunE: r.command(func(ctx context.Context, _ []string) error {
			c, err := r.connect()
			if err != nil {
				return err
			}
			all, err := c.Schedules(ctx)
			if err != nil {
				return err
			}
			return r.print(api.ScheduleList{Schedules: all}, func(w io.Writer) { r.schedulesTable(w, all) })
		}),
	}
}

func (r *run) schedulesTable(w io.Writer, all []api.Schedule) {
	rows := [][]string{{"SCHEDULE", "WHEN", "ZONE", "DOES", "DATABASE", "NEXT", "LAST RUN"}}
	for _, s := range all {
		zone, next := s.TimeZone, r.local(s.NextDue)
		if zone == "" {
			zone = "UTC"
		}
		if s.Paused {
			next = "paused"
		}
		rows = append(rows, []string{s.Name, s.When, zone, what(s.Run), s.Run.Database, next, dash(s.LastRun)})
	}
	table(w, rows)
}

func (r *run) removeScheduleCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "rm NAME",
		Short:             "End a schedule; what it started goes on, backups stay",
		Args:              takesOne("NAME"),
		ValidArgsFunction: r.completeSchedule,
		RunE: r.command(func(ctx context.Context, args []string) error {
			c, err := r.connect()
			if err != nil {
				return err
			}
			return r.removed(args[0], "ended", c.DeleteSchedule(ctx, args[0]))
		}),
	}
}

func (r *run) pauseCommand(use string, paused bool) *cobra.Command {
	short := "Have a schedule start nothing until it is resumed"
	if !paused {
		short = "Have a schedule that was paused go on"
	}
	return &cobra.Command{
		Use:               use + " NAME",
		Short:             short,
		Args:              takesOne("NAME"),
		ValidArgsFunction: r.completeSchedule,
		RunE: r.command(func(ctx context.Context, args []string) error {
			c, err := r.connect()
			if err != nil {
				return err
			}
			s, err := scheduleNamed(ctx, c, args[0])
			if err != nil {
				return err
			}
			s.Paused = paused
			if s, err = c.PutSchedule(ctx, s); err != nil {
				return err
			}
			return r.print(s, func(w io.Writer) {
				if paused {
					fmt.Fprintf(w, "%s: paused\n", s.Name)
					return
				}
				fmt.Fprintf(w, "%s: next at %s\n", s.Name, r.local(s.NextDue))
			})
		}),
	}
}

func scheduleNamed(ctx context.Context, c *client.Client, name string) (api.Schedule, error) {
	all, err := c.Schedules(ctx)
	if err != nil {
		return api.Schedule{}, err
	}
	names := []string{}
	for _, s := range all {
		if s.Name == name {
			return s, nil
		}
		names = append(names, s.Name)
	}
	there := "there is none"
	if len(names) > 0 {
		there = "there are: " + few(names)
	}
	return api.Schedule{}, &api.Error{Code: api.CodeNotFound, Subject: name, Message: "no such schedule; " + there, Fix: "see: rackswarm-backup schedule list"}
}
