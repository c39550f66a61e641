// Package scenarios has the experiments of the lab, and a test that they are what
// they say.
package scenarios

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rackswarm/rackswarm/core/scenario"
)

// Each file has the name of its scenario, and says its bound, at its head and in the
// README.
func TestFilesSayWhatTheyAre(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no scenarios", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		s, err := scenario.Parse(file, text)
		if err != nil {
			t.Error(err)
			continue
		}
		if s.Name+".yaml" != file {
			t.Errorf("%s has the name %s", file, s.Name)
		}
		bound, err := s.Bound()
		if err != nil {
			t.Error(err)
		}
		if head := fmt.Sprintf("\n# Bound: %.1f s", bound.Time.Seconds()); !strings.Contains(string(text), head) {
			t.Errorf("%s does not say %q", file, head)
		}
		line := fmt.Sprintf("| [%s](%s) |", s.Name, file)
		_, row, ok := strings.Cut(string(readme), line)
		row, _, _ = strings.Cut(row, "\n")
		if end := fmt.Sprintf("| %.1f s |", bound.Time.Seconds()); !ok || !strings.HasSuffix(row, end) {
			t.Errorf("README.md has no line that begins with %q and ends with %q", line, end)
		}
	}
}
