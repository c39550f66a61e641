package publish

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/client/pack"
)

// Extract stores what a client streams as dest/name: the bytes of r if the kind
// is KindFile, with mode 0644, and what the tar stream r unpacks to if it is
// KindTree. Nothing but files, directories and links is taken, and nothing
// outside dest/name is touched; hard links become copies; modes are kept, owners
// and times are not. The content is on stable storage when Extract returns. When
// it fails, dest/name is gone again; that there was something by that name
// before is an error that leaves it alone.
//
// Progress, which may be nil, hears about ten times a second what has arrived.
func Extract(ctx context.Context, r io.Reader, kind artifact.Kind, dest *os.Root, name string, progress func(api.Progress)) error {
	if err := artifact.CheckName(name); err != nil {
		return invalid("name", err, "give a plain file name")
	}
	if _, err := dest.Lstat(name); !errors.Is(err, fs.ErrNotExist) {
		return &api.Error{Code: api.CodeConflict, Subject: name, Message: "is there already", Fix: "remove it, or send under another name"}
	}
	e := extractor{ctx: ctx, meter: pack.NewMeter("receiving", 0, progress), buf: make([]byte, 256<<10)}
	err := e.into(dest, name, kind, r)
	if err == nil {
		err = syncFilesystem(dest)
	}
	if err != nil {
		return errors.Join(received(name, err), remove(dest, name))
	}
	e.meter.Flush()
	return nil
}

// remove takes away what was received in part.
func remove(dest *os.Root, name string) error {
	if err := dest.RemoveAll(name); err != nil {
		return fmt.Errorf("remove %s, which is incomplete: %w", name, err)
	}
	return nil
}

func syncFilesystem(dest *os.Root) error {
	d, err := dest.Open(".")
	if err != nil {
		return err
	}
	defer d.Close()
	return unix.Syncfs(int(d.Fd()))
}

// received explains an error of storing what was sent.
func received(name string, err error) error {
	var path *fs.PathError
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return &api.Error{Code: api.CodeNoSpace, Subject: name, Message: "there is no space left for it", Fix: "make space in the agent's state directory"}
	case errors.Is(err, syscall.ENAMETOOLONG):
		return &api.Error{Code: api.CodeInvalid, Subject: name, Message: "a name or path in it is too long", Fix: "shorten it: " + err.Error()}
	case errors.As(err, &path):
		return &api.Error{Code: api.CodeIO, Subject: name, Message: "cannot be stored: " + err.Error(), Fix: "check the agent's state directory"}
	}
	return named("receive", name, err)
}

type extractor struct {
	ctx   context.Context
	meter *pack.Meter
	buf   []byte
}

func (e *extractor) into(dest *os.Root, name string, kind artifact.Kind, r io.Reader) error {
	if kind == artifact.KindFile {
		return e.file(dest, name, 0o644, r)
	}
	if err := dest.Mkdir(name, 0o700); err != nil {
		return err
	}
	top, err := dest.OpenRoot(name)
	if err != nil {
		return err
	}
	defer top.Close()
	t := tree{extractor: e, root: top, modes: map[string]uint32{"": 0o755}}
	return t.extract(pack.NewReader(r))
}

// file creates a file that was not there before, with what r has.
func (e *extractor) file(root *os.Root, path string, mode uint32, r io.Reader) error {
	f, err := root.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = e.copy(f, r)
	if err == nil {
		err = f.Chmod(pack.FileMode(mode))
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}

func (e *extractor) copy(f *os.File, r io.Reader) error {
	for {
		if err := e.ctx.Err(); err != nil {
			return err
		}
		n, err := r.Read(e.buf)
		if _, failed := f.Write(e.buf[:n]); failed != nil {
			return failed
		}
		e.meter.Add(int64(n), 0)
		if errors.Is(err, io.EOF) {
			e.meter.Add(0, 1)
			return nil
		}
		if err != nil {
			return err
		}
	}
}
