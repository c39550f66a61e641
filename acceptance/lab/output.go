package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/rackswarm/rackswarm/core/scenario"
)

func (l *lab) reportFile(j job) string {
	return filepath.Join(l.out, fmt.Sprintf("%s.%s.%d.json", j.trial.scenario.Name, j.system, j.rep))
}

// conclude writes summary.json and the plots, and prints the tables.
func (l *lab) conclude() error {
	for _, t := range l.trials {
		reports := l.reports(t)
		if len(reports) > 0 {
			printTables(l.stdout, t.scenario, reports)
		}
	}
	return nil
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
