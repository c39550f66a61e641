package pack

import (
	"io/fs"
	"syscall"
)

// Stamp is what a file's inode says. A file that has kept its stamp has kept its
// content.
type Stamp struct {
	Size  int64  `json:"size"`
	Mtime int64  `json:"mtime"` // ns since 1970
	Ctime int64  `json:"ctime"` // ns since 1970
	Inode uint64 `json:"inode"`
	Dev   uint64 `json:"dev"`
}

// Same reports whether s and t are of one file with one content: equal but for
// the ctime, which a new link or mode changes too.
func (s Stamp) Same(t Stamp) bool {
	t.Ctime = s.Ctime
	return s == t
}

// stampOf returns the stamp and the mode bits (07777) of a file.
func stampOf(info fs.FileInfo) (Stamp, uint32) {
	st := info.Sys().(*syscall.Stat_t) // on Linux it always is
	return Stamp{
		Size: st.Size, Mtime: st.Mtim.Nano(), Ctime: st.Ctim.Nano(),
		Inode: st.Ino, Dev: uint64(st.Dev),
	}, st.Mode & 0o7777
}

// specialBits pairs the mode bits beyond permissions with those of package fs.
var specialBits = []struct {
	bit  uint32
	mode fs.FileMode
}{{syscall.S_ISUID, fs.ModeSetuid}, {syscall.S_ISGID, fs.ModeSetgid}, {syscall.S_ISVTX, fs.ModeSticky}}

// FileMode turns mode bits (07777) into those of package fs.
func FileMode(bits uint32) fs.FileMode {
	mode := fs.FileMode(bits & 0o777)
	for _, b := range specialBits {
		if bits&b.bit != 0 {
			mode |= b.mode
		}
	}
	return mode
}

// Bits turns the mode of package fs into mode bits (07777).
func Bits(mode fs.FileMode) uint32 {
	bits := uint32(mode.Perm())
	for _, b := range specialBits {
		if mode&b.mode != 0 {
			bits |= b.bit
		}
	}
	return bits
}
