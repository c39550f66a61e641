package cli

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rackswarm/rackswarm/core/api"
)

func (r *run) pauseTransfers() *cobra.Command {
	var here bool
	cmd := r.holdCommand("pause", "Keep a transfer, or all, from moving",
		`Keep the transfer of a distribution from moving any block, on all nodes, until
'rackswarm resume'. Nothing is lost: connections stand, what has come stays, what is
complete is installed, and whoever waits goes on waiting. It holds for later versions
and over restarts of agents. --all pauses everything, also what is distributed later.

Without the store the agent of this machine pauses its own node alone. The command
then says so and exits 3.`, api.HoldPause, &here)
	cmd.Flags().BoolVar(&here, "here", false, "only on the node of the agent that is asked")
	return cmd
}

func (r *run) stopTransfers() *cobra.Command {
	return r.holdCommand("stop", "End a transfer until it is resumed or distributed anew",
		`End the transfer of a distribution on all nodes: they leave it, and try no more.
What stands stays, what they have staged stays on their disks, and whoever waits is
told. It goes on, from what is staged, with 'rackswarm resume', or when the
distribution gets another version or other nodes; to distribute the same again does
not start it. --all stops what is distributed now.`, api.HoldStop, new(bool))
}

func (r *run) holdCommand(name, short, long, kind string, here *bool) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use: name + " NAME | --all", Short: short, Long: long,
		Args: cobra.ArbitraryArgs, ValidArgsFunction: r.completeDistribution,
		RunE: r.command(func(ctx context.Context, args []string) error {
			distribution, err := oneOrAll(args, all)
			if err != nil {
				return err
			}
			c, err := r.connect()
			if err != nil {
				return err
			}
			list, err := c.Hold(ctx, api.HoldRequest{Kind: kind, Distribution: distribution, All: all, Here: *here})
			if err != nil {
				return err
			}
			if err := r.print(list, func(w io.Writer) { writeHeld(w, list) }); err != nil {
				return err
			}
			if list.StoreDown {
				return hereOnly(name, "only this node is paused, the rest of the fleet goes on", "do the same on other nodes, or again when the store is back")
			}
			return nil
		}),
	}
	cmd.Flags().BoolVar(&all, "all", false, "every distribution")
	return cmd
}

// hereOnly is how a command ends that did without the store what it could.
func hereOnly(command, done, fix string) error {
	return &exitError{exitPartial, &api.Error{Code: api.CodeStoreDown, Subject: command, Message: "the store does not answer: " + done, Fix: fix}}
}

// oneOrAll is the distribution that is named, "" for all.
func oneOrAll(args []string, all bool) (string, error) {
	switch {
	case len(args) == 1 && args[0] != "" && !all:
		return args[0], nil
	case len(args) == 0 && all:
		return "", nil
	}
	if len(args) > 1 {
		return "", usage(strings.Join(args, ", "), "only one distribution can be named", "name them one after the other, or write --all")
	}
	return "", usage("NAME", "name one distribution, or all of them", "write NAME or --all, one of them and not both")
}

func writeHeld(w io.Writer, list api.HoldList) {
	if len(list.Holds) == 0 {
		fmt.Fprintln(w, "Nothing is distributed: there is nothing to stop.")
	}
	for _, h := range list.Holds {
		fmt.Fprintln(w, clean(heldName(h)+": "+h.String()))
	}
	if len(list.Holds) > 0 {
		fmt.Fprintln(w, clean(sentence(list.Holds[0].Reason().Fix)))
	}
}

func heldName(h api.Hold) string {
	if h.Distribution == "" {
		return "all"
	}
	return h.Distribution
}

func (r *run) resumeTransfers() *cobra.Command {
	var all, here bool
	cmd := &cobra.Command{
		Use:   "resume NAME | --all",
		Short: "Have paused or stopped transfers go on",
		Long: `Have a distribution go on that was paused or stopped by its name. --all lifts what
pause --all and stop --all did; what was held by name stays, and is listed. What the
agent that is asked had paused on its own node alone goes on, too.`,
		Args: cobra.ArbitraryArgs, ValidArgsFunction: r.completeDistribution,
		RunE: r.command(func(ctx context.Context, args []string) error {
			distribution, err := oneOrAll(args, all)
			if err != nil {
				return err
			}
			c, err := r.connect()
			if err != nil {
				return err
			}
			out, err := c.Release(ctx, api.Release{Distribution: distribution, All: all, Here: here})
			if err != nil {
				return err
			}
			if err := r.print(out, func(w io.Writer) { writeReleased(w, out) }); err != nil {
				return err
			}
			if out.StoreDown {
				return hereOnly("resume", "only what this node held alone is lifted", "resume again when the store is back")
			}
			return nil
		}),
	}
	cmd.Flags().BoolVar(&all, "all", false, "all that was paused or stopped with --all")
	cmd.Flags().BoolVar(&here, "here", false, "only what the node of the agent that is asked had paused for itself")
	return cmd
}

func writeReleased(w io.Writer, out api.Released) {
	if len(out.Released) == 0 {
		fmt.Fprintln(w, "Nothing was held that this lifts.")
	}
	for _, h := range out.Released {
		fmt.Fprintln(w, clean("Lifted: "+heldName(h)+": "+h.String()))
	}
	for _, h := range out.Left {
		fmt.Fprintln(w, clean("Still held: "+heldName(h)+": "+h.String()+"; "+h.Reason().Fix))
	}
}
