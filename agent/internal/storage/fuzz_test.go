package storage

import (
	"testing"

	"github.com/rackswarm/rackswarm/core/artifact"
)

// FuzzMode: no mode that a distribution asks for makes a file run as another
// user.
func FuzzMode(f *testing.F) {
	for _, seed := range []string{"0644", "", "4755", "2755", "7777", "8", "-1", "0x1", "1_0", "99999999999"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, kind := range []artifact.Kind{artifact.KindFile, artifact.KindTree} {
			mode, err := parseMode(text, kind)
			if err == nil && (mode < -1 || mode > 0o7777 || mode > 0 && mode&0o4000 != 0 || kind == artifact.KindFile && mode > 0 && mode&0o2000 != 0) {
				t.Fatalf("%q for a %v: %o", text, kind, mode)
			}
		}
		parseBootID(text)
		if safeName(text) == "" && text != "" {
			t.Fatalf("%q has no name", text)
		}
	})
}
