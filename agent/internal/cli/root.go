package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"
)

const rootHelp = `rackswarm puts large content on many machines and keeps it there: nodes fetch
from each other along the real network, so that one copy crosses each uplink.

Any agent answers for the whole fleet. Commands ask the one at --endpoint.

Exit codes: 0 done, 1 failed, 2 wrong command line, 3 partial success,
130 interrupted.`

// globals are the flags of all commands.
type globals struct {
	endpoints     []string
	ca, cert, key string
	json          bool
	timeout       time.Duration
}

func (r *run) rootCommand() *cobra.Command {
	return r.program("rackswarm", "Distribute large content inside data centers", rootHelp,
		r.agentCommand(), r.publishCommand(), r.distributeCommand(), r.statusCommand(), r.watchCommand(), r.explainCommand(), r.peersCommand(), r.nodesCommand(),
		r.artifactsCommand(), r.torrentCommand(), r.verifyCommand(), r.activateCommand(), r.rollbackCommand(),
		r.pauseTransfers(), r.resumeTransfers(), r.stopTransfers(), r.limitCommand(), r.limitsCommand(), r.linksCommand(), r.rmCommand(), r.gcCommand(), r.planCommand(), r.simCommand(), r.pkiCommand(), r.versionCommand("rackswarm"),
	)
}

// program is a root command with the flags that all programs have.
func (r *run) program(name, short, long string, commands ...*cobra.Command) *cobra.Command {
	root := &cobra.Command{
		Use:           name,
		Short:         short,
		Long:          long,
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       thisVersion().line(name),
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetOut(r.Stdout)
	root.SetErr(r.Stderr)
	f := root.PersistentFlags()
	f.StringArrayVar(&r.flags.endpoints, "endpoint", nil, "an agent: unix:///path or https://host:port; repeat it to name several, the first that answers is used (env RACKSWARM_ENDPOINTS, separated by commas) (default unix:///run/rackswarm/agent.sock)")
	f.StringVar(&r.flags.ca, "ca", "", "PEM file of the fleet's authority, for https (env RACKSWARM_CA)")
	f.StringVar(&r.flags.cert, "cert", "", "PEM file of this client's certificate, for https (env RACKSWARM_CERT)")
	f.StringVar(&r.flags.key, "key", "", "PEM file of its key, for https (env RACKSWARM_KEY)")
	f.BoolVar(&r.flags.json, "json", false, "print JSON")
	f.DurationVar(&r.flags.timeout, "timeout", 0, "give up after this time, such as 10m (default: never)")
	root.AddCommand(commands...)
	return root
}

// command makes fn what a cobra command runs, under the timeout.
func (r *run) command(fn func(ctx context.Context, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		r.began = true
		ctx := cmd.Context()
		if r.flags.timeout < 0 {
			return usage("--timeout", r.flags.timeout.String()+" is no time to wait for", "write for example 10m, or leave it out to wait as long as it takes")
		}
		if r.flags.timeout > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, r.flags.timeout)
			defer cancel()
		}
		return fn(ctx, args)
	}
}
