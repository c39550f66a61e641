package filesdriver

import (
	"io/fs"
	"testing"
)

func FuzzParseManifest(f *testing.F) {
	f.Add([]byte(`{"version":"1","entries":{"a/b":{"type":"file","size":1,"sha256":"00"}}}`))
	f.Add([]byte(`{"version":"1","entries":{"../b":{"type":"dir"}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := parseManifest(data)
		if err != nil {
			return
		}
		for name := range m.Entries {
			if !fs.ValidPath(name) {
				t.Errorf("path %q leads out", name)
			}
		}
	})
}
