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
floor, 1 MB/s, and the answer warns of that. What was said and is left out stays:
see rackswarm links clear. The answer says what is in force then.

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
	if err := api.CheckLinkLocation(location); err != nil {
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
	was, l, err := changeLink(ctx, c, location, f)
	if err != nil {
		return err
	}
	if l.SaysNothing() && !was.SaysNothing() {
		return r.linkForgotten(location)
	}
	nodes, err := c.Nodes(ctx)
	if err != nil {
		return fmt.Errorf("what is said of the link of %s is in the store; read what is in force: %w", location, err)
	}
	now, err := linkNow(ctx, c, location)
	if err != nil {
		return fmt.Errorf("what is said of the link of %s is in the store; read what is in force: %w", location, err)
	}
	return r.print(linkChange{l, now}, func(w io.Writer) {
		fmt.Fprintln(w, clean(linkSaid(said, was, l)+" See: rackswarm links"))
		writeInForce(w, l, now, inhabited(nodes, l.Location))
	})
}

// writeInForce writes what follows from what operators say of a link: now is what the
// asked agent goes by, nil if nobody declares it, and inhabited whether a node is there.
func writeInForce(w io.Writer, l api.Link, now *api.LinkStatus, inhabited bool) {
	if now != nil {
		fmt.Fprintln(w, clean(figures(*now)))
		writeWarnings(w, *now)
	}
	for _, note := range idleCeilings(l) {
		fmt.Fprintln(w, note)
	}
	if !inhabited {
		fmt.Fprintln(w, clean(nobodyIn(l.Location)))
	}
}

// linkChange is printed by links set: what operators say of the link, and what follows.
type linkChange struct {
	api.Link
	// InForce is what the asked agent goes by; left out if nobody declares the link.
	InForce *api.LinkStatus `json:"in_force,omitempty"`
}

// linkNow is what the asked agent knows of a link, nil if that is not declared.
func linkNow(ctx context.Context, c *client.Client, location string) (*api.LinkStatus, error) {
	list, err := c.Links(ctx)
	if err != nil {
		return nil, err
	}
	for _, l := range list.Links {
		if l.Location == location {
			return &l, nil
		}
	}
	return nil, nil
}

// figures says what the fleet may move over a link now, and what that follows from.
func figures(l api.LinkStatus) string {
	text := "In force: " + directionNow(l.Up) + " up, " + directionNow(l.Down) + " down"
	if l.Up.Capacity > 0 || l.Down.Capacity > 0 {
		text += fmt.Sprintf("; %s stay free", bandwidth.Part(l.Reserve))
	}
	if d := l.Declared; d != nil && ceilingRates(*d) != "" {
		text += "; at most " + ceilingRates(*d) + " for the fleet"
	}
	return text + "."
}

// directionNow is what may be moved in a direction, and of what, if that is known.
func directionNow(d api.LinkDirection) string {
	if d.Capacity == 0 || d.Budget == nil {
		return d.Allowed().String()
	}
	return fmt.Sprintf("%s of %s", d.Allowed(), unit.Rate(d.Capacity))
}

// linkSaid is a sentence on what flags said of the link l, of which operators said was
// before: what it carries, or only its ceilings.
func linkSaid(said, was, l api.Link) string {
	of := "of the link of " + l.Location
	switch gone := ceilingsGone(was, l); {
	case said.SaysWhatItCarries():
		return "The link of " + l.Location + " is declared."
	case said.MaxUp != nil && said.MaxDown != nil:
		return "The ceilings " + of + " are set."
	case !said.SaysNothing():
		return "The ceiling " + of + " is set."
	case gone == 0:
		return "There was no such ceiling " + of + ": nothing is changed."
	case gone == 1:
		return "A ceiling " + of + " is taken away."
	}
	return "The ceilings " + of + " are taken away."
}

// ceilingsGone is how many ceilings a link had that it has no more.
func ceilingsGone(was, l api.Link) (n int) {
	for _, d := range [][2]*int64{{was.MaxUp, l.MaxUp}, {was.MaxDown, l.MaxDown}} {
		if d[0] != nil && d[1] == nil {
			n++
		}
	}
	return n
}

// changeTries bounds how often a change starts over because another operator changed
// the same link meanwhile.
const changeTries = 10

// changeLink adds what the flags say of a link to what operators said of it, stores that,
// and returns what they said before and all of what they say now. If nothing is left that
// is stored. To take a ceiling away that is not there changes nothing.
func changeLink(ctx context.Context, c *client.Client, location string, f linkFlags) (was, l api.Link, err error) {
	for range changeTries {
		was, err = declaredLink(ctx, c, location)
		if err != nil {
			return was, l, err
		}
		l = was
		if err := f.say(&l); err != nil {
			return was, l, err
		}
		switch {
		case f.onlyLifts() && ceilingsGone(was, l) == 0:
			return was, l, nil
		case l.SaysNothing():
			err = c.SwapDeleteLink(ctx, was)
		default:
			l, err = c.SwapLink(ctx, l, was)
		}
		var conflict *api.Error
		if !errors.As(err, &conflict) || conflict.Code != api.CodeConflict {
			return was, l, err
		}
	}
	return was, l, &api.Error{Code: api.CodeConflict, Subject: location, Message: "others kept changing this link at the same time", Fix: "try again"}
}

// onlyLifts reports whether the flags do nothing but take ceilings away.
func (f linkFlags) onlyLifts() bool {
	var said api.Link
	return f.say(&said) == nil && said.SaysNothing()
}

// declaredLink is what operators say of a link so far.
func declaredLink(ctx context.Context, c *client.Client, location string) (api.Link, error) {
	l, err := linkNow(ctx, c, location)
	if err != nil || l == nil || l.Declared == nil {
		return api.Link{Location: location}, err
	}
	return *l.Declared, nil
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
