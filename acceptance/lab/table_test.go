package main

import (
	"os"
	"strings"
	"testing"

	"github.com/rackswarm/rackswarm/core/scenario"
)

// Each column of the tables has a line in the README that says what it is.
func TestEachColumnIsExplained(t *testing.T) {
	text, err := os.ReadFile("scenarios/README.md")
	if err != nil {
		t.Fatal(err)
	}
	readme := string(text)
	titles := append(header(t, func(w *strings.Builder) error { return scenario.Table(w, []scenario.Summary{{System: "rackswarm"}}) }),
		header(t, func(w *strings.Builder) error { return scenario.SiteTable(w, []scenario.Site{{System: "rackswarm"}}) })...)
	for _, c := range details {
		titles = append(titles, c.title)
	}
	for _, title := range titles {
		if !strings.Contains(readme, "\n| "+title+" | ") {
			t.Errorf("the README does not say what %q is", title)
		}
	}
}

// header are the titles of a table in Markdown, without that of the systems.
func header(t *testing.T, write func(*strings.Builder) error) []string {
	t.Helper()
	var table strings.Builder
	if err := write(&table); err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(table.String(), "\n")
	var titles []string
	for _, cell := range strings.Split(strings.Trim(first, "|"), "|")[1:] {
		titles = append(titles, strings.TrimSpace(cell))
	}
	if len(titles) < 2 {
		t.Fatalf("the header is %q", first)
	}
	return titles
}
