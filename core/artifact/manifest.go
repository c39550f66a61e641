package artifact

import (
	"crypto/ed25519"
	"fmt"

	"github.com/rackswarm/rackswarm/core/unit"
)

// Kind says whether an artifact is a single file or a directory tree.
type Kind uint8

// The kinds of artifacts.
const (
	KindFile Kind = iota
	KindTree
)

// String is "file" or "tree".
func (k Kind) String() string {
	if k == KindTree {
		return "tree"
	}
	return "file"
}

// ParseKind reads what String writes.
func ParseKind(s string) (Kind, error) {
	switch s {
	case "file":
		return KindFile, nil
	case "tree":
		return KindTree, nil
	}
	return 0, fmt.Errorf("kind %q: must be file or tree", s)
}

// File is a regular file of an artifact.
type File struct {
	Path   string   // relative; the artifact's name if its kind is KindFile
	Length int64    // bytes
	Root   [32]byte // of the Merkle tree over its content; zero for an empty file
	Mode   uint32   // permission, setuid, setgid and sticky bits: 07777
	// FirstPiece is where the file starts, Pieces how many it has: none if it
	// is empty.
	FirstPiece, Pieces int32
	// Offset is the file's in the stream: all files one after the other, in
	// file-tree order and without padding.
	Offset int64
}

// Dir is a directory of a tree.
type Dir struct {
	Path string // relative; "" is the top
	Mode uint32 // 07777
}

// Link is a symbolic link of a tree.
type Link struct {
	Path   string
	Target string // content: 1 to 4,095 bytes without NUL, pointing anywhere
}

// Manifest describes an artifact. It does not change once Parse or Build has
// returned it, so that any number of readers may share it.
type Manifest struct {
	digest      Digest
	name        string
	kind        Kind
	pieceLength int64
	size        int64

	info   string  // the exact bytes that the digest is of
	layers []layer // sorted by root
	files  []File  // in file-tree order
	dirs   []Dir   // sorted by comparePaths
	links  []Link  // sorted by comparePaths

	pieces int32
	// spanPiece is the first piece of each span, spanLength its bytes.
	spanPiece, spanLength []int32

	publisher ed25519.PublicKey
	signature []byte
}

// layer is the piece layer of the files that have a root: the concatenated
// hashes of their pieces.
type layer struct{ root, hashes string }

// Digest is the SHA-256 of the info dictionary. It names the artifact.
func (m *Manifest) Digest() Digest { return m.digest }

// Name is what the publisher called the artifact: a valid file name.
func (m *Manifest) Name() string { return m.name }

// Kind says whether the artifact is a file or a tree.
func (m *Manifest) Kind() Kind { return m.kind }

// PieceLength is a power of two from 16 KiB to 16 MiB.
func (m *Manifest) PieceLength() int64 { return m.pieceLength }

// Size is the length of all files together.
func (m *Manifest) Size() unit.Bytes { return unit.Bytes(m.size) }

// Files are the regular files in file-tree order: by the bytes of the elements
// of their paths (those of the escaped form, where a name is not UTF-8). The
// caller must not change them.
func (m *Manifest) Files() []File { return m.files }

// Dirs are all directories of a tree, the top ("") first, parents before
// children. A file has none. The caller must not change them.
func (m *Manifest) Dirs() []Dir { return m.dirs }

// Links are the symbolic links of a tree. The caller must not change them.
func (m *Manifest) Links() []Link { return m.links }
