package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/rackswarm/rackswarm/agent/internal/config"
	"github.com/rackswarm/rackswarm/core/api"
)

const agentHelp = `Run an agent: it fetches and keeps what distributions put on this node, and
answers commands for the whole fleet.

The configuration is a YAML file; environment variables override it. Write one
with

  rackswarm agent --print-config > ` + config.DefaultFile + `

Without --config and without that file, variables alone configure the agent.`

type agentFlags struct {
	config, check  string
	print          bool
	embedded       bool
	level, logForm string
}

func (r *run) agentCommand() *cobra.Command {
	var f agentFlags
	cmd := &cobra.Command{
		Use:   "agent",
		Short: "Run the agent of this node",
		Long:  agentHelp,
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r.began = true
			switch {
			case f.print:
				_, err := io.WriteString(r.Stdout, config.Example)
				return err
			case f.check != "":
				return r.checkConfig(cmd.Context(), f)
			}
			return r.runAgent(cmd.Context(), f)
		},
	}
	cmd.Flags().StringVar(&f.config, "config", "", "configuration file (env RACKSWARM_CONFIG) (default "+config.DefaultFile+")")
	cmd.Flags().StringVar(&f.check, "check-config", "", "check this file, print the settings in force or what is wrong, and end")
	cmd.Flags().BoolVar(&f.print, "print-config", false, "print a commented example of a configuration, and end")
	cmd.Flags().BoolVar(&f.embedded, "embedded-store", false, "the same as store.embedded: true")
	cmd.Flags().StringVar(&f.level, "log-level", "info", "debug, info, warn or error")
	cmd.Flags().StringVar(&f.logForm, "log-format", "text", "text or json")
	cmd.MarkFlagsMutuallyExclusive("config", "check-config", "print-config")
	return cmd
}

// environ are the variables, with flags that stand for settings.
func (r *run) environ(f agentFlags) []string {
	if !f.embedded {
		return r.Environ
	}
	return append(r.Environ[:len(r.Environ):len(r.Environ)], "RACKSWARM_STORE_EMBEDDED=true")
}

// checked is the outcome of --check-config.
type checked struct {
	File     string             `json:"file"`
	Settings []config.Effective `json:"settings"`
	Notes    []string           `json:"notes"`
}

func (r *run) checkConfig(ctx context.Context, f agentFlags) error {
	log, err := r.logger(f)
	if err != nil {
		return err
	}
	c, err := config.Load(f.check, r.environ(f))
	if err == nil && r.CheckAgent != nil {
		err = r.CheckAgent(ctx, c, log)
	}
	if err != nil {
		return err
	}
	out := checked{File: f.check, Settings: c.Settings(), Notes: append([]string{}, c.Notes...)}
	return r.print(out, func(w io.Writer) {
		fmt.Fprintf(w, "%s: ok\n", f.check)
		for _, n := range c.Notes {
			fmt.Fprintf(w, "Note: %s\n", clean(n))
		}
		fmt.Fprintln(w)
		rows := [][]string{{"SETTING", "VALUE", "FROM"}}
		for _, s := range out.Settings {
			rows = append(rows, []string{s.Key, dash(s.Value), s.From})
		}
		table(w, rows)
	})
}

func (r *run) runAgent(ctx context.Context, f agentFlags) error {
	log, err := r.logger(f)
	if err != nil {
		return err
	}
	file := r.configFile(f)
	c, err := config.Load(file, r.environ(f))
	if err != nil && file == "" {
		return errors.Join(noConfigFile(), err)
	}
	if err != nil {
		return err
	}
	for _, n := range c.Notes {
		log.Warn("configuration: " + n)
	}
	err = r.RunAgent(ctx, c, log)
	if ctx.Err() != nil && (err == nil || errors.Is(err, context.Canceled)) {
		return nil // asked to stop
	}
	return err
}

// noConfigFile says that variables alone had to configure the agent.
func noConfigFile() error {
	return &api.Error{Code: api.CodeNotFound, Subject: config.DefaultFile, Message: "no such configuration file, and the variables alone do not suffice",
		Fix: "write one with: rackswarm agent --print-config > " + config.DefaultFile + ", or name one with --config"}
}

// configFile is "" if none is named and there is none at the usual place.
func (r *run) configFile(f agentFlags) string {
	if f.config != "" {
		return f.config
	}
	if file := r.env("RACKSWARM_CONFIG"); file != "" {
		return file
	}
	if _, err := os.Stat(config.DefaultFile); errors.Is(err, os.ErrNotExist) {
		return ""
	}
	return config.DefaultFile
}

func (r *run) logger(f agentFlags) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(f.level)); err != nil {
		return nil, usage("--log-level", fmt.Sprintf("%q is not a level", f.level), "write debug, info, warn or error")
	}
	o := &slog.HandlerOptions{Level: level}
	switch f.logForm {
	case "text":
		return slog.New(slog.NewTextHandler(r.Stderr, o)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(r.Stderr, o)), nil
	}
	return nil, usage("--log-format", fmt.Sprintf("%q is not a format", f.logForm), "write text or json")
}
