package pgdriver

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/rackswarm/rackswarm/agent/drivers/internal/command"
	"github.com/rackswarm/rackswarm/core/pluginapi"
)

// Names in a data directory.
const (
	autoConf       = "postgresql.auto.conf"
	standbySignal  = "standby.signal"
	recoverySignal = "recovery.signal"
	backupLabel    = "backup_label"
	// roleFile has the role that Configure made the data for. It is written last.
	roleFile = "rackswarm.role"
)

func exists(dir, name string) bool {
	_, err := os.Lstat(filepath.Join(dir, name))
	return err == nil
}

// readText reads a file in dir, "" if that is not possible.
func readText(dir, name string) string {
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return ""
	}
	return string(data)
}

// replace writes a file of dir anew, as its owner's, durably and whole.
func replace(dir *os.Root, name, text string, owner *command.User, mode fs.FileMode) error {
	temporary := name + ".rackswarm"
	if err := dir.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := dir.OpenFile(temporary, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	err = errors.Join(err, f.Chmod(mode), chown(f, owner), f.Sync(), f.Close())
	if err == nil {
		err = dir.Rename(temporary, name)
	}
	return err
}

func chown(f *os.File, owner *command.User) error {
	if os.Geteuid() != 0 {
		return nil // made by the owner
	}
	return f.Chown(int(owner.UID), int(owner.GID))
}

// remove removes a file of dir that need not be there.
func remove(dir *os.Root, name string) error {
	if err := dir.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func syncDir(dir *os.Root) error {
	f, err := dir.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// own gives all files below dir to owner, with the modes that PostgreSQL asks
// for: nothing for others, and for the group what top, the mode of the directory
// itself, lets it (documentation of initdb, --allow-group-access).
func own(dir *os.Root, owner *command.User) error {
	top, err := dir.Stat(".")
	if err != nil {
		return err
	}
	mask := fs.FileMode(0o700)
	if top.Mode().Perm() == 0o750 {
		mask = 0o750
	}
	return fs.WalkDir(dir.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := dir.Lstat(name)
		if err != nil {
			return err
		}
		return ownOne(dir, name, info, owner, mask)
	})
}

func ownOne(dir *os.Root, name string, info fs.FileInfo, owner *command.User, mask fs.FileMode) error {
	st := info.Sys().(*syscall.Stat_t)
	if st.Uid != owner.UID || st.Gid != owner.GID {
		if info.Mode().IsRegular() && st.Nlink > 1 {
			return fault(pluginapi.CodeState, name, "remove the other name", "the file belongs to another user and has another name elsewhere")
		}
		if os.Geteuid() != 0 {
			return fault(pluginapi.CodeRefused, name, "run the agent as root, or place the files as "+owner.String(), "the file does not belong to %s", owner)
		}
		if err := dir.Lchown(name, int(owner.UID), int(owner.GID)); err != nil {
			return err
		}
	}
	want := info.Mode().Perm()
	switch {
	case info.IsDir():
		want = mask
	case info.Mode().IsRegular():
		want = mask & 0o640
	}
	if want == info.Mode().Perm() {
		return nil
	}
	return dir.Chmod(name, want)
}
