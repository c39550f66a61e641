package cli

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/client"
)

func (r *run) peersCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "peers [NAME | DIGEST]",
		Short: "Show whom an agent fetches from and gives to",
		Long: `Show the transfers in which the agent that is asked, by default that of this
machine, takes part now, and with whom: all of them, or that of a distribution
or an artifact. Amounts are block payload since the agent joined the transfer.`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: r.completeTransfer,
		RunE: r.command(func(ctx context.Context, args []string) error {
			c, err := r.connect()
			if err != nil {
				return err
			}
			digest, err := digestOfArg(ctx, c, args)
			if err != nil {
				return err
			}
			list, err := c.Transfers(ctx, digest)
			if err != nil {
				return err
			}
			return r.print(list, func(w io.Writer) { writePeers(w, list) })
		}),
	}
}

// digestOfArg is the digest that is named, or that of the distribution that is;
// "" for no argument.
func digestOfArg(ctx context.Context, c *client.Client, args []string) (string, error) {
	if len(args) == 0 || strings.HasPrefix(args[0], "sha256:") {
		return strings.Join(args, ""), nil
	}
	d, err := c.Distribution(ctx, args[0])
	return d.Digest, err
}

func writePeers(w io.Writer, list api.TransferList) {
	if len(list.Transfers) == 0 {
		fmt.Fprintf(w, "%s takes part in no such transfer now.\n", clean(list.Node))
		return
	}
	for i, t := range list.Transfers {
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "%s  %s, %s, %s\n", t.Digest, clean(list.Node), clean(t.Role), lack(t))
		if len(t.Peers) == 0 {
			fmt.Fprintln(w, "no peer was connected yet")
			continue
		}
		rows := [][]string{{"PEER", "LOCATION", "STATE", "DOWN", "UP", "RATE", "LATENCY", "DUPLICATE", "BAD", "REQUESTS", "REJECTS"}}
		for _, p := range t.Peers {
			rows = append(rows, []string{
				p.Name, peerPlace(p), peerState(p), size(p.Down), size(p.Up), rate(p.Rate), latency(p.LatencySeconds),
				size(p.Duplicate), size(p.Bad), strconv.Itoa(p.Requests), strconv.Itoa(p.Rejects),
			})
		}
		table(w, rows)
	}
}

// lack says what the agent still needs.
func lack(t api.Transfer) string {
	switch {
	case t.Spans == 0:
		return "without the manifest"
	case t.Missing == 0:
		return "complete"
	case t.Unserved == 0:
		return fmt.Sprintf("lacks %d of %d spans", t.Missing, t.Spans)
	}
	return fmt.Sprintf("lacks %d of %d spans, %d of them with no peer", t.Missing, t.Spans, t.Unserved)
}

func peerPlace(p api.Peer) string {
	if p.Foreign {
		return "-"
	}
	return place(p.Location)
}

func peerState(p api.Peer) string {
	switch {
	case !p.Connected:
		return "gone"
	case p.Initial:
		return "seeder"
	case p.Foreign:
		return "client"
	}
	return "up"
}

func latency(seconds float64) string {
	if seconds <= 0 {
		return "-"
	}
	d := time.Duration(seconds * float64(time.Second))
	return d.Round(max(d/100, time.Microsecond)).String()
}
