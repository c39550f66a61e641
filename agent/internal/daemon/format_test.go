package daemon

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/rackswarm/rackswarm/core/api"
)

func TestFormat(t *testing.T) {
	for _, c := range []struct {
		name, text string
		ok         bool
	}{
		{"of 0.1.0, or new", "", true},
		{"of today", "1\n", true},
		{"later", "2\n", false},
		{"zero", "0\n", false},
		{"no number", "one", false},
		{"empty", " ", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			if c.text != "" {
				if err := os.WriteFile(filepath.Join(dir, formatName), []byte(c.text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			err := checkFormat(dir)
			if c.ok {
				err = errors.Join(err, writeFormat(dir), checkFormat(dir))
			}
			var e *api.Error
			if (err == nil) != c.ok || err != nil && (!errors.As(err, &e) || e.Fix == "") {
				t.Errorf("error: %v", err)
			}
		})
	}
}
