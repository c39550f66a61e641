package restore

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rackswarm/rackswarm/core/api"
)

// Names in a capture, and in a copy of one.
const (
	manifestName = "backup.json"
	dataName     = "data"
)

// maxManifest bounds what is read of a manifest, in bytes.
const maxManifest = 1 << 20

// manifest is backup.json: what the capture beside it is, for restores and for
// people who find it without a store.
type manifest struct {
	Format   int               `json:"format"`
	Name     string            `json:"name"` // of the backup, or of the run if it keeps none
	Database string            `json:"database"`
	Run      string            `json:"run"`
	Node     string            `json:"node"`
	TakenAt  time.Time         `json:"taken_at"`
	Content  api.BackupContent `json:"content"`
}

// manifestFormat is raised when older agents would misread what is written.
const manifestFormat = 1

// writeManifest puts m into an open directory, beside the data.
func writeManifest(dir *os.File, m manifest) error {
	m.Format = manifestFormat
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("encode %s: %w", manifestName, err)
	}
	path := filepath.Join(dir.Name(), manifestName)
	fd, err := unix.Openat(int(dir.Fd()), manifestName, unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return diskError("write", path, err)
	}
	f := os.NewFile(uintptr(fd), path)
	_, err = f.Write(append(text, '\n'))
	return diskError("write", path, errors.Join(err, f.Close()))
}

// readManifest reads what writeManifest wrote. The error wraps fs.ErrNotExist if
// there is none.
func readManifest(dir *os.File) (manifest, error) {
	path := filepath.Join(dir.Name(), manifestName)
	fd, err := unix.Openat(int(dir.Fd()), manifestName, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return manifest{}, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxManifest))
	if err != nil {
		return manifest{}, diskError("read", path, err)
	}
	m, err := parseManifest(text)
	if err != nil {
		return manifest{}, &api.Error{Code: api.CodeCorrupt, Subject: path, Message: err.Error(), Fix: "restore a copy that rackswarm captured"}
	}
	return m, nil
}

func parseManifest(text []byte) (m manifest, err error) {
	if err := json.Unmarshal(text, &m); err != nil {
		return manifest{}, fmt.Errorf("it is not what rackswarm writes beside a capture: %w", err)
	}
	if m.Format != manifestFormat {
		return manifest{}, fmt.Errorf("its format is %d, and this agent knows %d", m.Format, manifestFormat)
	}
	return m, nil
}
