package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/scenario"
	"github.com/rackswarm/rackswarm/core/sim"
	"github.com/rackswarm/rackswarm/core/trace"
)

const simHelp = `Run a scenario of the lab in virtual time, in which the agents' own logic decides
and the network is a model: no agent, no privilege and no network is needed. The
same scenario and seed give the same result; --reps takes as many seeds, one after
the other. A scenario is a YAML file:

  artifact: {size: 2GB}
  locations:                  # by path; uplink: the link to the location above
    ams1:    {uplink: 1Gbit}
    ams1/r1: {uplink: {up: 10Gbit, down: 10Gbit}, hosts: 20}
    fra1:    {uplink: 1Gbit, hosts: 5}
  host: {up: 1Gbit, down: 1Gbit}
  initial: ams1/r1/1          # the first host of ams1/r1 has the artifact
  receivers: all

All keys are in acceptance/lab/scenarios/README.md.

The exit code is 0 if all receivers finished that no fault kills for good, 1 if not,
and 2 if the file or a flag is wrong.`

// simulated is what "rackswarm sim" was asked for.
type simulated struct {
	seed     uint64
	reps     int
	trace    string
	strategy []string
}

func (r *run) simCommand() *cobra.Command {
	var o simulated
	cmd := &cobra.Command{
		Use:               "sim SCENARIO",
		Short:             "Simulate a distribution described by a scenario file",
		Long:              simHelp,
		Args:              takesOne("SCENARIO"),
		ValidArgsFunction: completeScenario,
		RunE: r.command(func(ctx context.Context, args []string) error {
			return r.simulate(ctx, args[0], o)
		}),
	}
	f := cmd.Flags()
	f.Uint64Var(&o.seed, "seed", 1, "what is left to chance")
	f.IntVar(&o.reps, "reps", 1, "repetitions, each with the next seed")
	f.StringVar(&o.trace, "trace", "", "write what each node sees and decides to this file, as agents do (one repetition only)")
	f.StringSliceVar(&o.strategy, "strategy", nil, "change the scenario's strategy, such as overlay=false,picker=rarest")
	return cmd
}

func (r *run) simulate(ctx context.Context, file string, o simulated) error {
	switch {
	case o.reps < 1:
		return usage("--reps", fmt.Sprintf("%d repetitions", o.reps), "ask for one at least")
	case o.reps > 1 && o.trace != "":
		return usage("--trace", "it is of one repetition", "leave out --reps")
	}
	s, err := readScenario(file)
	if err != nil {
		return err
	}
	if err := change(&s.Strategy, o.strategy); err != nil {
		return err
	}
	reports, err := repeatSim(ctx, s, o)
	if err != nil {
		return err
	}
	if err := r.print(reports, func(w io.Writer) { showReports(w, s, o.seed, reports) }); err != nil {
		return err
	}
	return allFinished(reports)
}

// allFinished is an error if receivers failed that no fault kills for good.
func allFinished(reports []scenario.Report) error {
	failed := 0
	for _, r := range reports {
		failed += r.Unexpected()
	}
	if failed == 0 {
		return nil
	}
	message := fmt.Sprintf("%d of %d receivers do not finish", failed, len(reports[0].Nodes)+len(reports[0].Failed))
	if len(reports) > 1 {
		message = fmt.Sprintf("%d receivers do not finish, in %d repetitions", failed, len(reports))
	}
	return &api.Error{Code: api.CodeCanceled, Subject: reports[0].Scenario, Message: message,
		Fix: "see the reasons above; rackswarm plan says how long the links need at least"}
}

// repeatSim runs the repetitions that were asked for.
func repeatSim(ctx context.Context, s *scenario.Scenario, o simulated) ([]scenario.Report, error) {
	var reports []scenario.Report
	for i := range o.reps {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		r, err := simulateOnce(s, o.seed+uint64(i), o.trace)
		if err != nil {
			return nil, err
		}
		reports = append(reports, r)
	}
	return reports, nil
}

// simulateOnce runs a scenario, and writes a trace if a file for it is named.
func simulateOnce(s *scenario.Scenario, seed uint64, traced string) (r scenario.Report, err error) {
	o := sim.Options{Seed: seed}
	if traced == "" {
		return sim.Run(s, o)
	}
	f, err := os.Create(traced)
	if err != nil {
		return r, &api.Error{Code: api.CodeIO, Subject: traced, Message: err.Error(), Fix: "name a file that can be written"}
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	lines := newTraceWriter(f)
	o.Trace = lines.write
	r, err = sim.Run(s, o)
	return r, errors.Join(err, lines.end())
}

// readScenario reads a scenario's file. What is wrong with it is an error in the
// command line, as a wrong flag is.
func readScenario(file string) (*scenario.Scenario, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, &exitError{exitUsage, &api.Error{Code: api.CodeIO, Subject: file, Message: err.Error(), Fix: "name a scenario file that can be read"}}
	}
	s, err := scenario.Parse(file, text)
	if err != nil {
		return nil, &exitError{exitUsage, err}
	}
	return s, nil
}

// change applies settings such as "overlay=false" to a strategy.
func change(s *scenario.Strategy, settings []string) error {
	switches := map[string]*bool{"overlay": &s.Overlay, "division": &s.Division, "stealing": &s.Stealing, "lowLatency": &s.LowLatency}
	for _, setting := range settings {
		key, value, _ := strings.Cut(setting, "=")
		if into := switches[key]; into != nil {
			on, err := strconv.ParseBool(value)
			if err != nil {
				return usage("--strategy "+setting, "not true or false", "write for example "+key+"=false")
			}
			*into = on
			continue
		}
		picker := scenario.Picker(value)
		known := []scenario.Picker{scenario.Stealing, scenario.Random, scenario.Rarest, scenario.Sequential, scenario.Market}
		if key != "picker" || !slices.Contains(known, picker) {
			return usage("--strategy "+setting, "not a setting of the strategy", "settings are overlay, division, stealing and lowLatency, true or false, and picker, one of stealing, random, rarest, sequential and market")
		}
		s.Picker = picker
	}
	return nil
}

// showReports writes a line for each repetition, and the first one's uplinks.
func showReports(w io.Writer, s *scenario.Scenario, seed uint64, reports []scenario.Report) {
	fmt.Fprintf(w, "%s: %s to %d receivers, at least %s\n", clean(s.Name), s.Artifact.Size, len(s.Receivers), inSeconds(reports[0].Bound))
	rows := [][]string{{"SEED", "DONE", "LAST", "÷ BOUND", "MEDIAN", "÷ BOUND", "SEEDING", "MOST COPIES"}}
	for i, r := range reports {
		loc, copies := worstUplink(r)
		rows = append(rows, []string{
			strconv.FormatUint(seed+uint64(i), 10), fmt.Sprintf("%d/%d", len(r.Nodes), len(r.Nodes)+len(r.Failed)),
			inSeconds(r.Last), times(r.LastOverBound), inSeconds(r.Median), times(r.MedianOverBound),
			times(r.SeedingRatio), copies + " into " + loc,
		})
	}
	table(w, rows)
	fmt.Fprintln(w)
	showUplinks(w, s, reports[0])
	showFailed(w, reports[0].Failed)
	for _, n := range reports[0].Notes {
		fmt.Fprintf(w, "note: %s\n", clean(n))
	}
}

// showFailed writes who does not get it, and why.
func showFailed(w io.Writer, failed []scenario.Failure) {
	for _, f := range failed {
		fmt.Fprintf(w, "%s: %s\n", f.Node, clean(f.Reason))
	}
}

// showUplinks writes what crossed the uplinks that the scenario limits.
func showUplinks(w io.Writer, s *scenario.Scenario, r scenario.Report) {
	rows := [][]string{{"UPLINK", "COPIES IN", "OUT", "BUSIEST IN", "OUT"}}
	for _, l := range s.Locations {
		c, use := r.UplinkCopies[l.Location], r.LinkUse[l.Location]
		rows = append(rows, []string{l.Location.String(), times(c.Down), times(c.Up), ofLink(use.Down), ofLink(use.Up)})
	}
	table(w, rows)
}

// worstUplink is where most copies came in.
func worstUplink(r scenario.Report) (loc, copies string) {
	loc, most := "-", 0.
	for l, c := range r.UplinkCopies {
		if c.Down > most || c.Down == most && l.String() < loc {
			loc, most = l.String(), c.Down
		}
	}
	return loc, times(most)
}

func inSeconds(s float64) string { return fmt.Sprintf("%.1f s", s) }
func times(x float64) string     { return fmt.Sprintf("%.2f", x) }

// ofLink is a share of a link's capacity; a link without capacity has none.
func ofLink(x float64) string {
	if math.IsNaN(x) {
		return "-"
	}
	return fmt.Sprintf("%.0f%%", 100*x)
}

func completeScenario(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return []cobra.Completion{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt
}

// traceWriter writes lines of a trace until one fails.
type traceWriter struct {
	w    io.Writer
	line []byte
	err  error
}

func newTraceWriter(w io.Writer) *traceWriter { return &traceWriter{w: w} }

func (t *traceWriter) write(l trace.Line) {
	if t.err != nil {
		return
	}
	if t.line, t.err = trace.Append(t.line[:0], l); t.err == nil {
		_, t.err = t.w.Write(t.line)
	}
}

func (t *traceWriter) end() error {
	if t.err != nil {
		return fmt.Errorf("write trace: %w", t.err)
	}
	return nil
}
