package storage

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// reserveName, beside a kept version, is a file that takes the space which the
// way back to that version needs for notes, for when the disk is full by then.
const reserveName = "reserve"

const (
	// reserveNotes is how many notes the way back writes that are as long as an
	// index, counting those that are replaced.
	reserveNotes = 8
	reserveBase  = 256 << 10 // for directories and small notes
	reserveMax   = 64 << 20
)

// reserve sets space aside in a directory for a kept version whose index takes so
// many bytes. The version is kept without it where there is too little.
func (p *Placement) reserve(kept *os.Root, noteBytes int) {
	f, err := kept.OpenFile(reserveName, os.O_WRONLY|os.O_CREATE, 0o600)
	if err == nil {
		size := min(int64(reserveNotes*noteBytes)+reserveBase, reserveMax)
		err = errors.Join(unix.Fallocate(int(f.Fd()), 0, 0, size), f.Close())
	}
	if err != nil {
		_ = kept.Remove(reserveName)
		p.m.log.Debug("no space is reserved for the way back", "path", p.dest.path, "error", err)
	}
}

// useReserve gives back what is reserved for coming back to the placement's
// version, now that it does.
func (p *Placement) useReserve() error {
	x := p.readKept()
	if x == nil || *x.Digest != p.mf.Digest() {
		return nil
	}
	kept, err := p.parent.OpenRoot(p.keptName())
	if err != nil {
		return err
	}
	defer kept.Close()
	if err := kept.Remove(reserveName); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
