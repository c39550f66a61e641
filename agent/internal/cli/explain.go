package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/client"
	"github.com/rackswarm/rackswarm/core/unit"
)

func takesDistribution(cmd *cobra.Command, args []string) error {
	if n := len(args); n < 1 || n > 2 {
		return fmt.Errorf("%s takes a DISTRIBUTION and perhaps one NODE, not %d names", cmd.Name(), n)
	}
	if slices.Contains(args, "") {
		return usage("NAME", "a name is empty", "write the name of a distribution, and of a node to hear of that alone")
	}
	return nil
}

func (r *run) explainCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "explain DISTRIBUTION [NODE]",
		Short: "Say what each node waits for, and which limit binds",
		Long: `Say for each node of a distribution, or for one, where it is, what it waits for,
how fast it receives, which limit binds, which peers send it most, and what to do.
What was changed a second or two ago may not be in a node's report yet: ask again.
Without the store the agent that is asked answers for its own node.`,
		Args: takesDistribution, ValidArgsFunction: r.completeExplain,
		RunE: r.command(func(ctx context.Context, args []string) error {
			c, err := r.connect()
			if err != nil {
				return err
			}
			e, err := c.Explain(ctx, args[0])
			if err != nil {
				return err
			}
			if len(args) == 2 {
				e.Nodes = slices.DeleteFunc(e.Nodes, func(n api.NodeExplanation) bool { return n.Node != args[1] })
				if len(e.Nodes) == 0 {
					return &api.Error{Code: api.CodeNotFound, Subject: args[1], Message: "this node is no target of " + args[0] + ", or not known now",
						Fix: "see 'rackswarm status " + args[0] + "' for the nodes"}
				}
			}
			return r.print(e, func(w io.Writer) { writeExplanation(w, e, r.now()) })
		}),
	}
}

func (r *run) completeExplain(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) == 1 {
		return r.offer(func(ctx context.Context, c *client.Client) ([]string, error) {
			st, err := c.Status(ctx, args[0])
			var names []string
			for _, n := range st.Nodes {
				names = append(names, n.Node)
			}
			return names, err
		})
	}
	return r.completeDistribution(cmd, args, begun)
}

func writeExplanation(w io.Writer, e api.Explanation, now time.Time) {
	if e.StoreDown {
		fmt.Fprintf(w, "This is what the agent that was asked knows of its own node.\n\n")
	}
	writeTroubles(w, e.Troubles)
	done, slow := 0, 0
	for _, n := range e.Nodes {
		if len(n.Reasons) == 0 {
			done++
			continue
		}
		if n.Phase == api.PhaseInstalled && sendsOnly(n.Reasons) {
			slow++
		}
		writeNodeExplanation(w, n, now)
	}
	if slices.ContainsFunc(e.Nodes, boundByLink) {
		fmt.Fprintf(w, "What a link leaves is told in content; rackswarm links tells it on the wire, which is a little more.\n\n")
	}
	switch {
	case slow > 0:
		fmt.Fprintf(w, "%d of %d nodes have what is wanted; %d of these could send more to others, see above.\n", done+slow, len(e.Nodes), slow)
	case done > 0:
		fmt.Fprintf(w, "%d of %d nodes have what is wanted, and wait for nothing.\n", done, len(e.Nodes))
	}
}

// writeTroubles says what is wrong with the artifact itself, for all nodes.
func writeTroubles(w io.Writer, all []api.SeedTrouble) {
	for _, t := range all {
		fmt.Fprintln(w, sentence(troubleOf(t)))
		if t.Error.Fix != "" {
			fmt.Fprintln(w, "Fix: "+clean(t.Error.Fix))
		}
		fmt.Fprintln(w)
	}
}

// boundByLink reports whether the link of a location is what a node waits for.
func boundByLink(n api.NodeExplanation) bool {
	return slices.ContainsFunc(n.Reasons, func(r api.Reason) bool { return strings.HasPrefix(r.Subject, "uplink of ") })
}

// sendsOnly reports whether all reasons are why a node sends less than it could.
func sendsOnly(all []api.Reason) bool {
	return !slices.ContainsFunc(all, func(r api.Reason) bool { return r.Code != api.ReasonSenderLimit && r.Code != api.ReasonPriority })
}

func writeNodeExplanation(w io.Writer, n api.NodeExplanation, now time.Time) {
	head := fmt.Sprintf("%s %s: %s, %s of %s", n.Node, place(n.Location), n.Phase, percent(n.BytesDone, n.Bytes), size(n.Bytes))
	if n.Rate > 0 {
		head += ", receives " + unit.Rate(n.Rate).String()
	}
	if !n.ReportedAt.IsZero() {
		head += ", reported " + ago(now, n.ReportedAt)
	}
	fmt.Fprintln(w, clean(head))
	for _, reason := range n.Reasons {
		fmt.Fprintln(w, "  "+clean(sentence(reason.Message)))
		if reason.Fix != "" {
			fmt.Fprintln(w, "  Fix: "+clean(reason.Fix))
		}
	}
	if len(n.Top) > 0 {
		var peers []string
		for _, p := range n.Top {
			text := p.Name + " " + unit.Rate(p.Rate).String()
			if p.Initial {
				text += " (initial seeder)"
			}
			peers = append(peers, text)
		}
		fmt.Fprintln(w, "  Fastest peers: "+clean(strings.Join(peers, ", ")))
	}
	fmt.Fprintln(w)
}

// sentence begins text with a capital letter.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:]
}
