package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/client"
	"github.com/rackswarm/rackswarm/core/unit"
)

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

// setLink says of a link what the flags do, and forgets it if nothing is left.
func (r *run) setLink(ctx context.Context, location string, f linkFlags) error {
	said := api.Link{Location: location}
	if err := f.say(&said); err != nil {
		return err
	}
	if !said.SaysNothing() { // or a ceiling is only taken away
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
	if l.SaysNothing() {
		return r.linkForgotten(location)
	}
	nodes, err := c.Nodes(ctx)
	if err != nil {
		return err
	}
	return r.print(l, func(w io.Writer) {
		fmt.Fprintln(w, clean(linkSaid(said, l)+" See: rackswarm links"))
		for _, note := range idleCeilings(l) {
			fmt.Fprintln(w, note)
		}
		if !inhabited(nodes, l.Location) {
			fmt.Fprintln(w, clean(nobodyIn(l.Location)))
		}
	})
}

// linkSaid is a sentence on what flags said of the link l: what it carries, or only its
// ceilings.
func linkSaid(said, l api.Link) string {
	switch {
	case said.SaysWhatItCarries():
		return "The link of " + l.Location + " is declared."
	case said.SaysNothing():
		return "A ceiling of the link of " + l.Location + " is taken away."
	case said.MaxUp != nil && said.MaxDown != nil:
		return "The ceilings of the link of " + l.Location + " are set."
	}
	return "The ceiling of the link of " + l.Location + " is set."
}

// changeTries bounds how often a change starts over because another operator changed
// the same link meanwhile.
const changeTries = 10

// changeLink adds what the flags say of a link to what operators said of it, stores that
// and returns all of it. If nothing is left that is stored.
func changeLink(ctx context.Context, c *client.Client, location string, f linkFlags) (l api.Link, err error) {
	for range changeTries {
		was, err := declaredLink(ctx, c, location)
		if err != nil {
			return l, err
		}
		l = was
		if err := f.say(&l); err != nil {
			return l, err
		}
		if l.SaysNothing() {
			err = c.SwapDeleteLink(ctx, was)
		} else {
			l, err = c.SwapLink(ctx, l, was)
		}
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

// say puts what the flags say into l. A ceiling of unlimited is none.
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

// idleCeilings are sentences that say which ceilings of a link never count, as it carries less.
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
