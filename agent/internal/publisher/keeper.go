package publisher

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/artifact"
)

const (
	incomingPrefix = "incoming-"
	// downloadPrefix begins the directories of downloads that are not complete,
	// which survive a restart.
	downloadPrefix = "download-"
	// contentName is the published file or directory inside of its own one, so
	// that modes of the content never apply to what holds it.
	contentName = "content"
)

// keeper keeps content that clients streamed or that was downloaded, by digest.
type keeper struct{ dir string }

// openKeeper deletes what was unfinished.
func openKeeper(state string) (*keeper, error) {
	k := &keeper{filepath.Join(state, "artifacts")}
	if err := os.MkdirAll(k.dir, 0o700); err != nil {
		return nil, keepError(k.dir, err)
	}
	entries, err := os.ReadDir(k.dir)
	if err != nil {
		return nil, keepError(k.dir, err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), incomingPrefix) {
			if err := os.RemoveAll(filepath.Join(k.dir, e.Name())); err != nil {
				return nil, keepError(k.dir, err)
			}
		}
	}
	return k, nil
}

func keepError(path string, err error) error {
	e := &api.Error{Code: api.CodeIO, Subject: path, Message: err.Error(), Fix: "check the filesystem of state_dir and its permissions"}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		e.Code, e.Fix = api.CodeNoSpace, "make space on the filesystem of state_dir"
	}
	return e
}

// begin makes a directory for content that is on its way.
func (k *keeper) begin() (dir string, err error) {
	dir, err = os.MkdirTemp(k.dir, incomingPrefix)
	if err != nil {
		return "", keepError(k.dir, err)
	}
	return dir, nil
}

// download returns the directory of a download that is not complete, which may
// have been there before.
func (k *keeper) download(key string) (dir string, err error) {
	dir = filepath.Join(k.dir, downloadPrefix+key)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", keepError(dir, err)
	}
	return dir, nil
}

// drop deletes a directory that begin or download made, if it is still there.
func (k *keeper) drop(dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return keepError(dir, err)
	}
	return nil
}

func (k *keeper) path(d artifact.Digest) string {
	return filepath.Join(k.dir, hex.EncodeToString(d[:]))
}

// content is where the copy of an artifact lies, if there is one.
func (k *keeper) content(d artifact.Digest) string { return filepath.Join(k.path(d), contentName) }

// settle gives the directory its place for good. What was there before takes
// its place in turn, for the caller to drop; replaced says whether there was
// something.
func (k *keeper) settle(dir string, d artifact.Digest) (replaced bool, err error) {
	to := k.path(d)
	err = unix.Renameat2(unix.AT_FDCWD, dir, unix.AT_FDCWD, to, unix.RENAME_EXCHANGE)
	replaced = err == nil
	if errors.Is(err, fs.ErrNotExist) {
		err = os.Rename(dir, to)
	}
	if err != nil {
		return false, keepError(to, fmt.Errorf("move %s there: %w", dir, err))
	}
	return replaced, nil
}

// unsettle undoes settle, where nothing was replaced.
func (k *keeper) unsettle(dir string, d artifact.Digest) error {
	if err := os.Rename(k.path(d), dir); err != nil {
		return keepError(dir, err)
	}
	return nil
}

// remove deletes the copy of an artifact, if there is one. A crash in the middle
// leaves nothing that could be taken for content.
func (k *keeper) remove(d artifact.Digest) error {
	out, err := k.begin()
	if err != nil {
		return err
	}
	err = os.Rename(k.path(d), filepath.Join(out, "old"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(keepError(k.path(d), err), k.drop(out))
	}
	return k.drop(out)
}
