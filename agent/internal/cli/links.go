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

const linksHelp = `List the links between locations and what is above them that anybody declared: what
each carries, what others than the fleet use of it, what the fleet moves, and what
it may move at most. Up is out of the location. A link is declared by links or
devices of agent.yaml, or by rackswarm links set; others have no limit. The last one
is the own link of the node that is asked, and what that node moves over it.`

func (r *run) linksCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "links",
		Short: "List the links between locations, and how much of them is used",
		Long:  linksHelp, Args: cobra.NoArgs,
		RunE: r.command(func(ctx context.Context, _ []string) error {
			c, err := r.connect()
			if err != nil {
				return err
			}
			list, err := c.Links(ctx)
			if err != nil {
				return err
			}
			if list.StoreDown {
				return r.print(list, func(w io.Writer) { writeLinks(w, list) })
			}
			nodes, err := c.Nodes(ctx)
			if err != nil {
				return err
			}
			return r.print(list, func(w io.Writer) {
				writeLinks(w, list)
				for _, l := range list.Links {
					if !inhabited(nodes, l.Location) {
						fmt.Fprintln(w, clean(nobodyIn(l.Location)))
					}
				}
			})
		}),
	}
	cmd.AddCommand(r.linksSetCommand(), r.linksClearCommand())
	return cmd
}

// inhabited reports whether any known node is in a location.
func inhabited(nodes []api.Node, location string) bool {
	return slices.ContainsFunc(nodes, func(n api.Node) bool {
		return api.Selector{Locations: []string{location}}.Matches(n)
	})
}

func nobodyIn(location string) string {
	return "No node that is known is in " + location + ", so nothing crosses its link. See: rackswarm nodes"
}

func (r *run) linksClearCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "clear LOCATION",
		Short: "Forget what was said of a link, and what was measured",
		Long: `Forget what rackswarm links set said of a link, and what a device last told of it.
What agents' files say of it counts again, and who measures it goes on doing so.`,
		Args: takesOne("LOCATION"), ValidArgsFunction: r.completeLink,
		RunE: r.command(func(ctx context.Context, args []string) error {
			c, err := r.connect()
			if err != nil {
				return err
			}
			return r.clearLink(ctx, c, args[0])
		}),
	}
}

func (r *run) clearLink(ctx context.Context, c *client.Client, location string) error {
	if err := api.CheckLinkLocation(location); err != nil {
		return err
	}
	err := c.DeleteLink(ctx, location)
	if client.IsNotFound(err) {
		return r.print(struct{}{}, func(w io.Writer) {
			fmt.Fprintln(w, clean("There was nothing to clear of the link of "+location+". Those that are declared: rackswarm links"))
		})
	}
	if err != nil {
		return err
	}
	return r.linkForgotten(location)
}

func (r *run) linkForgotten(location string) error {
	return r.print(struct{}{}, func(w io.Writer) {
		fmt.Fprintln(w, clean("The link of "+location+" is forgotten; what agents' files say of it counts"))
	})
}

func (r *run) completeLink(_ *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return r.offer(func(ctx context.Context, c *client.Client) ([]string, error) {
		list, err := c.Links(ctx)
		var all []string
		for _, l := range list.Links {
			all = append(all, l.Location)
		}
		return all, err
	})
}

func writeLinks(w io.Writer, list api.LinkList) {
	if list.StoreDown {
		fmt.Fprintf(w, "The store does not answer: this is what the agent that was asked knew last.\n\n")
	}
	if len(list.Links) == 0 {
		fmt.Fprintln(w, "No link of a location is declared: none limits transfers. See: rackswarm links --help")
	}
	all := list.Links
	if host, ok := hostRow(list.Host); ok {
		all = append(slices.Clone(all), host)
	} else if list.Host != nil {
		fmt.Fprintln(w, clean(noSpeed(*list.Host)))
	}
	if len(all) == 0 {
		return
	}
	rows := [][]string{{"LINK", "", "CAPACITY", "OTHERS", "OURS", "BUDGET", "MEASURED", "BY"}}
	for _, l := range all {
		rows = append(rows, append([]string{l.Location, "up"}, append(linkCells(l.Up, l.Measured), measured(l), l.Source)...),
			append([]string{"", "down"}, append(linkCells(l.Down, l.Measured), "", onNode(l.Node))...))
	}
	table(w, rows)
	fmt.Fprintln(w, "Rates are on the wire; explain and limits of nodes tell those of content, which are a little lower.")
	for _, l := range all {
		if most := ceilings(l); most != "" {
			fmt.Fprintln(w, clean(most))
		}
		for _, d := range []api.LinkDirection{l.Up, l.Down} {
			if d.Reason != "open" && d.Reason != "reserve" {
				fmt.Fprintln(w, clean(sentence(d.Why)))
			}
		}
		writeWarnings(w, l)
	}
}

func writeWarnings(w io.Writer, l api.LinkStatus) {
	for _, warning := range l.Warnings {
		fmt.Fprintln(w, clean("Warning: link of "+l.Location+" ("+warning.Fault+"): "+warning.Message))
	}
}

// ceilings says what operators let the fleet move over a link at most, "" for no such
// limit.
func ceilings(l api.LinkStatus) string {
	if l.Declared == nil || l.Declared.MaxUp == nil && l.Declared.MaxDown == nil {
		return ""
	}
	return fmt.Sprintf("Link of %s: at most %s for the fleet, as %s set it on %s", l.Location, ceilingRates(*l.Declared), l.Declared.By, l.Declared.From)
}

// ceilingRates are the ceilings of a link, such as "23.8 MiB/s up and 11.9 MiB/s down".
func ceilingRates(l api.Link) string {
	var parts []string
	for _, d := range []struct {
		most *int64
		name string
	}{{l.MaxUp, "up"}, {l.MaxDown, "down"}} {
		if d.most != nil {
			parts = append(parts, fmt.Sprintf("%s %s", unit.Rate(*d.most), d.name))
		}
	}
	return strings.Join(parts, " and ")
}

func linkCells(d api.LinkDirection, measured bool) []string {
	capacity, others := "not known", "-"
	if d.Capacity > 0 {
		capacity = unit.Rate(d.Capacity).String()
	}
	if measured {
		others = unit.Rate(d.Others).String()
	}
	return []string{capacity, others, unit.Rate(d.Ours).String(), d.Allowed().String()}
}

// measured says how old the measurement of a link is.
func measured(l api.LinkStatus) string {
	switch {
	case l.Measured && l.Age >= 60:
		return since(time.Duration(l.Age * float64(time.Second)))
	case l.Measured:
		return fmt.Sprintf("%.1f s ago", l.Age)
	case l.Source != "":
		return "not yet"
	}
	return "by nobody"
}

func onNode(name string) string {
	if name == "" {
		return ""
	}
	return "on " + name
}
