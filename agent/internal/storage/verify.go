package storage

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// folder is a directory with the files of an artifact that lie in it.
type folder struct {
	path  string // "." for the top
	files []int
}

// folders groups the files by directory, so that a directory is opened once for
// all of its files.
func (c *content) folders() []folder {
	var list []folder
	at := map[string]int{}
	n := -1
	for i := range c.files {
		dir := path.Dir(c.path(i))
		if n < 0 || list[n].path != dir { // files of one directory mostly follow one another
			var ok bool
			if n, ok = at[dir]; !ok {
				n = len(list)
				at[dir] = n
				list = append(list, folder{path: dir})
			}
		}
		list[n].files = append(list[n].files, i)
	}
	return list
}

// scan looks at all files without reading them. The result is by file; nil for
// one that is missing or not a regular file.
func (c *content) scan(ctx context.Context) ([]fs.FileInfo, error) {
	found := make([]fs.FileInfo, len(c.files))
	list := c.folders()
	err := parallel(ctx, len(list), func(_ context.Context, _, n int) error {
		// The dot has the directory itself found through a link, within the root.
		dir, err := c.open.open(c.root, list[n].path+"/.", os.O_RDONLY|unix.O_DIRECTORY, 0)
		if gone(err) {
			return nil // all of its files are missing
		}
		if err != nil {
			return err
		}
		return errors.Join(c.scanFolder(dir, list[n].files, found), dir.close())
	})
	return found, err
}

// scanFolder looks at files of an open directory.
func (c *content) scanFolder(dir rawFile, files []int, found []fs.FileInfo) error {
	infos := make([]fileInfo, len(files)) // one allocation for all
	for n, i := range files {
		info := &infos[n]
		err := info.look(dir, path.Base(c.path(i)))
		if err != nil && !gone(err) {
			return &fs.PathError{Op: "look at", Path: c.path(i), Err: err}
		}
		if err == nil && info.Mode().IsRegular() {
			found[i] = info
		}
	}
	return nil
}

// look is scan for one file.
func (c *content) look(i int) fs.FileInfo {
	info, err := c.root.Lstat(c.path(i))
	if err != nil || !info.Mode().IsRegular() {
		return nil
	}
	return info
}

// unchecked is the same content, read without comparing stamps. It shares the
// files and the root with c.
func (c *content) unchecked() *content {
	u := *c
	u.stamps = nil
	return &u
}

// verify hashes files, which found says how they looked before. It returns the
// stamps of those that are right, by file; the zero stamp is for wrong ones and
// those that changed meanwhile. With stopEarly one wrong file ends it.
func (c *content) verify(ctx context.Context, files []int, found []fs.FileInfo, m *meter, stopEarly bool) ([]stamp, error) {
	h := &hashing{c: c.unchecked(), bufs: newBuffers(), wrong: make([]atomic.Bool, len(c.files)), m: m, stopEarly: stopEarly}
	if err := settle(ctx, h.plan(files, found)); err != nil {
		return nil, err
	}
	if err := parallel(ctx, len(h.todo), h.piece); err != nil {
		return nil, err
	}
	right := make([]stamp, len(c.files))
	for _, i := range files {
		if h.wrong[i].Load() || h.stop.Load() {
			continue
		}
		if info := c.look(i); info != nil && stampOf(info) == stampOf(found[i]) {
			right[i] = stampOf(info)
		}
	}
	return right, nil
}

// hashing compares pieces of files with the manifest.
type hashing struct {
	c         *content
	todo      []int // pieces
	bufs      buffers
	wrong     []atomic.Bool // by file
	m         *meter
	stopEarly bool
	stop      atomic.Bool // nobody needs the rest
}

// plan lists the pieces of those files that have the right length, and returns
// when the newest of them changed.
func (h *hashing) plan(files []int, found []fs.FileInfo) (newest int64) {
	var total int64
	for _, i := range files {
		f := h.c.files[i]
		if found[i] == nil || found[i].Size() != f.Length {
			h.wrong[i].Store(true)
			continue
		}
		h.c.fds.drop(h.c.id, i) // what is open may be another file by now
		newest = max(newest, stampOf(found[i]).Ctime)
		total += f.Length
		for n := range int(f.Pieces) {
			h.todo = append(h.todo, int(f.FirstPiece)+n)
		}
	}
	h.m.begin(total)
	return newest
}

// piece hashes one piece unless its file is known to be wrong.
func (h *hashing) piece(_ context.Context, worker, n int) error {
	piece := h.todo[n]
	pc := h.c.mf.Piece(piece)
	file := int(pc.File)
	defer h.m.add(pc.Length)
	if h.wrong[file].Load() || h.stop.Load() {
		return nil
	}
	if h.c.zeroAlready(piece) {
		return nil
	}
	buf := h.bufs.get(worker, int(pc.Length))
	err := h.c.read(file, pc.Offset, buf)
	if err != nil && !unreadable(err) {
		return err
	}
	if err != nil || !h.c.mf.VerifyPiece(piece, buf) {
		h.wrong[file].Store(true)
		h.stop.Store(h.stopEarly)
	}
	return nil
}

// gone reports that something is not there, or not where it would have to be.
func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || escapes(err)
}

// unreadable reports that a file's content is lost, which is the file's fault
// and not that of the process, which may have run out of descriptors.
func unreadable(err error) bool {
	return errors.Is(err, ErrChanged) || errors.Is(err, syscall.EIO) || gone(err)
}
