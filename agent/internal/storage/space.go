package storage

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/unit"
)

// need is what a staging still takes from its filesystem.
type need struct{ bytes, inodes int64 }

// needOf counts what files take that are staged as found says, or not at all.
func (c *content) needOf(files []int, found []fs.FileInfo, block int64) need {
	var n need
	for _, i := range files {
		length := roundUp(c.dataLength(i), block)
		n.bytes += length
		if found[i] == nil {
			n.inodes++
			continue
		}
		if st, ok := found[i].Sys().(*syscall.Stat_t); ok {
			n.bytes -= min(st.Blocks*512, length)
		}
	}
	return n
}

// overhead adds the directories and links of a whole tree.
func (c *content) overhead(n need, block int64) need {
	count := int64(len(c.mf.Dirs()) + len(c.mf.Links()))
	return need{n.bytes + count*block, n.inodes + count}
}

func roundUp(n, block int64) int64 { return (n + block - 1) / block * block }

// checkSpace fails with no_space if dir's filesystem has less room than the
// content of files, as far as it is not staged, takes. What stands at the
// destination stays until the new content stands, so that nothing is
// subtracted for it.
func (p *Placement) checkSpace(ctx context.Context, files []int, whole bool) error {
	c := p.stage.content
	found, err := c.scan(ctx)
	if err != nil {
		return err
	}
	fs, err := statfs(p.stage.dir)
	if err != nil {
		return err
	}
	n := c.needOf(files, found, fs.Frsize)
	if whole {
		n = c.overhead(n, fs.Frsize)
	}
	return n.fits(fs, p.dest.path)
}

func statfs(dir *os.Root) (fs unix.Statfs_t, err error) {
	err = withDir(dir, ".", func(fd int) error { return unix.Fstatfs(fd, &fs) })
	if fs.Frsize <= 0 {
		fs.Frsize = 4096
	}
	return fs, err
}

func (n need) fits(fs unix.Statfs_t, path string) error {
	free := int64(fs.Bavail) * fs.Frsize
	if n.bytes > free {
		return &api.Error{Code: api.CodeNoSpace, Subject: path,
			Message: fmt.Sprintf("the content takes %s more (%d bytes) and the filesystem has %s (%d bytes) available; what stands there now is kept until the new content stands",
				unit.Bytes(n.bytes), n.bytes, unit.Bytes(free), free),
			Fix: fmt.Sprintf("free %s on the filesystem of %s", unit.Bytes(n.bytes-free), path)}
	}
	if fs.Files > 0 && n.inodes > int64(fs.Ffree) {
		return &api.Error{Code: api.CodeNoSpace, Subject: path,
			Message: fmt.Sprintf("the content takes %d more inodes and the filesystem has %d available", n.inodes, fs.Ffree),
			Fix:     fmt.Sprintf("free %d inodes on the filesystem of %s", n.inodes-int64(fs.Ffree), path)}
	}
	return nil
}
