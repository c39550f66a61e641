package filesdriver

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/rackswarm/rackswarm/core/pluginapi"
)

// manifestName is the file that a capture has beside the captured ones. It stays
// when they are restored, and is left out when they are captured again.
const manifestName = ".rackswarm-files.json"

// manifest says what was captured.
type manifest struct {
	Version string           `json:"version"`
	Entries map[string]entry `json:"entries"` // by slash-separated path
}

// entry is a file, a directory or a link.
type entry struct {
	Type   string `json:"type"`             // "file", "dir" or "link"
	Size   int64  `json:"size,omitempty"`   // of a file, in bytes
	SHA256 string `json:"sha256,omitempty"` // of a file, in hexadecimal
	Target string `json:"target,omitempty"` // of a link
}

func readManifest(dir string) (manifest, error) {
	data, err := os.ReadFile(filepath.Join(dir, manifestName))
	if err != nil {
		return manifest{}, fault(pluginapi.CodeCorrupt, manifestName, "fetch or capture it again", "%v", err)
	}
	m, err := parseManifest(data)
	if err != nil {
		return manifest{}, fault(pluginapi.CodeCorrupt, manifestName, "fetch or capture it again", "%v", err)
	}
	return m, nil
}

func parseManifest(data []byte) (manifest, error) {
	var m manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return manifest{}, err
	}
	if m.Version != format {
		return manifest{}, fmt.Errorf("its version is %q, not %q", m.Version, format)
	}
	for name := range m.Entries {
		if !fs.ValidPath(name) {
			return manifest{}, fmt.Errorf("path %q", name)
		}
	}
	return m, nil
}

// found is what a directory held at some moment.
type found map[string]stamp

// stamp tells one state of a file from another.
type stamp struct {
	mode           fs.FileMode
	size           int64
	device, inode  uint64
	mtime, changed syscall.Timespec
}

func stat(info fs.FileInfo) *syscall.Stat_t { return info.Sys().(*syscall.Stat_t) }

// list looks at all that is below dir but its manifest. Names are slash-separated.
func list(dir string) (found, error) {
	all := found{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil || name == "." || name == manifestName {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		st := stat(info)
		all[name] = stamp{mode: info.Mode(), size: info.Size(), device: st.Dev, inode: st.Ino, mtime: st.Mtim, changed: st.Ctim}
		return nil
	})
	return all, err
}

// sum is the length of all files in bytes.
func sum(all found) int64 {
	var n int64
	for _, s := range all {
		if s.mode.IsRegular() {
			n += s.size
		}
	}
	return n
}

// changed is the first name that differs between two lists, "" for none.
func changed(a, b found) string {
	least := ""
	note := func(name string) {
		if least == "" || name < least {
			least = name
		}
	}
	for name, s := range a {
		if other, ok := b[name]; !ok || other != s {
			note(name)
		}
	}
	for name := range b {
		if _, ok := a[name]; !ok {
			note(name)
		}
	}
	return least
}
