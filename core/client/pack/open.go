package pack

import (
	"os"
	"path"
	"syscall"
)

// Open opens file i, an index into Files, for reading. The caller closes it, and
// asks Unchanged after the last read.
func (s *Source) Open(i int) (*os.File, error) {
	// Not to wait for a writer, should the file have become a named pipe.
	f, err := s.root.OpenFile(s.name(i), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, unreadable(s.Full(s.Files[i].Path), err)
	}
	return f, nil
}

// Unchanged checks that f, which Open(i) returned, is what Scan saw and still
// stands at its path.
func (s *Source) Unchanged(i int, f *os.File) error {
	full := s.Full(s.Files[i].Path)
	opened, err := f.Stat()
	if err != nil {
		return unreadable(full, err)
	}
	standing, err := s.root.Lstat(s.name(i))
	if err != nil {
		return unreadable(full, err)
	}
	for _, info := range []os.FileInfo{opened, standing} {
		if stamp, _ := stampOf(info); !info.Mode().IsRegular() || !stamp.Same(s.Files[i].Stamp) {
			return Changed(full)
		}
	}
	return nil
}

// DirsUnchanged checks that no name was added to, removed from or replaced in a
// directory since Scan saw it.
func (s *Source) DirsUnchanged() error {
	for _, d := range s.Dirs {
		info, err := s.root.Lstat(path.Join(".", d.Path))
		if err != nil {
			return unreadable(s.Full(d.Path), err)
		}
		if stamp, _ := stampOf(info); !info.IsDir() || stamp.Mtime != d.Stamp.Mtime || stamp.Inode != d.Stamp.Inode {
			return Changed(s.Full(d.Path))
		}
	}
	return nil
}

// ReadError explains an error of reading file i.
func (s *Source) ReadError(i int, err error) error {
	return unreadable(s.Full(s.Files[i].Path), err)
}

func (s *Source) name(i int) string {
	if !s.Tree {
		return s.base
	}
	return s.Files[i].Path
}
