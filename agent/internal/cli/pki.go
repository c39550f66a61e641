package cli

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/rackswarm/rackswarm/agent/internal/pki"
)

func (r *run) pkiCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "pki", Short: "Make the fleet's certificates and publisher keys", Args: cobra.NoArgs}
	cmd.AddCommand(r.pkiInitCommand(), r.pkiIssueCommand())
	return cmd
}

func (r *run) pkiInitCommand() *cobra.Command {
	var dir, publisher string
	cmd := &cobra.Command{
		Use:   "init --dir DIR",
		Short: "Make a certificate authority and a publisher key",
		Long: `Make the fleet's certificate authority, which lasts ten years, and a publisher's
ed25519 key pair in DIR. Nothing is overwritten.

Keep ca.key and the publisher's key safe: with the former one can join the
fleet, with the latter decide what its nodes accept.`,
		Args: cobra.NoArgs,
		RunE: r.command(func(context.Context, []string) error {
			files, err := pki.InitCA(dir, pki.InitOptions{Publisher: publisher})
			if err != nil {
				return err
			}
			return r.print(files, func(w io.Writer) {
				table(w, [][]string{
					{"Authority", files.CACert, "every agent: tls.ca"},
					{"Its key", files.CAKey, "keep it here, off the agents"},
					{"Publisher key", files.PublisherKey, "agents that publish: publish.key"},
					{"Public half", files.PublisherPub, "every agent: trust"},
					{"Fingerprint", files.Publisher},
				})
				fmt.Fprintf(w, "\nNext, for every node: rackswarm pki issue --dir %s --role node --name NODE\n", dir)
			})
		}),
	}
	cmd.Flags().StringVar(&dir, "dir", "", "directory for the files (required)")
	cmd.Flags().StringVar(&publisher, "publisher", "publisher", "name of the publisher key pair")
	_ = cmd.MarkFlagRequired("dir")
	return cmd
}

func (r *run) pkiIssueCommand() *cobra.Command {
	var dir, role string
	var req pki.Request
	cmd := &cobra.Command{
		Use:   "issue --dir DIR --name NAME --role node|operator|reader",
		Short: "Issue a certificate",
		Long: `Issue a certificate for a node, or for a person or program that gives commands
over the network. NAME.crt and NAME.key are written. Issue again with --replace
before the certificate ends: agents notice the new files without a restart.

A node serves and fetches content, an operator may change everything, a reader
may look.`,
		Args: cobra.NoArgs,
		RunE: r.command(func(context.Context, []string) error {
			req.Role = pki.Role(role)
			files, err := pki.Issue(dir, req)
			if err != nil {
				return err
			}
			return r.print(files, func(w io.Writer) {
				table(w, [][]string{{"Certificate", files.Cert}, {"Key", files.Key}, {"Authority", files.CA}, {"Ends", files.NotAfter.Format(time.DateOnly)}})
			})
		}),
	}
	cmd.Flags().StringVar(&dir, "dir", "", "directory of the authority (required)")
	cmd.Flags().StringVar(&req.Name, "name", "", "name of the holder; of a node: its node.name (required)")
	cmd.Flags().StringVar(&role, "role", "", "node, operator or reader (required)")
	cmd.Flags().StringArrayVar(&req.Hosts, "host", nil, "a host name or address to put in as well; repeat it to name several")
	cmd.Flags().IntVar(&req.Days, "days", pki.DefaultDays, "how long it lasts, at most 731")
	cmd.Flags().StringVar(&req.Out, "out", "", "directory for the files (default: --dir)")
	cmd.Flags().BoolVar(&req.Replace, "replace", false, "replace an older certificate of the same name")
	for _, name := range []string{"dir", "name", "role"} {
		_ = cmd.MarkFlagRequired(name)
	}
	_ = cmd.RegisterFlagCompletionFunc("role", cobra.FixedCompletions([]string{"node", "operator", "reader"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}
