package busy

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"

	"github.com/rackswarm/rackswarm/core/unit"
)

// Disk is a filesystem in an image, on a block device of its own.
type Disk struct{ dir, image string }

// room is what the filesystem and those who keep it busy need.
const room = 128 * unit.MiB

// NewDisk makes one with room for some content at dir, a directory. Its image is
// beside it.
func NewDisk(dir string, content unit.Bytes) (*Disk, error) {
	d := &Disk{dir, dir + ".image"}
	if err := os.WriteFile(d.image, nil, 0o600); err != nil {
		return nil, err
	}
	if err := os.Truncate(d.image, int64(content+content/4+room)); err != nil {
		return nil, err
	}
	for _, words := range [][]string{{"mkfs.ext4", "-q", "-F", d.image}, {"mount", "-o", "loop", d.image, dir}} {
		if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("make the disk of a host: %s: %w: %s; the faults disk need root and loop devices", words[0], err, bytes.TrimSpace(out))
		}
	}
	return d, nil
}

// Close removes the disk. It may be called more than once.
func (d *Disk) Close() error {
	err := unix.Unmount(d.dir, unix.MNT_DETACH)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) {
		err = nil // it was done before
	}
	if err != nil {
		err = fmt.Errorf("remove the disk at %s: %w", d.dir, err)
	}
	return errors.Join(err, os.RemoveAll(d.image))
}
