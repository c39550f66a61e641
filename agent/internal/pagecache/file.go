package pagecache

import (
	"errors"
	"io"
	"runtime"

	"golang.org/x/sys/unix"
)

// Range is a part of a file, in bytes.
type Range struct{ Off, Len int64 }

// ReadAt fills buf from a regular file at off, or fails with io.EOF. If the disk is
// needed for that, it begins to read on until end, and returns what it brings into
// the page cache.
func ReadAt(fd int, buf []byte, off, end int64) (brought []Range, err error) {
	page := int64(unix.Getpagesize())
	first := off / page * page
	// A read with RWF_NOWAIT would tell, too, but begins to read what is missing,
	// and a fast disk is done before anybody can look.
	if Missing(fd, Range{first, off + int64(len(buf)) - first}) == nil {
		return nil, readAll(fd, buf, off)
	}
	brought = Missing(fd, Range{first, end - first})
	quietly(func() {
		if rest := off + int64(len(buf)); rest < end {
			willNeed(fd, Range{rest, end - rest})
		}
		err = readAll(fd, buf, off)
	})
	return brought, err
}

func readAll(fd int, buf []byte, off int64) error {
	for len(buf) > 0 {
		n, err := unix.Pread(fd, buf, off)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return err
		case n == 0:
			return io.EOF
		default:
			buf, off = buf[n:], off+int64(n)
		}
	}
	return nil
}

// NoReadahead keeps the kernel from reading more of a file than is asked for,
// which nobody would take out of the cache again.
func NoReadahead(fd int) { _ = unix.Fadvise(fd, 0, 0, unix.FADV_RANDOM) }

// willNeed begins to read a range of a file.
func willNeed(fd int, r Range) { _ = unix.Fadvise(fd, r.Off, r.Len, unix.FADV_WILLNEED) }

// Drop takes a range of a file out of the cache, as far as the disk has it.
func Drop(fd int, r Range) { _ = unix.Fadvise(fd, r.Off, r.Len, unix.FADV_DONTNEED) }

// Missing returns the parts of a range that are not in the cache: none if the
// kernel does not say. The range begins at a multiple of the page size.
func Missing(fd int, r Range) []Range {
	page := int64(unix.Getpagesize())
	if r.Off%page != 0 || r.Len <= 0 {
		return nil
	}
	m, err := unix.Mmap(fd, r.Off, int(r.Len), unix.PROT_NONE, unix.MAP_SHARED)
	if err != nil {
		return nil
	}
	defer func() { _ = unix.Munmap(m) }()
	in := make([]byte, (r.Len+page-1)/page)
	if err := mincore(m, in); err != nil {
		return nil
	}
	var missing []Range
	for i := int64(0); i < int64(len(in)); i++ {
		if in[i]&1 != 0 {
			continue
		}
		from := i
		for i < int64(len(in)) && in[i]&1 == 0 {
			i++
		}
		missing = append(missing, Range{r.Off + from*page, min(i*page, r.Len) - from*page})
	}
	return missing
}

// quietly runs fn with the lowest I/O priority that is not starved: others go
// first where the disk's scheduler tells them apart (mq-deadline, bfq).
func quietly(fn func()) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before, err := ioprioGet()
	if err == nil {
		err = ioprioSet(lowest)
	}
	fn()
	if err == nil {
		_ = ioprioSet(before)
	}
}
