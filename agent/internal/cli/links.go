package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/bandwidth"
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

type linkFlags struct{ up, down, reserve, maxUp, maxDown string }

func (r *run) linksSetCommand() *cobra.Command {
	var f linkFlags
	cmd := &cobra.Command{
		Use:   "set LOCATION [--up RATE] [--down RATE] [--reserve PART] [--max-up RATE] [--max-down RATE]",
		Short: "Say what the link of a location carries, and what the fleet may move over it",
		Long: `Say what the link between a location and what is above it carries, for the whole
fleet and within a second. It counts instead of what agents' files say; where a
device tells another capacity the lower one counts. What was never said is what the
files and devices say; a direction of which nobody says what it carries has the
floor, 1 MB/s. What was said and is left out stays: see rackswarm links clear.

--max-up and --max-down bound what all nodes together move over the link, whatever
it carries, on the wire; unlimited takes such a limit away. A link of which nothing
else is said has no other limit.`,
		Args: takesOne("LOCATION"), ValidArgsFunction: r.completeLocation,
		RunE: r.command(func(ctx context.Context, args []string) error { return r.setLink(ctx, args[0], f) }),
	}
	cmd.Flags().StringVar(&f.up, "up", "", "what the link carries out of the location, such as 1Gbit")
	cmd.Flags().StringVar(&f.down, "down", "", "what it carries into the location")
	cmd.Flags().StringVar(&f.reserve, "reserve", "", "the part of it that stays free, such as 20%")
	cmd.Flags().StringVar(&f.maxUp, "max-up", "", "what all nodes together may move out of the location over it, such as 200Mbit, or unlimited")
	cmd.Flags().StringVar(&f.maxDown, "max-down", "", "what they may move into the location")
	said := []string{"up", "down", "reserve", "max-up", "max-down"}
	cmd.MarkFlagsOneRequired(said...)
	cmd.PreRunE = notEmpty(said...)
	return cmd
}

func (r *run) setLink(ctx context.Context, location string, f linkFlags) error {
	said := api.Link{Location: location}
	if err := f.say(&said); err != nil {
		return err
	}
	if said.SaysWhatItCarries() || said.MaxUp != nil || said.MaxDown != nil { // or a ceiling is only taken away
		if err := said.Validate(); err != nil {
			return err
		}
	}
	c, err := r.connect()
	if err != nil {
		return err
	}
	l, err := changeLink(ctx, c, location, f)
	if err != nil {
		return err
	}
	if !l.SaysWhatItCarries() && l.MaxUp == nil && l.MaxDown == nil {
		return r.clearLink(ctx, c, location)
	}
	nodes, err := c.Nodes(ctx)
	if err != nil {
		return err
	}
	return r.print(l, func(w io.Writer) {
		fmt.Fprintln(w, clean("The link of "+l.Location+" is declared. See: rackswarm links"))
		for _, note := range idleCeilings(l) {
			fmt.Fprintln(w, note)
		}
		if !inhabited(nodes, l.Location) {
			fmt.Fprintln(w, clean(nobodyIn(l.Location)))
		}
	})
}

// changes bounds how often a change starts over because another operator changed the
// same link meanwhile.
const changes = 10

// changeLink has operators say of a link what the flags do, beside what they said
// already, and returns all of it. If nothing is left it says nothing yet.
func changeLink(ctx context.Context, c *client.Client, location string, f linkFlags) (l api.Link, err error) {
	for range changes {
		was, err := declaredLink(ctx, c, location)
		if err != nil {
			return l, err
		}
		l = was
		if err := f.say(&l); err != nil || !l.SaysWhatItCarries() && l.MaxUp == nil && l.MaxDown == nil {
			return l, err
		}
		l, err = c.SwapLink(ctx, l, was)
		var conflict *api.Error
		if !errors.As(err, &conflict) || conflict.Code != api.CodeConflict {
			return l, err
		}
	}
	return l, &api.Error{Code: api.CodeConflict, Subject: location, Message: "others kept changing this link at the same time", Fix: "try again"}
}

// declaredLink is what operators say of a link so far.
func declaredLink(ctx context.Context, c *client.Client, location string) (api.Link, error) {
	list, err := c.Links(ctx)
	if err != nil {
		return api.Link{}, err
	}
	for _, l := range list.Links {
		if l.Location == location && l.Declared != nil {
			return *l.Declared, nil
		}
	}
	return api.Link{Location: location}, nil
}

// say has l say what the flags do. A ceiling of unlimited is none.
func (f linkFlags) say(l *api.Link) error {
	for _, d := range []struct {
		flag, text string
		into       **int64
	}{{"--up", f.up, &l.Up}, {"--down", f.down, &l.Down}, {"--max-up", f.maxUp, &l.MaxUp}, {"--max-down", f.maxDown, &l.MaxDown}} {
		if d.text == "" {
			continue
		}
		rate, err := linkRate(d.flag, d.text)
		if err != nil {
			return err
		}
		*d.into = &rate
		if unit.Rate(rate) == unit.Unlimited && (d.into == &l.MaxUp || d.into == &l.MaxDown) {
			*d.into = nil
		}
	}
	if f.reserve == "" {
		return nil
	}
	reserve, err := reserved(f.reserve)
	if err != nil {
		return usage("--reserve", err.Error(), "write a part of the capacity, such as 20%")
	}
	l.Reserve = &reserve
	return nil
}

// idleCeilings says which ceilings of a link never count, as it carries less.
func idleCeilings(l api.Link) (notes []string) {
	for _, d := range []struct {
		name           string
		most, capacity *int64
	}{{"up", l.MaxUp, l.Up}, {"down", l.MaxDown, l.Down}} {
		if d.most != nil && d.capacity != nil && *d.most > *d.capacity {
			notes = append(notes, fmt.Sprintf("Its ceiling --max-%s, %s, never counts: it carries %s, and the lower one counts.",
				d.name, unit.Rate(*d.most), unit.Rate(*d.capacity)))
		}
	}
	return notes
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

// linkRate reads what a link carries, or may carry of ours.
func linkRate(flag, text string) (int64, error) {
	rate, err := unit.ParseRate(text)
	switch {
	case err != nil:
		return 0, usage(flag, fmt.Sprintf("%q is no rate", text), rateFix)
	case rate == 0:
		return 0, usage(flag, "0 lets nothing pass; zero never means unlimited", rateFix)
	case unit.WithoutUnit(text):
		return 0, usage(flag, fmt.Sprintf("%s of what?", text), rateFix)
	}
	return int64(rate), nil
}

// reserved reads the part of a link that stays free, less than all of it.
func reserved(text string) (float64, error) {
	part, err := bandwidth.ParsePart(text)
	if err == nil && part == 1 {
		err = errors.New("100% would leave nothing to anybody")
	}
	return float64(part), err
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
	if err := c.DeleteLink(ctx, location); err != nil {
		return err
	}
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
	for _, l := range all {
		if most := ceilings(l); most != "" {
			fmt.Fprintln(w, clean(most))
		}
		for _, d := range []api.LinkDirection{l.Up, l.Down} {
			if d.Reason != "open" && d.Reason != "reserve" {
				fmt.Fprintln(w, clean(sentence(d.Why)))
			}
		}
		for _, warning := range l.Warnings {
			fmt.Fprintln(w, clean("Warning: link of "+l.Location+" ("+warning.Fault+"): "+warning.Message))
		}
	}
}

// ceilings says what operators let the fleet move over a link at most, "" for no such
// limit.
func ceilings(l api.LinkStatus) string {
	if l.Declared == nil || l.Declared.MaxUp == nil && l.Declared.MaxDown == nil {
		return ""
	}
	var parts []string
	for _, d := range []struct {
		most *int64
		name string
	}{{l.Declared.MaxUp, "up"}, {l.Declared.MaxDown, "down"}} {
		if d.most != nil {
			parts = append(parts, fmt.Sprintf("%s %s", unit.Rate(*d.most), d.name))
		}
	}
	return fmt.Sprintf("Link of %s: at most %s for the fleet, as %s set it on %s", l.Location, strings.Join(parts, " and "), l.Declared.By, l.Declared.From)
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
	case l.Measured:
		return time.Duration(l.Age*float64(time.Second)).Round(100*time.Millisecond).String() + " ago"
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
