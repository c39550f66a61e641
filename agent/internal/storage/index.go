package storage

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/rackswarm/rackswarm/core/artifact"
)

// index is what the state directory knows of a placement.
type index struct {
	Version int    `json:"version"`
	ID      string `json:"id"`
	Path    string `json:"path"`
	// Digest is of what stands at Path; nil if nothing of ours does. The
	// fields below it are about that.
	Digest *artifact.Digest `json:"digest,omitempty"`
	Kind   string           `json:"kind,omitempty"`
	Top    uint64           `json:"top,omitempty"` // inode of the tree's directory or of the file
	Since  time.Time        `json:"since,omitzero"`
	Files  []stamp          `json:"files,omitempty"` // in the manifest's order
	// Staged is of what is being staged.
	Staged *artifact.Digest `json:"staged,omitempty"`
	// Mending says that this is staged since it stood and was lost.
	Mending bool `json:"mending,omitempty"`
	// Removing says that a removal has begun.
	Removing bool `json:"removing,omitempty"`
	// Aside is the inode of content that is not ours and that had to make room: it
	// lies beside the destination under another name, and comes back if what
	// stands is set aside. Zero once what stands is there to stay.
	Aside uint64 `json:"aside,omitempty"`
	// Foreign, in the index that a swap writes beforehand, says that what stood
	// there before is not ours and must stay.
	Foreign bool `json:"keep,omitempty"`
	// Keep, in the same, says that what stood there before is ours and is to be
	// kept as another version.
	Keep bool `json:"keep_version,omitempty"`
	// Old, in the same, is the inode of what stood there before.
	Old uint64 `json:"old,omitempty"`
}

const indexVersion = 1

// stampLength is about how many bytes a stamp takes in an index.
const stampLength = 80

// restLength is about how many bytes the rest takes.
const restLength = 1 << 10

func (x *index) encode() []byte { return x.encodeAfter(encodeFiles(x.Files)) }

// encodeAfter is encode for an index whose stamps are encoded already. The result
// may lie behind files in the same array.
func (x *index) encodeAfter(files []byte) []byte {
	rest := *x
	rest.Version, rest.Files = indexVersion, nil
	b, err := json.Marshal(&rest)
	if err != nil {
		panic(err) // no field of an index can fail
	}
	return append(files, b[1:]...)
}

// encodeFiles begins the JSON of an index with its stamps. There may be millions of
// them, and encoding/json takes several times as long.
func encodeFiles(files []stamp) []byte {
	if len(files) == 0 {
		return []byte("{")
	}
	b := make([]byte, 0, len(files)*stampLength+restLength)
	b = append(b, `{"files":[`...)
	for i, s := range files {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(append(b, `{"s":`...), s.Size, 10)
		b = strconv.AppendInt(append(b, `,"m":`...), s.Mtime, 10)
		b = strconv.AppendInt(append(b, `,"c":`...), s.Ctime, 10)
		b = strconv.AppendUint(append(b, `,"i":`...), s.Ino, 10)
		b = append(b, '}')
	}
	return append(b, "],"...)
}

func decodeIndex(b []byte) (*index, error) {
	var x index
	if err := json.Unmarshal(b, &x); err != nil {
		return nil, fmt.Errorf("placement index: %w", err)
	}
	if x.Version != indexVersion || x.ID == "" || x.Path == "" {
		return nil, fmt.Errorf("placement index: version %d of %q at %q is not usable", x.Version, x.ID, x.Path)
	}
	return &x, nil
}

// readIndex returns an error that wraps fs.ErrNotExist if there is none.
func readIndex(dir *os.Root, name string) (*index, error) {
	b, err := dir.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return decodeIndex(b)
}

// installed reports whether the index says that d stands at its path.
func (x *index) installed(d artifact.Digest) bool {
	return x != nil && x.Digest != nil && *x.Digest == d
}

// stood reports whether d stands, or was lost and is being staged again.
func (x *index) stood(d artifact.Digest) bool {
	return x.installed(d) || x != nil && x.Mending && x.Staged != nil && *x.Staged == d
}

// info is what Placements says of the placement.
func (x *index) info() PlacementInfo {
	info := PlacementInfo{ID: x.ID, Path: x.Path, Installed: x.Digest != nil && !x.Removing}
	switch {
	case x.Digest != nil:
		info.Digest = *x.Digest
	case x.Staged != nil:
		info.Digest = *x.Staged
	}
	return info
}

const maxSafeName = 100

// safeName makes a name of a distribution into a file name that no other name
// is made into: itself if it is short and plain, otherwise something legible
// with a hash behind a character that plain names do not have.
func safeName(id string) string {
	plain := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-@", r) {
			return r
		}
		return '_'
	}, id)
	if plain == id && len(id) <= maxSafeName && id != "" && id[0] != '.' {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return strings.TrimLeft(plain[:min(len(plain), maxSafeName)], ".") + "~" + hex.EncodeToString(sum[:8])
}
