package pluginhost

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/hashicorp/go-plugin"
)

// openTrusted opens a regular file that only root and this process's user can
// change or replace.
func openTrusted(path string) (*os.File, error) {
	if !filepath.IsAbs(path) {
		return nil, fmt.Errorf("%q is no absolute path", path)
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, err
	}
	for dir := filepath.Dir(real); ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return nil, err
		}
		if err := trust(dir, info); err != nil {
			return nil, err
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	f, err := os.OpenFile(real, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0) // a FIFO would wait
	if err != nil {
		return nil, err
	}
	if err := trustFile(path, f); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func trustFile(path string, f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is no regular file", path)
	}
	return trust(path, info)
}

// trust says who else could change what stands at path: another owner, a group,
// or everybody. In a directory with the sticky bit nobody can replace what is
// another's.
func trust(path string, info fs.FileInfo) error {
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Errorf("%s: its owner is not known", path)
	}
	if owner.Uid != 0 && int(owner.Uid) != os.Geteuid() {
		return fixf("chown root "+path, "%s belongs to user %d, who could change it", path, owner.Uid)
	}
	if info.IsDir() && info.Mode()&fs.ModeSticky != 0 {
		return nil
	}
	if info.Mode().Perm()&0o002 != 0 {
		return fixf("chmod o-w "+path, "%s can be written to by everybody (mode %04o)", path, info.Mode().Perm())
	}
	if info.Mode().Perm()&0o020 != 0 && owner.Gid != 0 && int(owner.Gid) != os.Getegid() {
		return fixf("chmod g-w "+path, "%s can be written to by group %d (mode %04o)", path, owner.Gid, info.Mode().Perm())
	}
	return nil
}

// openProgram opens the program p and compares its content with the catalogue.
// Errors are *Error with ReasonUntrusted. The caller closes the file.
func openProgram(catalog string, p Program) (*os.File, error) {
	refused := func(err error, fix string) error {
		return &Error{Kind: p.Kind, Driver: p.Name, Reason: ReasonUntrusted, Message: err.Error(), Fix: fix}
	}
	f, err := openTrusted(p.Path)
	if err != nil {
		return nil, refused(err, fixOf(err))
	}
	info, err := f.Stat()
	if err == nil && info.Mode().Perm()&0o111 == 0 {
		err = fixf("chmod a+x "+p.Path, "%s is not executable (mode %04o)", p.Path, info.Mode().Perm())
	}
	if err != nil {
		f.Close()
		return nil, refused(err, fixOf(err))
	}
	secure := plugin.SecureConfig{Checksum: p.SHA256[:], Hash: sha256.New()}
	same, err := secure.Check(fmt.Sprintf("/proc/self/fd/%d", f.Fd())) // what is open, not what stands at the path by now
	if err != nil {
		f.Close()
		return nil, refused(fmt.Errorf("read %s: %w", p.Path, err), "")
	}
	if !same {
		f.Close()
		return nil, refused(fmt.Errorf("%s has another SHA-256 than line %d of %s says", p.Path, p.Line, catalog),
			"if you replaced the program, write the new one into the catalogue: sha256sum "+p.Path)
	}
	return f, nil
}
