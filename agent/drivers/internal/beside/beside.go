// Package beside opens directories in which the database's own user may write, and
// exchange one name for another, while a driver works there as root.
package beside

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Open opens dir, which is dataDir or lies somewhere below the directory above it,
// and follows no symbolic link from there on: with one in the place of the captured
// files, root would give files elsewhere to the user who put it there. Of another
// dir only the last name is looked at like that. The error is a *fs.PathError.
func Open(dataDir, dir string) (*os.Root, error) {
	above := filepath.Dir(dataDir)
	below, err := filepath.Rel(above, dir)
	if err != nil || !filepath.IsLocal(below) || below == "." {
		above, below = filepath.Dir(dir), filepath.Base(dir)
	}
	at, err := unix.Open(above, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	for name := range strings.SplitSeq(below, "/") {
		if err != nil {
			return nil, &os.PathError{Op: "open", Path: dir, Err: err}
		}
		var next int
		next, err = unix.Openat(at, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		unix.Close(at)
		at = next
	}
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: dir, Err: err}
	}
	defer unix.Close(at)
	return os.OpenRoot(fmt.Sprintf("/proc/self/fd/%d", at)) // what is open, whatever stands there by now
}
