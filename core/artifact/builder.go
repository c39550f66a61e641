package artifact

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Builder collects what a manifest describes, in any order.
type Builder struct {
	name        string
	kind        Kind
	pieceLength int64
	files       []builderFile
	dirs        []Dir
	links       []Link
	errs        []error
	escapes     escapes
}

type builderFile struct {
	path   string // raw
	key    string // the path with its elements escaped
	mode   uint32
	length int64
	root   hash
	layer  []hash // nil if the file has less than two pieces
}

// NewBuilder starts a manifest. The name must be a valid file name. A tree's
// directories must all be added, "" (the top) included; a single file must have
// the artifact's name for a path.
func NewBuilder(name string, kind Kind, pieceLength int64) *Builder {
	return &Builder{name: name, kind: kind, pieceLength: pieceLength}
}

// AddFile adds a regular file. The layer has one PieceHash per piece, so that of
// a file of one piece is its root, and that of an empty file has none. The
// builder keeps the layer.
func (b *Builder) AddFile(path string, mode uint32, length int64, layer [][32]byte) {
	if err := b.checkFile(path, mode, length, layer); err != nil {
		b.errs = append(b.errs, fmt.Errorf("file %q: %w", path, err))
		return
	}
	f := builderFile{path: path, mode: mode, length: length}
	switch {
	case len(layer) == 1:
		f.root = layer[0]
	case len(layer) > 1:
		f.root, f.layer = LayerRoot(layer, b.pieceLength), layer
	}
	b.files = append(b.files, f)
}

func (b *Builder) checkFile(path string, mode uint32, length int64, layer [][32]byte) error {
	if err := cmp.Or(checkPath(path), checkMode(mode), CheckPieceLength(b.pieceLength)); err != nil {
		return err
	}
	if length < 0 || length > maxSize {
		return fmt.Errorf("length %d: must be 0 to 2⁶²", length)
	}
	if pieces := (length + b.pieceLength - 1) / b.pieceLength; int64(len(layer)) != pieces {
		return fmt.Errorf("%d piece hashes; its %d bytes have %d pieces", len(layer), length, pieces)
	}
	return nil
}

// AddDir adds a directory of a tree; "" is the top.
func (b *Builder) AddDir(path string, mode uint32) {
	if err := checkMode(mode); err != nil {
		b.errs = append(b.errs, fmt.Errorf("directory %q: %w", path, err))
		return
	}
	b.dirs = append(b.dirs, Dir{path, mode})
}

// AddLink adds a symbolic link of a tree.
func (b *Builder) AddLink(path, target string) {
	b.links = append(b.links, Link{path, target})
}

// Build returns the manifest, unsigned. It holds to the same rules as Parse, and
// the error names the entry that breaks one. The builder must not be used again.
func (b *Builder) Build() (*Manifest, error) {
	if err := errors.Join(b.errs...); err != nil {
		return nil, fmt.Errorf("build manifest of %q: %w", b.name, err)
	}
	b.escapeNames()
	slices.SortFunc(b.files, func(x, y builderFile) int { return comparePaths(x.key, y.key) })
	slices.SortFunc(b.dirs, func(x, y Dir) int { return comparePaths(x.Path, y.Path) })
	slices.SortFunc(b.links, func(x, y Link) int { return comparePaths(x.Path, y.Path) })
	if err := b.checkTree(); err != nil {
		return nil, fmt.Errorf("build manifest of %q: %w", b.name, err)
	}
	torrent := b.encode()
	if len(torrent) > MaxManifestSize {
		return nil, fmt.Errorf("build manifest of %q: it has %d bytes; at most %d are allowed", b.name, len(torrent), MaxManifestSize)
	}
	m, err := parse(string(torrent))
	if err != nil {
		return nil, fmt.Errorf("build manifest of %q: %w", b.name, err)
	}
	return m, nil
}

// checkTree checks what the encoding of the file tree relies on: no file is
// there twice or below another. The files are sorted, so what is below one
// follows it.
func (b *Builder) checkTree() error {
	for i := 1; i < len(b.files); i++ {
		last, f := b.files[i-1].path, b.files[i].path
		if f == last || strings.HasPrefix(f, last+"/") {
			return fmt.Errorf("file %q is there twice, or has another below it", last)
		}
	}
	return nil
}
