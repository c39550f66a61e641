package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/artifact"
)

// attributes are what a distribution says about owners and modes; -1 is
// nothing.
type attributes struct{ uid, gid, mode int }

// parseAttributes reads owner and group, names or numbers, and an octal mode.
func parseAttributes(r *Request) (a attributes, err error) {
	if a.uid, err = lookUp(r.Owner, "owner", func(name string) (string, error) {
		u, err := user.Lookup(name)
		if err != nil {
			return "", err
		}
		return u.Uid, nil
	}); err != nil {
		return a, err
	}
	if a.gid, err = lookUp(r.Group, "group", func(name string) (string, error) {
		g, err := user.LookupGroup(name)
		if err != nil {
			return "", err
		}
		return g.Gid, nil
	}); err != nil {
		return a, err
	}
	a.mode, err = parseMode(r.Mode, r.Manifest.Kind())
	return a, err
}

func lookUp(name, what string, find func(string) (string, error)) (int, error) {
	if name == "" {
		return -1, nil
	}
	number := name
	if _, err := strconv.ParseUint(name, 10, 31); err != nil {
		if number, err = find(name); err != nil {
			return -1, &api.Error{Code: api.CodeInvalid, Subject: what + " " + name, Message: fmt.Sprintf("this node does not know the %s", what),
				Fix: "create it on the node, or write its number"}
		}
	}
	id, err := strconv.ParseUint(number, 10, 31)
	if err != nil {
		return -1, fmt.Errorf("number %q of %s %s: %w", number, what, name, err)
	}
	return int(id), nil
}

// parseMode reads an octal mode. Setuid, and setgid of a file, are refused:
// distributions are not signed, and may not make a program run as another user.
func parseMode(s string, kind artifact.Kind) (int, error) {
	if s == "" {
		return -1, nil
	}
	mode, err := strconv.ParseUint(s, 8, 32)
	if err != nil || mode > 0o7777 {
		return -1, &api.Error{Code: api.CodeInvalid, Subject: "mode " + s, Message: "the mode is not an octal number up to 7777", Fix: "write for example 0644"}
	}
	if mode&0o4000 != 0 || mode&0o2000 != 0 && kind == artifact.KindFile {
		return -1, &api.Error{Code: api.CodeInvalid, Subject: "mode " + s, Message: "a distribution cannot make a file run as another user", Fix: "publish the file with that mode, or leave the bit out"}
	}
	return int(mode), nil
}

// of returns the mode of the artifact's file or top directory, which the
// distribution may override.
func (a attributes) of(mode uint32, top bool) uint32 {
	if top && a.mode >= 0 {
		return uint32(a.mode)
	}
	return mode
}

// fix gives name in dir the owner and, if it is no link, the mode that it
// should have. It reports whether they were others.
func (a attributes) fix(dir *os.Root, name string, info fs.FileInfo, mode uint32) (bool, error) {
	chown, chmod := a.wrong(info, mode)
	if chown {
		if err := dir.Lchown(name, a.uid, a.gid); err != nil {
			return false, err
		}
	}
	if !chmod {
		return chown, nil
	}
	return true, dir.Chmod(name, fileMode(mode)) // after chown, which clears setuid
}

// wrong reports whether fix has to set the owner, and the mode.
func (a attributes) wrong(info fs.FileInfo, mode uint32) (chown, chmod bool) {
	st := info.Sys().(*syscall.Stat_t)
	chown = a.uid >= 0 && uint32(a.uid) != st.Uid || a.gid >= 0 && uint32(a.gid) != st.Gid
	return chown, info.Mode()&fs.ModeSymlink == 0 && (chown || st.Mode&0o7777 != mode)
}

// modeBits are those that Go writes as others than Unix.
var modeBits = [...]struct {
	unix uint32
	mode fs.FileMode
}{{unix.S_ISUID, fs.ModeSetuid}, {unix.S_ISGID, fs.ModeSetgid}, {unix.S_ISVTX, fs.ModeSticky}}

// fileMode writes the 12 bits of a Unix mode as Go does.
func fileMode(mode uint32) fs.FileMode {
	m := fs.FileMode(mode & 0o777)
	for _, b := range modeBits {
		if mode&b.unix != 0 {
			m |= b.mode
		}
	}
	return m
}

// mender makes everything of a content right that peers are not needed for.
type mender struct {
	*content
	attr   attributes
	mended []string // what was not right, by path; "." is the top
}

// dirs creates directories that are missing. What is in the way is set aside,
// except for a symbolic link, which goes.
func (d *mender) dirs() error {
	for _, dir := range d.mf.Dirs() {
		if dir.Path == "" {
			continue
		}
		info, err := d.root.Lstat(dir.Path)
		if err == nil && info.IsDir() {
			continue
		}
		if err == nil {
			err = d.clear(dir.Path, info)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := d.root.Mkdir(dir.Path, 0o700); err != nil {
			return err
		}
		d.mended = append(d.mended, dir.Path)
	}
	return nil
}

// clear takes away what is where something else belongs.
func (d *mender) clear(name string, info fs.FileInfo) error {
	if info.Mode()&fs.ModeSymlink != 0 {
		return d.root.Remove(name)
	}
	parent, err := d.root.OpenRoot(path.Dir(name))
	if err != nil {
		return err
	}
	defer parent.Close()
	_, err = setAside(parent, path.Base(name), parent, path.Base(name))
	return err
}

// links makes the symbolic links what they should be, owners included.
func (d *mender) links() error {
	for _, l := range d.mf.Links() {
		info, err := d.root.Lstat(l.Path)
		if err == nil && info.Mode()&fs.ModeSymlink != 0 {
			if target, err := d.root.Readlink(l.Path); err == nil && target == l.Target {
				if err := d.owner(l.Path, info); err != nil {
					return err
				}
				continue
			}
		}
		if err := d.link(l, info); err != nil {
			return err
		}
	}
	return nil
}

func (d *mender) owner(name string, info fs.FileInfo) error {
	fixed, err := d.attr.fix(d.root, name, info, 0)
	if fixed {
		d.mended = append(d.mended, name)
	}
	return err
}

// link puts a link where info, nil for nothing, says something else is.
func (d *mender) link(l artifact.Link, info fs.FileInfo) error {
	if info != nil {
		if err := d.clear(l.Path, info); err != nil {
			return err
		}
	}
	if err := d.root.Symlink(l.Target, l.Path); err != nil {
		return err
	}
	d.mended = append(d.mended, l.Path)
	if d.attr.uid < 0 && d.attr.gid < 0 {
		return nil
	}
	return d.root.Lchown(l.Path, d.attr.uid, d.attr.gid)
}

// empties creates the files without content; what is in them is cut off.
func (d *mender) empties() error {
	for i, f := range d.files {
		if f.Length > 0 {
			continue
		}
		name := d.path(i)
		info, err := d.root.Lstat(name)
		if err == nil && info.Mode().IsRegular() && info.Size() == 0 {
			continue
		}
		if err == nil && !info.Mode().IsRegular() {
			err = d.clear(name, info)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		file, err := d.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
		if err != nil {
			return err
		}
		if err := file.Close(); err != nil {
			return err
		}
		d.mended = append(d.mended, f.Path)
	}
	return nil
}

// modes gives files their modes and owners and returns them as they are then.
// Only those are touched that stand as found says.
func (d *mender) modes(ctx context.Context, found []fs.FileInfo) error {
	if !d.anyWrong(found) {
		return nil
	}
	list := d.folders()
	fixed := make([]bool, len(d.files))
	err := parallel(ctx, len(list), func(_ context.Context, _, n int) error {
		dir, err := d.root.OpenRoot(list[n].path)
		if gone(err) {
			return nil
		}
		if err != nil {
			return err
		}
		defer dir.Close()
		for _, i := range list[n].files {
			if found[i] == nil {
				continue
			}
			base := path.Base(d.path(i))
			if fixed[i], err = d.attr.fix(dir, base, found[i], d.fileMode(i)); err != nil {
				return err
			}
			if fixed[i] {
				if found[i], err = dir.Lstat(base); err != nil {
					return err
				}
			}
		}
		return nil
	})
	for i, f := range d.files {
		if fixed[i] {
			d.mended = append(d.mended, f.Path)
		}
	}
	return err
}

func (d *mender) fileMode(i int) uint32 { return d.attr.of(d.files[i].Mode, d.name != "") }

// anyWrong reports whether a file has another mode or owner than it should have.
func (d *mender) anyWrong(found []fs.FileInfo) bool {
	for i, info := range found {
		if info == nil {
			continue
		}
		if chown, chmod := d.attr.wrong(info, d.fileMode(i)); chown || chmod {
			return true
		}
	}
	return false
}

// dirModes comes last, children before parents: a mode may forbid an agent
// that is not root to write.
func (d *mender) dirModes(ctx context.Context) error {
	dirs := d.mf.Dirs()
	found := make([]fs.FileInfo, len(dirs))
	err := parallel(ctx, len(dirs), func(_ context.Context, _, n int) (err error) {
		found[n], err = d.root.Lstat(path.Join(".", dirs[n].Path))
		return err
	})
	if err != nil {
		return err
	}
	for n := len(dirs) - 1; n >= 0; n-- {
		name := path.Join(".", dirs[n].Path)
		fixed, err := d.attr.fix(d.root, name, found[n], d.attr.of(dirs[n].Mode, dirs[n].Path == ""))
		if err != nil {
			return err
		}
		if fixed {
			d.mended = append(d.mended, name)
		}
	}
	return nil
}
