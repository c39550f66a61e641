package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/rackswarm/rackswarm/acceptance/lab/plot"
	"github.com/rackswarm/rackswarm/core/scenario"
)

func (l *lab) reportFile(j job) string {
	return filepath.Join(l.out, fmt.Sprintf("%s.%s.%d.json", j.trial.scenario.Name, j.system, j.rep))
}

// conclude writes summary.json and the plots, prints the tables, and says where the
// reports are.
func (l *lab) conclude() error {
	var all []scenario.Report
	var errs []error
	for _, t := range l.trials {
		reports := l.reports(t)
		if len(reports) == 0 {
			continue // interrupted before any run of it began
		}
		all = append(all, reports...)
		errs = append(errs, printTables(l.stdout, t.scenario, reports), l.draw(t, reports), l.drawLinks(t, reports))
	}
	errs = append(errs, writeJSON(filepath.Join(l.out, "summary.json"), scenario.Summarize(all)))
	fmt.Fprintf(l.stdout, "\nThe reports are in %s.\n", l.out)
	return errors.Join(errs...)
}

// draw draws the plot of a scenario. With several scenarios, the name of each is
// put before the file's.
func (l *lab) draw(t *trial, reports []scenario.Report) error {
	file := cmp.Or(l.plot, filepath.Join(l.out, "plot.svg"))
	if len(l.trials) > 1 {
		dir, name := filepath.Split(file)
		file = filepath.Join(dir, t.scenario.Name+"."+name)
	}
	return writeSVG(file, func(w io.Writer) error { return plot.Complete(w, reports) })
}

// drawLinks draws the use of links by each system, in the run whose last finish is
// the median, if others use them or leave room to others.
func (l *lab) drawLinks(t *trial, reports []scenario.Report) error {
	if t.scenario.Bandwidth == nil && len(t.scenario.Background) == 0 {
		return nil
	}
	var errs []error
	for _, g := range groups(reports) {
		rep := g.middle()
		file := filepath.Join(l.out, fmt.Sprintf("%s.%s.links.svg", rep.Scenario, rep.System))
		err := writeSVG(file, func(w io.Writer) error { return plot.Links(w, rep) })
		if !errors.Is(err, plot.ErrNoLinks) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func writeSVG(file string, draw func(io.Writer) error) error {
	var svg bytes.Buffer
	if err := draw(&svg); err != nil {
		return err
	}
	return os.WriteFile(file, svg.Bytes(), 0o644) //nolint:gosec // everybody may read it
}

// reports are those of the runs of a scenario that were made.
func (l *lab) reports(t *trial) []scenario.Report {
	var all []scenario.Report
	for _, res := range l.results {
		if res.trial == t {
			all = append(all, res.report)
		}
	}
	return all
}

// writeJSON writes a file for people as well.
func writeJSON(file string, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("encode %s: %w", file, err)
	}
	return os.WriteFile(file, append(text, '\n'), 0o644) //nolint:gosec // everybody may read it
}
