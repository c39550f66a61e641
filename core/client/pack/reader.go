package pack

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"strings"

	"github.com/rackswarm/rackswarm/core/api"
)

// Type says what an entry of a tar stream is.
type Type uint8

// The types of entries.
const (
	TypeFile Type = iota
	TypeDir
	TypeSymlink
	TypeHardlink // a second name of a file that came before
)

// Entry is one entry of a tar stream.
type Entry struct {
	Type   Type
	Path   string // relative and clean; "" is the top directory
	Mode   uint32 // 07777; of no meaning for links
	Size   int64  // bytes that Read gives, of a file
	Target string // of a symbolic link: anything; of a hard link: a path like Path
}

// Reader reads a tar stream from somebody who need not be trusted. It holds to
// the rules of paths: none is absolute, or leaves the directory by "..", and
// nothing but files, directories and links occurs.
type Reader struct {
	in  *input
	tar *tar.Reader
}

// NewReader reads a tar stream from r.
func NewReader(r io.Reader) *Reader {
	in := &input{r: r}
	return &Reader{in: in, tar: tar.NewReader(in)}
}

// Next returns the next entry, or io.EOF after the last. A stream that breaks
// off is an error, even where an entry ends.
func (r *Reader) Next() (Entry, error) {
	for {
		h, err := r.tar.Next()
		switch {
		case errors.Is(err, io.EOF):
			return Entry{}, r.end()
		case err != nil:
			return Entry{}, r.broken(err)
		case h.Typeflag != tar.TypeXGlobalHeader: // says nothing about entries
			return entry(h)
		}
	}
}

// Read reads the content of the entry that Next returned.
func (r *Reader) Read(p []byte) (int, error) {
	n, err := r.tar.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = r.broken(err)
	}
	return n, err
}

// maxTrailer bounds what may follow the end mark: tar fills its last record.
const maxTrailer = 1 << 20

// end checks that the end mark was there, and reads what follows it.
func (r *Reader) end() error {
	if r.in.ended {
		return r.broken(io.ErrUnexpectedEOF)
	}
	n, err := io.CopyN(io.Discard, r.in, maxTrailer)
	if err == nil || n == maxTrailer {
		return badStream("", "bytes follow its end mark", "send one archive only")
	}
	if !errors.Is(err, io.EOF) {
		return r.broken(err)
	}
	return io.EOF
}

// broken explains an error of the stream. Those of the transport come back as
// they are.
func (r *Reader) broken(err error) error {
	switch {
	case r.in.err != nil:
		return fmt.Errorf("read tar stream: %w", r.in.err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return badStream("", "breaks off before its end mark", "send it whole")
	}
	return badStream("", "is not a tar archive: "+err.Error(), "send a tar archive that is not compressed")
}

func badStream(subject, message, fix string) error {
	if subject == "" {
		subject = "the tar stream"
	}
	return &api.Error{Code: api.CodeInvalid, Subject: subject, Message: message, Fix: fix}
}

var entryTypes = map[byte]Type{
	tar.TypeReg: TypeFile, tar.TypeDir: TypeDir, tar.TypeSymlink: TypeSymlink, tar.TypeLink: TypeHardlink,
}

func entry(h *tar.Header) (Entry, error) {
	typ, ok := entryTypes[h.Typeflag]
	if !ok {
		return Entry{}, badStream(h.Name, fmt.Sprintf("is an entry of type %q", h.Typeflag),
			"send only files, directories and links")
	}
	e := Entry{Type: typ, Mode: uint32(h.Mode) & 0o7777, Target: h.Linkname}
	if typ == TypeFile {
		e.Size = h.Size
	}
	var err error
	if e.Path, err = cleanPath(h.Name); err != nil {
		return Entry{}, err
	}
	if typ == TypeHardlink {
		if e.Target, err = cleanPath(h.Linkname); err != nil {
			return Entry{}, err
		}
	}
	if e.Path == "" && typ != TypeDir {
		return Entry{}, badStream(h.Name, "is the top and no directory", "send a directory")
	}
	return e, nil
}

// maxPath is Linux's limit, which also bounds the work that a path can cause.
const maxPath = 4096

// cleanPath takes off what tar adds to paths ("./" before, "/" after) and
// refuses those that are not clean otherwise. The top is "".
func cleanPath(name string) (string, error) {
	p := strings.TrimSuffix(name, "/")
	for strings.HasPrefix(p, "./") {
		p = p[2:]
	}
	if p == "." {
		return "", nil
	}
	if len(p) > maxPath {
		return "", badStream(fmt.Sprintf("%.40q…", name), fmt.Sprintf("has %d bytes", len(p)),
			fmt.Sprintf("send paths of at most %d bytes", maxPath))
	}
	if !filepath.IsLocal(p) || path.Clean(p) != p || strings.ContainsRune(p, 0) {
		return "", badStream(fmt.Sprintf("%q", name), "is not a path inside the directory",
			"send relative paths without \"..\" and empty names")
	}
	return p, nil
}

// input remembers how the stream under the tar reader ended.
type input struct {
	r     io.Reader
	ended bool  // a read found nothing more
	err   error // other than io.EOF
}

// Read reads from the stream. It reports the end only on a read of its own.
func (in *input) Read(p []byte) (int, error) {
	n, err := in.r.Read(p)
	if n > 0 && errors.Is(err, io.EOF) {
		err = nil
	}
	switch {
	case errors.Is(err, io.EOF):
		in.ended = true
	case err != nil:
		in.err = err
	}
	return n, err
}
