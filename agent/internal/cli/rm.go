package cli

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/client"
)

type rmFlags struct {
	content        string
	wait           bool
	artifact, node string
}

// oneSubject checks that exactly one thing to remove is named.
func (f *rmFlags) oneSubject(args []string) error {
	given := len(args)
	for _, s := range []string{f.artifact, f.node} {
		if s != "" {
			given++
		}
	}
	if given != 1 {
		return fmt.Errorf("rm takes one of NAME, --artifact and --node, not %d", given)
	}
	return nil
}

func (r *run) rmCommand() *cobra.Command {
	var f rmFlags
	cmd := &cobra.Command{
		Use:   "rm NAME | --artifact DIGEST | --node NAME",
		Short: "End a distribution, withdraw an artifact, forget a node",
		Long: `End a distribution. With --content=retain (the default) the nodes keep the files
and look after them no more; with --content=remove they delete them, and --wait
waits for that.

With --artifact, withdraw an artifact that no distribution uses; with --node,
forget a node that is down for good.`,
		Args:              func(_ *cobra.Command, args []string) error { return f.oneSubject(args) },
		ValidArgsFunction: r.completeDistribution,
		RunE: r.command(func(ctx context.Context, args []string) error {
			c, err := r.connect()
			switch {
			case err != nil:
				return err
			case f.artifact != "":
				return r.removed(f.artifact, "withdrawn", c.DeleteArtifact(ctx, f.artifact))
			case f.node != "":
				return r.removed(f.node, "forgotten", c.ForgetNode(ctx, f.node))
			}
			return r.rm(ctx, c, args[0], f)
		}),
	}
	cmd.Flags().StringVar(&f.content, "content", api.ContentRetain, "retain or remove the files on the nodes")
	cmd.Flags().BoolVar(&f.wait, "wait", false, "with --content=remove: wait until the files are gone")
	cmd.Flags().StringVar(&f.artifact, "artifact", "", "withdraw this artifact")
	cmd.Flags().StringVar(&f.node, "node", "", "forget this node")
	_ = cmd.RegisterFlagCompletionFunc("content", cobra.FixedCompletions([]string{api.ContentRetain, api.ContentRemove}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("artifact", r.completeArtifact)
	_ = cmd.RegisterFlagCompletionFunc("node", r.completeNode)
	return cmd
}

// removal is printed by rm.
type removal struct {
	Subject string `json:"subject"`
	Outcome string `json:"outcome"` // "withdrawn", "forgotten", "ended", "removing", "removed"
	// Down are nodes that were down until the end: what they have stays there.
	Down []string `json:"down,omitempty"`
}

func (r *run) removed(subject, outcome string, err error) error {
	if err != nil {
		return err
	}
	return r.print(removal{Subject: subject, Outcome: outcome}, func(w io.Writer) { fmt.Fprintf(w, "%s: %s\n", subject, outcome) })
}

func (r *run) rm(ctx context.Context, c *client.Client, name string, f rmFlags) error {
	if f.content != api.ContentRetain && f.content != api.ContentRemove {
		return usage("--content", fmt.Sprintf("%q is neither retain nor remove", f.content), "write --content=retain to keep the files, --content=remove to delete them")
	}
	remove := f.content == api.ContentRemove
	err := c.DeleteDistribution(ctx, name, remove)
	switch {
	case !remove:
		return r.removed(name, "ended", err)
	case err != nil || !f.wait:
		return r.removed(name, "removing", err)
	}
	st, err := r.follow(ctx, c, name, gone(), r.waitView())
	if client.IsNotFound(err) {
		return r.removedBut(name, down(st))
	}
	if err != nil {
		return err
	}
	return verdict(ctx, st, gone())
}

// removedBut prints the end of a removal.
func (r *run) removedBut(name string, down []string) error {
	return r.print(removal{name, "removed", down}, func(w io.Writer) {
		fmt.Fprintf(w, "%s: removed\n", name)
		if len(down) > 0 {
			fmt.Fprintf(w, "Down, what is there stays: %s\n", clean(strings.Join(down, ", ")))
		}
	})
}

// down are the nodes that are down and have not removed their content.
func down(st api.Status) []string {
	var names []string
	for _, n := range st.Nodes {
		if n.Unreachable && n.Phase != api.PhaseRemoved {
			names = append(names, n.Node)
		}
	}
	return names
}

// gone waits until the record is gone, which ends the watch: the fleet keeps it
// until all that is left of the content is on nodes that are down.
func gone() goal {
	removed := func(_ api.Distribution, n api.NodeStatus) bool { return n.Phase == api.PhaseRemoved }
	return goal{node: removed, generation: 1<<63 - 1, quorum: 100, patient: true}
}
