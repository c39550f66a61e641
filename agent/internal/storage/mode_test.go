package storage

import (
	"testing"

	"github.com/rackswarm/rackswarm/core/artifact"
)

// A distribution, which nobody signs, cannot make a file run as another user.
func TestModesThatADistributionMaySay(t *testing.T) {
	for _, c := range []struct {
		mode string
		kind artifact.Kind
		want int // -1 with an error for what is refused
	}{
		{"", artifact.KindFile, -1},
		{"0644", artifact.KindFile, 0o644},
		{"2775", artifact.KindTree, 0o2775}, // of the top directory: files inherit its group
		{"1777", artifact.KindTree, 0o1777},
	} {
		if got, err := parseMode(c.mode, c.kind); err != nil || got != c.want {
			t.Errorf("mode %q of a %s: %o, %v", c.mode, c.kind, got, err)
		}
	}
	for _, kind := range []artifact.Kind{artifact.KindFile, artifact.KindTree} {
		for _, mode := range []string{"4755", "6755", "17777", "rwx", "-1"} {
			if got, err := parseMode(mode, kind); err == nil {
				t.Errorf("mode %q of a %s is accepted as %o", mode, kind, got)
			}
		}
	}
	if got, err := parseMode("2755", artifact.KindFile); err == nil {
		t.Errorf("setgid of a file is accepted as %o", got)
	}
}
