package restore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/paths"
	"github.com/rackswarm/rackswarm/core/pluginapi"
	decide "github.com/rackswarm/rackswarm/core/restore"
)

// probe is what the driver finds, and what only the filesystem tells.
func (j *job) probe(ctx context.Context) (decide.Result, error) {
	about, err := j.driver.Describe(ctx)
	if err != nil {
		return decide.Result{}, err
	}
	p, err := j.driver.Probe(ctx, j.target)
	if err != nil {
		return decide.Result{}, err
	}
	s := stateOf(p)
	s.Driver, s.Engine = j.note.Driver, about.Engine
	if err := j.addFacts(&s); err != nil {
		return decide.Result{}, err
	}
	return decide.Result{Probe: &s}, nil
}

func stateOf(p pluginapi.Probe) api.DatabaseState {
	s := api.DatabaseState{
		Kind: string(p.Kind), WasReplica: p.WasReplica, Version: p.Version, ProgramVersion: p.ProgramVersion,
		Architecture: p.Architecture, ClusterID: p.ClusterID, Timeline: p.Timeline, PID: p.PID, Position: p.Position,
		DataBytes: p.Bytes, Outside: slices.Clone(p.Outside),
	}
	if p.Health != nil {
		h := healthOf(*p.Health)
		s.Health = &h
	}
	return s
}

func healthOf(h pluginapi.Health) api.DatabaseHealth {
	return api.DatabaseHealth{Healthy: h.Healthy, Replicating: h.Replicating, Writable: h.Writable,
		Position: h.Position, LagBytes: h.LagBytes, Fault: string(h.Fault), Message: clean(h.Message)}
}

// addFacts looks at the data directory and at the one above.
func (j *job) addFacts(s *api.DatabaseState) error {
	s.DataDir = j.note.Data
	parent, err := j.openParent()
	if err != nil {
		return err
	}
	defer parent.Close()
	if s.FreeBytes, err = freeBytes(parent); err != nil {
		return err
	}
	mode, o, err := j.wanted(parent)
	if err != nil {
		return err
	}
	if o != nil {
		s.Owner, s.Group = namesOf(*o)
	}
	if mode == 0 {
		return nil // there is no data directory
	}
	s.Mode = fmt.Sprintf("%04o", mode)
	var below []string
	s.Mountpoint, below, err = mountsIn(j.note.Data)
	s.Outside = append(s.Outside, below...)
	return err
}

// openParent opens the directory above the data directory, in which the agent
// works, and refuses one in which it may not.
func (j *job) openParent() (*os.File, error) {
	path := filepath.Dir(j.note.Data)
	parent, err := openParent(j.note.Data)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &api.Error{Code: api.CodeNotFound, Subject: path, Message: "there is no such directory, and the data directory is to stand in it", Fix: "create it"}
	}
	if err != nil {
		return nil, diskError("open", path, err)
	}
	if j.inRoots(parent) {
		return parent, nil
	}
	parent.Close()
	return nil, &api.Error{Code: api.CodeOutsideRoots, Subject: path, Message: "the directory above the data is not inside of roots, and the agent works there",
		Fix: "add it to roots in the agent's configuration"}
}

// inRoots asks where what is open lies: the database's user may have put a link in
// its place, and takes it away again.
func (j *job) inRoots(dir *os.File) bool {
	at, err := os.Readlink(procPath(dir))
	return err == nil && slices.ContainsFunc(j.w.cfg.Roots, func(root string) bool {
		top, err := filepath.EvalSymlinks(root)
		return err == nil && paths.Contains(top, at)
	})
}

func freeBytes(dir *os.File) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(dir.Fd()), &st); err != nil {
		return 0, diskError("look for room at", dir.Name(), err)
	}
	return int64(st.Bavail) * st.Bsize, nil
}

// wanted is which mode a data directory shall have and to whom its files shall
// belong: as with what stands there. If nothing does the mode is 0, and the owner
// that of the directory above; nil if that is root's, then the driver knows.
func (j *job) wanted(parent *os.File) (mode uint32, o *owner, err error) {
	data := j.note.Data
	st, err := lstat(parent, filepath.Base(data))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		above, err := lstat(parent, ".")
		if own := ownerOf(above); err == nil && own.uid != 0 {
			o = &own
		}
		return 0, o, err
	case err != nil:
		return 0, nil, diskError("look at", data, err)
	case st.Mode&unix.S_IFMT == unix.S_IFLNK:
		return 0, nil, &api.Error{Code: api.CodeUnsupported, Subject: data, Message: "the data directory is a symbolic link, and exchanging that would leave the data where they are",
			Fix: "set 'data' of the database to the directory that the link leads to"}
	case st.Mode&unix.S_IFMT != unix.S_IFDIR:
		return 0, nil, &api.Error{Code: api.CodeForeignContent, Subject: data, Message: "it is no directory", Fix: "look at 'data' in the agent's configuration"}
	}
	own := ownerOf(st)
	return st.Mode & 0o7777, &own, nil
}

// namesOf are the names of a user and a group, or their numbers if they have none.
func namesOf(o owner) (name, group string) {
	name, group = strconv.Itoa(int(o.uid)), strconv.Itoa(int(o.gid))
	if u, err := user.LookupId(name); err == nil {
		name = u.Username
	}
	if g, err := user.LookupGroupId(group); err == nil {
		group = g.Name
	}
	return name, group
}
