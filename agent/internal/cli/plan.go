package cli

import (
	"context"
	"fmt"
	"io"
	"math"

	"github.com/spf13/cobra"

	"github.com/rackswarm/rackswarm/core/scenario"
	"github.com/rackswarm/rackswarm/core/topo"
	"github.com/rackswarm/rackswarm/core/unit"
)

const planHelp = `Say how long a distribution that a scenario file describes takes at least, and
what limits it; how long it will take, as the simulator has it; and how many bytes
will cross each uplink. See "rackswarm sim" for the format.

Rates are those of the links; the times count that of 1514 bytes on a link 1448 are
payload. "within" is what all hosts and links below a location can pass on together;
/ is the root. The exit codes are those of "rackswarm sim".`

// tightest is how many limits a plan names.
const tightest = 5

// plan is what "rackswarm plan" answers.
type plan struct {
	Scenario string             `json:"scenario"`
	Bound    float64            `json:"bound_s"` // zero without receivers, and if Never
	Never    bool               `json:"never"`   // a link that some receiver needs passes nothing
	Limits   []limit            `json:"limits"`  // the tightest first
	Time     float64            `json:"predicted_s"`
	Median   float64            `json:"predicted_median_s"`
	Uplinks  []uplinkBytes      `json:"uplinks"`
	Failed   []scenario.Failure `json:"failed"` // receivers that will not have it
}

// limit is a term of the bound.
type limit struct {
	Text string  `json:"text"`
	Time float64 `json:"time_s"`
}

// uplinkBytes is what crosses an uplink.
type uplinkBytes struct {
	Location unit.Location `json:"location"`
	In       int64         `json:"bytes_in"`
	Out      int64         `json:"bytes_out"`
}

func (r *run) planCommand() *cobra.Command {
	var seed uint64
	cmd := &cobra.Command{
		Use:               "plan SCENARIO",
		Short:             "Say how long a distribution takes at least, and will take",
		Long:              planHelp,
		Args:              takesOne("SCENARIO"),
		ValidArgsFunction: completeScenario,
		RunE: r.command(func(_ context.Context, args []string) error {
			s, err := readScenario(args[0])
			if err != nil {
				return err
			}
			bound, err := s.Bound()
			if err != nil {
				return err
			}
			report, err := simulateOnce(s, seed, "")
			if err != nil {
				return err
			}
			p := newPlan(s, bound, report)
			if err := r.print(p, p.show); err != nil {
				return err
			}
			return allFinished([]scenario.Report{report})
		}),
	}
	cmd.Flags().Uint64Var(&seed, "seed", 1, "what is left to chance")
	return cmd
}

func newPlan(s *scenario.Scenario, bound topo.Bound, r scenario.Report) plan {
	p := plan{Scenario: s.Name, Bound: bound.Time.Seconds(), Never: bound.Time == math.MaxInt64, Time: r.Last, Median: r.Median, Limits: []limit{}, Uplinks: []uplinkBytes{}, Failed: r.Failed}
	for _, t := range bound.Terms[:min(tightest, len(bound.Terms))] {
		p.Limits = append(p.Limits, limit{t.String(), t.Time.Seconds()})
	}
	if p.Never {
		p.Bound = 0
	}
	size := float64(s.Artifact.Size)
	for _, l := range s.Locations {
		c := r.UplinkCopies[l.Location]
		p.Uplinks = append(p.Uplinks, uplinkBytes{l.Location, int64(c.Down * size), int64(c.Up * size)})
	}
	return p
}

func (p plan) show(w io.Writer) {
	p.showBound(w)
	rows := [][]string{{"UPLINK", "IN", "OUT"}}
	for _, u := range p.Uplinks {
		rows = append(rows, []string{u.Location.String(), size(u.In), size(u.Out)})
	}
	table(w, rows)
	showFailed(w, p.Failed)
}

// showBound writes the least time, what limits it, and the prediction.
func (p plan) showBound(w io.Writer) {
	if p.Never {
		fmt.Fprintf(w, "%s can never be complete, with %s.\n\n", clean(p.Scenario), p.Limits[0].Text)
		return
	}
	fmt.Fprintf(w, "%s takes at least %s:\n", clean(p.Scenario), inSeconds(p.Bound))
	for _, l := range p.Limits {
		fmt.Fprintf(w, "  %s for %s\n", inSeconds(l.Time), l.Text)
	}
	if p.Bound > 0 {
		fmt.Fprintf(w, "Predicted: %s for the last, %.2f times as long; %s for the median.\n\n", inSeconds(p.Time), p.Time/p.Bound, inSeconds(p.Median))
	}
}
