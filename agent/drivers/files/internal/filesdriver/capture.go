package filesdriver

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rackswarm/rackswarm/agent/drivers/internal/beside"
	"github.com/rackswarm/rackswarm/core/pluginapi"
)

// copier copies files of one directory into another.
type copier struct {
	from, to *os.Root
	rate     int64 // bytes per second, 0 for any
	began    time.Time
	done     int64 // bytes
	tell     func(done int64)
	buffer   []byte
}

// Capture implements pluginapi.DatabaseDriver: it copies the files, holes kept,
// and fails if any of them changed meanwhile.
func (d Driver) Capture(ctx context.Context, t pluginapi.Target, c pluginapi.CaptureRequest, progress func(pluginapi.Progress)) (pluginapi.Capture, error) {
	if err := check(t); err != nil {
		return pluginapi.Capture{}, err
	}
	before, err := list(t.DataDir)
	if errors.Is(err, fs.ErrNotExist) {
		return pluginapi.Capture{}, fault(pluginapi.CodeState, t.DataDir, "", "%v", err)
	}
	if err != nil {
		return pluginapi.Capture{}, changedOr(err, t.DataDir)
	}
	from, err := beside.Open(t.DataDir, t.DataDir)
	if err != nil {
		return pluginapi.Capture{}, err
	}
	defer from.Close()
	to, err := beside.Open(t.DataDir, c.Dir)
	if err != nil {
		return pluginapi.Capture{}, err
	}
	defer to.Close()
	total := sum(before)
	k := &copier{from: from, to: to, rate: c.MaxRate, began: time.Now(), buffer: make([]byte, 1<<20), tell: func(done int64) {
		if progress != nil {
			progress(pluginapi.Progress{Doing: "copy", Done: done, Total: total})
		}
	}}
	m, err := k.copyAll(ctx, before)
	if err != nil {
		return pluginapi.Capture{}, changedOr(err, t.DataDir)
	}
	after, err := list(t.DataDir)
	if err != nil {
		return pluginapi.Capture{}, changedOr(err, t.DataDir)
	}
	if name := changed(before, after); name != "" {
		return pluginapi.Capture{}, changedError(below(t.DataDir, name))
	}
	return pluginapi.Capture{Version: format, Bytes: total}, finish(to, m)
}

func changedError(path string) error {
	return fault(pluginapi.CodeState, path, "stop what writes there while it is captured", "it changed while it was copied")
}

// changedOr says of a file that was there and is gone that it changed.
func changedOr(err error, dir string) error {
	var e *fs.PathError
	switch {
	case errors.As(err, &e) && errors.Is(err, fs.ErrNotExist):
		return changedError(below(dir, e.Path))
	case errors.Is(err, syscall.ENOSPC):
		return fault(pluginapi.CodeNoSpace, dir, "make room for its copy", "%v", err)
	}
	return err
}

// copyAll copies what is listed. Directories get their modes last: files could
// not be written into those that are read-only.
func (k *copier) copyAll(ctx context.Context, all found) (manifest, error) {
	m := manifest{Version: format, Entries: map[string]entry{}}
	names := slices.Sorted(maps.Keys(all))
	for _, name := range names {
		e, err := k.copyOne(ctx, name, all[name])
		if err != nil {
			return m, err
		}
		if e.Type != "" {
			m.Entries[name] = e
		}
	}
	for _, name := range slices.Backward(names) {
		if s := all[name]; s.mode.IsDir() {
			if err := k.like(name, s); err != nil {
				return m, err
			}
		}
	}
	return m, nil
}

func (k *copier) copyOne(ctx context.Context, name string, s stamp) (entry, error) {
	switch s.mode.Type() {
	case fs.ModeDir:
		return entry{Type: "dir"}, k.to.Mkdir(name, 0o700)
	case fs.ModeSymlink:
		target, err := k.from.Readlink(name)
		if err == nil {
			err = k.to.Symlink(target, name)
		}
		return entry{Type: "link", Target: target}, errors.Join(err, k.owner(name))
	case 0:
		return k.copyFile(ctx, name, s)
	case fs.ModeSocket:
		return entry{}, nil // whoever listens there makes it anew
	}
	return entry{}, fault(pluginapi.CodeUnsupported, name, "keep it elsewhere", "it is neither a file, a directory nor a link")
}

func (k *copier) copyFile(ctx context.Context, name string, s stamp) (entry, error) {
	in, err := k.from.OpenFile(name, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return entry{}, err
	}
	defer in.Close()
	out, err := k.to.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return entry{}, err
	}
	h := sha256.New()
	err = k.extents(ctx, in, out, s.size, h)
	err = errors.Join(err, out.Truncate(s.size), out.Close())
	if err != nil {
		return entry{}, err
	}
	return entry{Type: "file", Size: s.size, SHA256: hex.EncodeToString(h.Sum(nil))}, k.like(name, s)
}

// extents copies the parts of a file that are no holes. h sees all of its bytes.
func (k *copier) extents(ctx context.Context, in, out *os.File, size int64, h hash.Hash) error {
	for at := int64(0); at < size; {
		data, err := in.Seek(at, unix.SEEK_DATA)
		switch {
		case errors.Is(err, syscall.ENXIO): // nothing but a hole
			data = size
		case errors.Is(err, syscall.EINVAL): // a filesystem without holes
			data = at
		case err != nil:
			return err
		}
		data = min(data, size)
		if err := k.zeros(ctx, h, data-at); err != nil {
			return err
		}
		end := size
		if hole, err := in.Seek(data, unix.SEEK_HOLE); err == nil {
			end = min(hole, size)
		}
		if err := k.piece(ctx, in, out, data, end, h); err != nil {
			return err
		}
		at = end
	}
	return nil
}

// zeros hashes n bytes of a hole.
func (k *copier) zeros(ctx context.Context, h hash.Hash, n int64) error {
	clear(k.buffer)
	for n > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		part := min(n, int64(len(k.buffer)))
		h.Write(k.buffer[:part])
		n -= part
		k.done += part
	}
	return nil
}

// piece copies the bytes from at to end.
func (k *copier) piece(ctx context.Context, in, out *os.File, at, end int64, h hash.Hash) error {
	for at < end {
		n, err := in.ReadAt(k.buffer[:min(end-at, int64(len(k.buffer)))], at)
		if n == 0 && err != nil {
			if errors.Is(err, io.EOF) {
				return changedError(in.Name())
			}
			return err
		}
		if _, err := out.WriteAt(k.buffer[:n], at); err != nil {
			return err
		}
		h.Write(k.buffer[:n])
		at += int64(n)
		k.done += int64(n)
		k.tell(k.done)
		if err := k.pause(ctx); err != nil {
			return err
		}
	}
	return nil
}

// pause waits as long as the rate asks for, and reports whether ctx has ended.
func (k *copier) pause(ctx context.Context) error {
	if k.rate <= 0 {
		return ctx.Err()
	}
	due := time.Duration(float64(k.done) / float64(k.rate) * float64(time.Second))
	timer := time.NewTimer(due - time.Since(k.began))
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// like gives a file the owner and the mode of its original.
func (k *copier) like(name string, s stamp) error {
	if err := k.owner(name); err != nil {
		return err
	}
	return k.to.Chmod(name, s.mode.Perm()|s.mode&(fs.ModeSetuid|fs.ModeSetgid|fs.ModeSticky))
}

// owner gives a file the owner of its original, if that is possible.
func (k *copier) owner(name string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := k.from.Lstat(name)
	if err != nil {
		return err
	}
	return k.to.Lchown(name, int(stat(info).Uid), int(stat(info).Gid))
}

// finish writes the manifest and has all that was written on the disk.
func finish(to *os.Root, m manifest) error {
	data, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if err := to.WriteFile(manifestName, append(data, '\n'), 0o644); err != nil {
		return err
	}
	dir, err := to.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(unix.Syncfs(int(dir.Fd())), dir.Close())
}

// Verify implements pluginapi.DatabaseDriver: it compares all files with the
// manifest.
func (d Driver) Verify(ctx context.Context, t pluginapi.Target, dir string, progress func(pluginapi.Progress)) error {
	if err := check(t); err != nil {
		return err
	}
	m, err := readManifest(dir)
	if err != nil {
		return err
	}
	all, err := list(dir)
	if err != nil {
		return err
	}
	for name := range all {
		if _, ok := m.Entries[name]; !ok {
			return damaged(name, "it was not captured")
		}
	}
	var done int64
	for _, name := range slices.Sorted(maps.Keys(m.Entries)) {
		if err := m.Entries[name].check(ctx, dir, name, all[name]); err != nil {
			return err
		}
		if done += m.Entries[name].Size; progress != nil {
			progress(pluginapi.Progress{Doing: "verify", Done: done, Total: sum(all)})
		}
	}
	return nil
}

func damaged(name, message string) error {
	return fault(pluginapi.CodeCorrupt, name, "fetch or capture it again", "%s", message)
}

// check compares one file with its entry. s is its zero value if it is missing.
func (e entry) check(ctx context.Context, dir, name string, s stamp) error {
	path := filepath.Join(dir, name)
	switch {
	case s.inode == 0:
		return damaged(name, "it is missing")
	case e.Type == "dir" && s.mode.IsDir():
		return nil
	case e.Type == "link" && s.mode.Type() == fs.ModeSymlink:
		if target, err := os.Readlink(path); err != nil || target != e.Target {
			return damaged(name, "it leads to "+target+" and should lead to "+e.Target)
		}
		return nil
	case e.Type != "file" || !s.mode.IsRegular():
		return damaged(name, "it is no "+e.Type)
	case s.size != e.Size:
		return damaged(name, "its length is wrong")
	}
	got, err := hashFile(ctx, path)
	if err == nil && got != e.SHA256 {
		err = damaged(name, "its content is wrong")
	}
	return err
}

func hashFile(ctx context.Context, path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	for buffer := make([]byte, 1<<20); ; {
		n, err := f.Read(buffer)
		h.Write(buffer[:n])
		switch {
		case errors.Is(err, io.EOF):
			return hex.EncodeToString(h.Sum(nil)), nil
		case err != nil:
			return "", err
		case ctx.Err() != nil:
			return "", ctx.Err()
		}
	}
}
