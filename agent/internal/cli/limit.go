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
	"github.com/rackswarm/rackswarm/core/unit"
)

const limitHelp = `Limit what each node that matches receives and sends, within a second and until it
is cleared. Without --location, --label and --node that is every node. The limit is
of all transfers of a node together, or with --distribution of that one. What is left
out of --download and --upload stays as it is.

A limit of a location is for each node in it, not for its uplink: ten nodes of a rack
with --upload 10MiB/s send 100 MiB/s together. The lowest of all limits that apply to
a node counts, that of its agent.yaml among them: unlimited takes a limit away, and
lifts no other.`

// rateFix is what to write for a rate.
const rateFix = "write for example 10MiB/s, 200Mbit or unlimited"

type limitFlags struct {
	selector         api.Selector
	labels           []string
	distribution     string
	download, upload string
	clear            bool
}

func (r *run) limitCommand() *cobra.Command {
	var f limitFlags
	cmd := &cobra.Command{
		Use:   "limit [--location LOC] [--label KEY=VALUE] [--node NAME] [--distribution NAME] (--download RATE | --upload RATE | --clear)",
		Short: "Limit what nodes receive and send",
		Long:  limitHelp, Args: takesNone("choose by --distribution, --location, --label or --node"),
		RunE: r.command(func(ctx context.Context, _ []string) error { return r.limit(ctx, f) }),
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&f.selector.Locations, "location", nil, "each node in this location, at any depth; repeat it to name several")
	flags.StringArrayVar(&f.labels, "label", nil, "each node with this label, key=value; repeat it to ask for several at once")
	flags.StringArrayVar(&f.selector.NodeNames, "node", nil, "this node; repeat it to name several")
	flags.StringVar(&f.distribution, "distribution", "", "only the transfer of this distribution")
	flags.StringVar(&f.download, "download", "", "what a node receives, such as 10MiB/s, 200Mbit or unlimited")
	flags.StringVar(&f.upload, "upload", "", "what a node sends")
	flags.BoolVar(&f.clear, "clear", false, "take the limit away")
	cmd.MarkFlagsOneRequired("download", "upload", "clear")
	cmd.PreRunE = notEmpty("distribution", "download", "upload")
	_ = cmd.RegisterFlagCompletionFunc("node", r.completeNode)
	_ = cmd.RegisterFlagCompletionFunc("location", r.completeLocation)
	_ = cmd.RegisterFlagCompletionFunc("label", r.completeLabel)
	_ = cmd.RegisterFlagCompletionFunc("distribution", r.completeDistribution)
	return cmd
}

func (r *run) limit(ctx context.Context, f limitFlags) error {
	var err error
	if f.selector.Labels, err = parseLabels(f.labels); err != nil {
		return err
	}
	if f.clear && f.download+f.upload != "" {
		return usage("--clear", "it takes the limit of both directions away, and is given with a rate", "leave out --clear, or the rate; to lift one direction: --download unlimited or --upload unlimited")
	}
	name := api.LimitName(f.selector, f.distribution)
	c, err := r.connect()
	if err != nil {
		return err
	}
	if f.clear {
		return r.clearLimit(ctx, c, name)
	}
	change := api.LimitChange{Selector: f.selector, Distribution: f.distribution}
	if err := setRate(&change, &change.Download, api.Download, f.download); err != nil {
		return err
	}
	if err := setRate(&change, &change.Upload, api.Upload, f.upload); err != nil {
		return err
	}
	l, err := c.ChangeLimit(ctx, name, change)
	if err != nil {
		return err
	}
	if !l.Limited() {
		return r.noLimit(name)
	}
	nodes, err := c.Nodes(ctx)
	if err != nil {
		return err
	}
	matches := func(n api.Node) bool { return l.Selector.Matches(n) }
	return r.print(l, func(w io.Writer) {
		fmt.Fprintln(w, clean(fmt.Sprintf("%s: each node receives %s and sends %s at most. See: rackswarm limits", l.Name, limitOf(l.Download), limitOf(l.Upload))))
		if !slices.ContainsFunc(nodes, matches) {
			fmt.Fprintln(w, "No node that is known matches that; it holds for nodes that come. See: rackswarm nodes")
		}
	})
}

func (r *run) clearLimit(ctx context.Context, c *client.Client, name string) error {
	err := c.DeleteLimit(ctx, name)
	if client.IsNotFound(err) {
		return r.print(struct{}{}, func(w io.Writer) {
			fmt.Fprintln(w, clean("There was no limit of "+name+". Those that stand: rackswarm limits"))
		})
	}
	if err != nil {
		return err
	}
	return r.noLimit(name)
}

func (r *run) noLimit(name string) error {
	return r.print(struct{}{}, func(w io.Writer) { fmt.Fprintln(w, clean(name+": no limit any more")) })
}

// setRate notes in a change what a direction's flag says; "" leaves it as it is.
func setRate(change *api.LimitChange, into **int64, direction, text string) error {
	if text == "" {
		return nil
	}
	flag := "--" + direction
	rate, err := unit.ParseRate(text)
	switch {
	case err != nil:
		return usage(flag, fmt.Sprintf("%q is no rate", text), rateFix)
	case rate == 0:
		return &exitError{exitUsage, api.ZeroRate(flag)}
	case unit.WithoutUnit(text):
		return usage(flag, fmt.Sprintf("%s of what?", text), rateFix)
	case rate == unit.Unlimited:
		change.Unlimited = append(change.Unlimited, direction)
		return nil
	}
	n := int64(rate)
	*into = &n
	return nil
}

func limitOf(n *int64) string {
	if n == nil {
		return unit.Unlimited.String()
	}
	return unit.Rate(*n).String()
}

func (r *run) limitsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "limits",
		Short: "List the limits that operators have set, of nodes and of links, and what is paused or stopped",
		Args:  cobra.NoArgs,
		RunE: r.command(func(ctx context.Context, _ []string) error {
			c, err := r.connect()
			if err != nil {
				return err
			}
			all, err := c.Limits(ctx)
			if err != nil {
				return err
			}
			held, err := c.Holds(ctx)
			if err != nil {
				return err
			}
			links, err := c.Links(ctx)
			if err != nil {
				return err
			}
			out := controlList{Limits: all, Holds: held.Holds, Ceilings: ceilingsOf(links)}
			return r.print(out, func(w io.Writer) { r.writeControls(w, out) })
		}),
	}
}

// controlList is printed by limits.
type controlList struct {
	Limits []api.Limit `json:"limits"`
	Holds  []api.Hold  `json:"holds"`
	// Ceilings are links of which operators said what the fleet may move over them.
	Ceilings []api.Link `json:"ceilings"`
}

// ceilingsOf are the links of a list that have ceilings.
func ceilingsOf(list api.LinkList) []api.Link {
	all := []api.Link{}
	for _, l := range list.Links {
		if d := l.Declared; d != nil && (d.MaxUp != nil || d.MaxDown != nil) {
			all = append(all, *d)
		}
	}
	return all
}

func (r *run) writeControls(w io.Writer, c controlList) {
	if len(c.Limits)+len(c.Ceilings) == 0 {
		fmt.Fprintln(w, "No limits but those that links have by what they carry, distributions by their windows, and agents by their configuration.")
	}
	if len(c.Limits) > 0 {
		rows := [][]string{{"LIMIT, FOR EACH NODE", "DOWNLOAD", "UPLOAD", "BY", "FROM", "SET"}}
		for _, l := range c.Limits {
			rows = append(rows, []string{l.Name, limitOf(l.Download), limitOf(l.Upload), l.By, l.From, l.At.In(r.zone).Format(time.DateTime)})
		}
		table(w, rows)
	}
	if len(c.Ceilings) > 0 {
		rows := [][]string{{"UPLINK, FOR ALL NODES TOGETHER", "DOWN", "UP", "BY", "FROM", "SET"}}
		for _, l := range c.Ceilings {
			rows = append(rows, []string{"location " + l.Location, limitOf(l.MaxDown), limitOf(l.MaxUp), l.By, l.From, l.At.In(r.zone).Format(time.DateTime)})
		}
		table(w, rows)
	}
	for _, h := range c.Holds {
		fmt.Fprintln(w, clean(heldName(h)+": "+h.String()))
	}
}
