package download

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/atomicfile"
	"github.com/rackswarm/rackswarm/core/unit"
)

// progressName is the file beside the content that says which of it has arrived.
const progressName = "progress"

// progress is what is kept of a download. What it calls done is on the disk.
type progress struct {
	Version Version `json:"version"`
	Done    []span  `json:"done"`
}

func (t *transfer) path(name string) string { return filepath.Join(t.job.Dir, name) }

// open opens the file, and takes over what an earlier job has brought.
func (t *transfer) open() (err error) {
	t.ledger.size = unknown
	if t.file, err = os.OpenFile(t.path(t.job.Name), os.O_RDWR|os.O_CREATE, 0o644); err != nil {
		return err
	}
	text, err := os.ReadFile(t.path(progressName))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	// Whatever the umask: the mode is part of what is published.
	info, statErr := t.file.Stat()
	if err = errors.Join(err, statErr, t.file.Chmod(0o644)); err != nil {
		return errors.Join(err, t.file.Close())
	}
	if p, ok := readProgress(text, info.Size()); ok {
		t.version, t.ledger = &p.Version, ledger{size: p.Version.Size, done: p.Done}
	}
	return nil
}

// readProgress distrusts what it reads: without a sound record the download
// starts over.
func readProgress(text []byte, file int64) (p progress, ok bool) {
	if json.Unmarshal(text, &p) != nil || !sound(p.Version.Size, p.Done) || p.Version.validator() == "" {
		return progress{}, false
	}
	if n := len(p.Done); n > 0 && p.Done[n-1].To > file {
		return progress{}, false
	}
	return p, true
}

// save notes what has arrived, after making that durable.
func (t *transfer) save() error {
	t.saving.Lock()
	defer t.saving.Unlock()
	t.mu.Lock()
	if !t.resumable() {
		t.mu.Unlock()
		return removeIfThere(t.path(progressName))
	}
	text, err := json.Marshal(progress{*t.version, t.ledger.done})
	t.mu.Unlock()
	if err == nil {
		err = unix.Fdatasync(int(t.file.Fd()))
	}
	if err == nil {
		err = atomicfile.Write(t.path(progressName), text)
	}
	if err != nil {
		return localError{fmt.Errorf("keep the progress: %w", err)}
	}
	return nil
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return localError{err}
	}
	return nil
}

// finish makes the file exactly what was downloaded. The progress stays: a crash
// before the caller has taken the file costs no byte.
func (t *transfer) finish() error {
	if err := t.file.Truncate(t.ledger.size); err != nil {
		return localError{err}
	}
	return errors.Join(t.save(), syncFile(t.file))
}

func syncFile(f *os.File) error {
	if err := f.Sync(); err != nil {
		return localError{err}
	}
	return nil
}

func (t *transfer) discard() error {
	return errors.Join(t.file.Truncate(0), removeIfThere(t.path(progressName)))
}

// Kept reports whether dir has something that another Fetch goes on with.
func Kept(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, progressName))
	return err == nil
}

// Clear removes what Fetch needs no more in dir once the file is whole.
func Clear(dir string) error { return removeIfThere(filepath.Join(dir, progressName)) }

// fits checks, before the first byte, that there is room for size bytes; -1 is
// not known. What the file holds already gives way to them.
func (t *transfer) fits(size int64) error {
	var disk unix.Statfs_t
	var file unix.Stat_t
	fd := int(t.file.Fd())
	if err := errors.Join(unix.Fstatfs(fd, &disk), unix.Fstat(fd, &file)); err != nil {
		return localError{err}
	}
	free := int64(disk.Bavail)*disk.Bsize + file.Blocks*512
	if size <= free {
		return nil
	}
	return &api.Error{Code: api.CodeNoSpace, Subject: t.target.shown,
		Message: fmt.Sprintf("it takes %s (%d bytes), and the filesystem of state_dir has %s (%d bytes) available", unit.Bytes(size), size, unit.Bytes(free), free),
		Fix:     fmt.Sprintf("free %s on the filesystem of state_dir", unit.Bytes(size-free))}
}

// isFull reports whether the filesystem has nothing left.
func isFull(f *os.File) bool {
	var disk unix.Statfs_t
	return unix.Fstatfs(int(f.Fd()), &disk) == nil && disk.Bavail == 0
}
