package show

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/rackswarm/rackswarm/core/unit"
)

// CheckSpace fails if a demo that needs so many bytes would not fit on the
// filesystem of dir.
func CheckSpace(dir string, needed int64) error {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return fmt.Errorf("look at the space in %s: %w", dir, err)
	}
	if free := int64(st.Bavail) * st.Bsize; free < needed {
		return fmt.Errorf("%s has %s free and the demo needs %s; set TMPDIR to a directory with more", dir, unit.Bytes(free), unit.Bytes(needed))
	}
	return nil
}
