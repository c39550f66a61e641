package pack

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/rackswarm/rackswarm/core/api"
)

// Pack writes what is at path to w: a file's bytes as they are, or a directory
// as a tar stream without owners and times. Kind says which. The same content
// gives the same bytes. Progress, which may be nil, counts what was written, at
// most about ten times a second. Errors of w come back wrapped.
func Pack(ctx context.Context, path string, w io.Writer, progress func(api.Progress)) error {
	s, err := Scan(ctx, path)
	if err != nil {
		return wrap("pack", path, err)
	}
	defer s.Close()
	meter := NewMeter("sending", s.Size, progress)
	meter.Flush()
	p := packer{ctx: ctx, s: s, meter: meter, buf: make([]byte, 256<<10)}
	if s.Tree {
		err = p.tree(w)
	} else {
		err = p.file(w, 0)
	}
	meter.Flush()
	return wrap("pack", path, err)
}

type packer struct {
	ctx   context.Context
	s     *Source
	meter *Meter
	buf   []byte
}

// tree writes the directories first, then links and files.
func (p *packer) tree(w io.Writer) error {
	tw := tar.NewWriter(w)
	for _, d := range p.s.Dirs {
		h := tar.Header{Typeflag: tar.TypeDir, Name: "./" + d.Path + "/", Mode: int64(d.Mode)}
		if d.Path == "" {
			h.Name = "./"
		}
		if err := p.header(tw, &h, d.Path); err != nil {
			return err
		}
	}
	for _, l := range p.s.Links {
		h := tar.Header{Typeflag: tar.TypeSymlink, Name: "./" + l.Path, Linkname: l.Target, Mode: 0o777}
		if err := p.header(tw, &h, l.Path); err != nil {
			return err
		}
	}
	for i, f := range p.s.Files {
		h := tar.Header{Typeflag: tar.TypeReg, Name: "./" + f.Path, Size: f.Stamp.Size, Mode: int64(f.Mode)}
		if err := p.header(tw, &h, f.Path); err != nil {
			return err
		}
		if err := p.file(tw, i); err != nil {
			return err
		}
	}
	return tw.Close()
}

func (p *packer) header(tw *tar.Writer, h *tar.Header, path string) error {
	if err := p.ctx.Err(); err != nil {
		return err
	}
	if err := tw.WriteHeader(h); err != nil {
		return fmt.Errorf("%s: %w", p.s.Full(path), err)
	}
	return nil
}

// file writes exactly as many bytes as Scan saw file i to have.
func (p *packer) file(w io.Writer, i int) error {
	f, err := p.s.Open(i)
	if err != nil {
		return err
	}
	defer f.Close()
	for left := p.s.Files[i].Stamp.Size; left > 0; {
		if err := p.ctx.Err(); err != nil {
			return err
		}
		n, err := io.ReadFull(f, p.buf[:min(left, int64(len(p.buf)))])
		if err != nil {
			return p.readError(i, err)
		}
		if _, err := w.Write(p.buf[:n]); err != nil {
			return fmt.Errorf("send %s: %w", p.s.Full(p.s.Files[i].Path), err)
		}
		p.meter.Add(int64(n), 0)
		left -= int64(n)
	}
	p.meter.Add(0, 1)
	return p.s.Unchanged(i, f)
}

// readError tells a file that became shorter from one that cannot be read.
func (p *packer) readError(i int, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return Changed(p.s.Full(p.s.Files[i].Path))
	}
	return p.s.ReadError(i, err)
}

// wrap names operation and path, unless the error names what is wrong already.
func wrap(op, path string, err error) error {
	var named *api.Error
	if err == nil || errors.As(err, &named) {
		return err
	}
	return fmt.Errorf("%s %s: %w", op, path, err)
}
