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

const distributeHelp = `State that an artifact belongs at a path on the nodes that match all that is
asked for, now and whenever a node joins later. Without --location, --label and
--node that is every node. Saying the same again changes nothing; saying
something else under the same name changes the distribution, and what is left
out then is as if it had never been said: name the selector, --keep-previous,
--activate, the hooks and what bounds the transfer each time.

--priority, --max-download, --max-upload and --window change a transfer that runs
within a second; it goes on from where it is. They hold on every node that takes
part, and the lowest of these and of what rackswarm limit says counts. A window is
days, times and a rate, for what a node receives and for what it sends:
  --window "mon-fri 08:00-18:00 20Mbit" --window "sat,sun 00:00-24:00 unlimited"
  --window "daily 22:00-06:00 unlimited" --window "otherwise 0"
Where windows overlap, the lowest rate counts; the rate 0 lets nothing move.

With --wait the command ends when every node holds the content, or when those
that do not have failed or are down. It then exits 0 if all nodes, or at least
--min-success percent of them, hold it; 3 if fewer do; 1 if none does.`

type distributeFlags struct {
	source     string
	labels     []string
	pieceSize  string
	download   string
	upload     string
	wait       bool
	minSuccess int
}

func (r *run) distributeCommand() *cobra.Command {
	var f distributeFlags
	var d api.Distribution
	cmd := &cobra.Command{
		Use:               "distribute NAME (--artifact DIGEST | --source SOURCE) --path DEST",
		Short:             "Put an artifact on nodes and keep it there",
		Long:              distributeHelp,
		Args:              takesOne("NAME"),
		ValidArgsFunction: r.completeDistribution,
		RunE: r.command(func(ctx context.Context, args []string) error {
			d.Name = args[0]
			return r.distribute(ctx, d, f)
		}),
	}
	flags := cmd.Flags()
	flags.StringVar(&d.Digest, "artifact", "", "digest of a published artifact")
	flags.StringVar(&f.source, "source", "", "publish this path, URL or node://NAME/PATH first")
	flags.StringVar(&f.pieceSize, "piece-size", "", "with --source: as in publish")
	flags.StringVar(&d.Path, "path", "", "where it belongs, inside an allowed root of every node (required)")
	flags.StringArrayVar(&d.Selector.Locations, "location", nil, "nodes in this location, at any depth; repeat it to name several")
	flags.StringArrayVar(&f.labels, "label", nil, "nodes with this label, key=value; repeat it to ask for several at once")
	flags.StringArrayVar(&d.Selector.NodeNames, "node", nil, "this node; repeat it to name several")
	flags.StringVar(&d.Owner, "owner", "", "user who shall own the content, name or number")
	flags.StringVar(&d.Group, "group", "", "group that shall own the content, name or number")
	flags.StringVar(&d.Mode, "mode", "", "octal mode of the file, or of the tree's top directory")
	flags.BoolVar(&d.Overwrite, "overwrite", false, "replace content at the path that rackswarm did not put there")
	flags.StringVar(&d.Activate, "activate", "", "when nodes switch to new content: each as soon as it has it, or together when all have it (default each)")
	flags.StringArrayVar(&d.Hooks.Before, "hook-before", nil, "hook of the agents' configuration to run before a node switches; repeat it to name several")
	flags.StringArrayVar(&d.Hooks.After, "hook-after", nil, "hook to run after it; one that fails brings the version before back")
	flags.BoolVar(&d.KeepPrevious, "keep-previous", false, "have nodes keep the version before, for a rollback that fetches nothing")
	flags.StringVar(&d.Priority, "priority", "", "background, normal or urgent: where links are short, what is more urgent goes first (default normal)")
	flags.StringVar(&f.download, "max-download", "", "what each node receives at most, such as 10MiB/s or 200Mbit")
	flags.StringVar(&f.upload, "max-upload", "", "what each node sends at most")
	flags.StringArrayVar(&d.Windows, "window", nil, "a rate at times of the week, such as \"mon-fri 08:00-18:00 20Mbit\" or \"otherwise 0\"; repeat it to name several")
	flags.StringVar(&d.TimeZone, "time-zone", "", "that the times of windows are in, such as Europe/Amsterdam (default UTC)")
	flags.BoolVar(&d.AllowEmpty, "allow-empty", false, "accept that no node matches now")
	flags.BoolVar(&f.wait, "wait", false, "wait for the nodes")
	flags.IntVar(&f.minSuccess, "min-success", 100, "with --wait: percent of the nodes that suffice")
	cmd.MarkFlagsOneRequired("artifact", "source")
	cmd.MarkFlagsMutuallyExclusive("artifact", "source")
	_ = cmd.MarkFlagRequired("path")
	cmd.PreRunE = notEmpty("artifact", "source", "path", "priority", "max-download", "max-upload", "time-zone")
	_ = cmd.RegisterFlagCompletionFunc("artifact", r.completeArtifact)
	_ = cmd.RegisterFlagCompletionFunc("activate", cobra.FixedCompletions([]cobra.Completion{api.ActivateEach, api.ActivateTogether}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("priority", cobra.FixedCompletions([]cobra.Completion{api.PriorityBackground, api.PriorityNormal, api.PriorityUrgent}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("node", r.completeNode)
	_ = cmd.RegisterFlagCompletionFunc("location", r.completeLocation)
	_ = cmd.RegisterFlagCompletionFunc("label", r.completeLabel)
	return cmd
}

func (r *run) distribute(ctx context.Context, d api.Distribution, f distributeFlags) error {
	d, err := f.read(d)
	if err != nil {
		return err
	}
	c, err := r.connect()
	if err != nil {
		return err
	}
	refusing, err := refusingNodes(ctx, c, d)
	if err != nil {
		return err
	}
	if f.source != "" {
		a, err := r.publishSource(ctx, c, f.source, publishFlags{pieceSize: f.pieceSize})
		if err != nil {
			return err
		}
		d.Digest = a.Digest
	}
	stated, err := c.PutDistribution(ctx, d)
	if err != nil {
		return trafficFlag(d, err)
	}
	if f.wait {
		return r.await(ctx, c, stated.Name, installed(stated.Generation, f.minSuccess))
	}
	return r.print(stated, func(w io.Writer) { writeStated(w, stated, refusing) })
}

// read returns d with what the flags say of it. What is to be published first is checked
// as far as that goes without its digest: hashing it may take long.
func (f distributeFlags) read(d api.Distribution) (api.Distribution, error) {
	if f.minSuccess < 1 || f.minSuccess > 100 {
		return d, usage("--min-success", fmt.Sprintf("%d is not a percentage", f.minSuccess), "write 1 to 100")
	}
	var err error
	if d.Selector.Labels, err = parseLabels(f.labels); err != nil {
		return d, err
	}
	if d.MaxDownload, err = ceilingOf("--max-download", f.download); err != nil {
		return d, err
	}
	if d.MaxUpload, err = ceilingOf("--max-upload", f.upload); err != nil {
		return d, err
	}
	if f.source != "" {
		err = checkAhead(d)
	}
	return d, trafficFlag(d, err)
}

// writeStated says where a distribution belongs now, and which nodes will refuse it.
func writeStated(w io.Writer, d api.Distribution, refusing []string) {
	fmt.Fprintf(w, "%s: %s belongs at %s. Watch it with: rackswarm watch %s\n", d.Name, d.Digest, d.Path, d.Name)
	if len(refusing) > 0 {
		fmt.Fprintln(w, clean("Not on "+few(refusing)+": the path is inside no allowed root there. See: rackswarm status "+d.Name))
	}
}

// ceilingOf reads a flag that is a ceiling; "" is none.
func ceilingOf(flag, text string) (*int64, error) {
	if text == "" {
		return nil, nil
	}
	n, err := api.ParseCeiling(flag, text)
	if err != nil {
		return nil, &exitError{exitUsage, err}
	}
	return n, nil
}

// trafficFlag names the flag in the place of the field that an error is about, if it
// bounds the transfer.
func trafficFlag(d api.Distribution, err error) error {
	e, ok := err.(*api.Error) //nolint:errorlint // what wraps another says more
	if !ok {
		return err
	}
	flag := map[string]string{"priority": "--priority", "time_zone": "--time-zone", "windows": "--window"}[e.Subject]
	for i := range d.Windows {
		if e.Subject == fmt.Sprintf("windows[%d]", i) {
			flag = "--window"
		}
	}
	if flag == "" {
		return err
	}
	return usage(flag, e.Message, e.Fix)
}

// checkAhead finds mistakes in all but the digest, which is not known yet.
func checkAhead(d api.Distribution) error {
	d.Digest = "sha256:" + strings.Repeat("0", 64)
	return d.Validate()
}

// await follows a distribution to the goal, prints how it ended, and returns the
// verdict.
func (r *run) await(ctx context.Context, c *client.Client, name string, g goal) error {
	st, err := r.follow(ctx, c, name, g, r.waitView())
	if err != nil {
		return err
	}
	if err := r.print(st, func(w io.Writer) { writeStatus(w, st) }); err != nil {
		return err
	}
	return verdict(ctx, st, g)
}
