package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// diskImage is the size of the filesystem that trees are written to, in bytes.
// It is sparse.
const diskImage = 8 << 30

// placeDisk makes the directory for what is measured on a disk: as root on an
// ext4 of its own, in a file below dir, so that neither what the machine's
// filesystem holds nor its options matter. One without a journal, for instance,
// takes ever longer to make files where others were deleted in the last minutes.
// kind says what it is.
func placeDisk(dir string) (at, kind string, undo func() error) {
	plain := func(why error) (string, string, func() error) {
		return dir, fmt.Sprintf("the filesystem of the disk itself (%v)", why), func() error { return nil }
	}
	if os.Geteuid() != 0 {
		return plain(errors.New("one of its own needs root"))
	}
	image, at := filepath.Join(dir, "image"), filepath.Join(dir, "ext4")
	if err := errors.Join(os.WriteFile(image, nil, 0o600), os.Truncate(image, diskImage), os.Mkdir(at, 0o755)); err != nil {
		return plain(err)
	}
	for _, args := range [][]string{{"mkfs.ext4", "-q", "-F", image}, {"mount", "-o", "loop", image, at}} {
		if text, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil { //nolint:gosec // its arguments are ours
			return plain(fmt.Errorf("%s: %w%s", args[0], err, lastLines(string(text), 1)))
		}
	}
	return at, "an ext4 in a file on the disk", func() error {
		if text, err := exec.Command("umount", at).CombinedOutput(); err != nil { //nolint:gosec // likewise
			return fmt.Errorf("umount %s: %w%s", at, err, lastLines(string(text), 1))
		}
		return nil
	}
}
