package cli

import (
	"strings"
	"testing"
)

// FuzzFlags: flags that are read by rules of their own are values, or an error
// that says what to write and, of a header, not what was written.
func FuzzFlags(f *testing.F) {
	for _, seed := range []string{"role=web", "=", "a=b=c", "1MiB", "16KiB", "1e99TiB", "-1", "Authorization: Bearer secret", "a:b\r\nc:d", ":", "", "no colon secret", "\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if labels, err := parseLabels([]string{text, text}); err == nil && len(labels) != 1 {
			t.Fatalf("%q: labels %v", text, labels)
		}
		if n, err := parsePieceSize(text); err == nil && n != 0 && (n < 16<<10 || n > 16<<20 || n&(n-1) != 0) {
			t.Fatalf("%q: pieces of %d", text, n)
		}
		if _, err := readHeaders([]string{text}, ""); err != nil && strings.Contains(text, "secret") && strings.Contains(err.Error(), "secret") {
			t.Fatalf("%q is told: %v", text, err)
		}
	})
}
