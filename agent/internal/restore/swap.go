package restore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/rackswarm/rackswarm/core/api"
	decide "github.com/rackswarm/rackswarm/core/restore"
)

// pair is the data directory and what lies staged beside it, each by the open
// directory that holds it.
type pair struct {
	parent, staging *os.File
	data            string // name in parent
}

func (j *job) openPair() (p pair, err error) {
	if p.parent, err = j.openParent(); err != nil {
		return pair{}, err
	}
	staging := decide.StagingPath(j.note.Data, j.id)
	if p.staging, err = openDir(p.parent, filepath.Base(staging)); err != nil {
		p.parent.Close()
		return pair{}, diskError("open", staging, err)
	}
	p.data = filepath.Base(j.note.Data)
	return p, nil
}

func (p pair) close() {
	p.parent.Close()
	p.staging.Close()
}

// inodes are those of both directories, 0 of one that is missing.
func (p pair) inodes() (data, staged uint64, err error) {
	if data, err = inodeOf(p.parent, p.data); err == nil {
		staged, err = inodeOf(p.staging, dataName)
	}
	return data, staged, err
}

func inodeOf(dir *os.File, name string) (uint64, error) {
	st, err := lstat(dir, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return 0, nil
	case err != nil:
		return 0, diskError("look at", filepath.Join(dir.Name(), name), err)
	case st.Mode&unix.S_IFMT != unix.S_IFDIR:
		return 0, &api.Error{Code: api.CodeForeignContent, Subject: filepath.Join(dir.Name(), name), Message: "it is no directory", Fix: "look who works there beside the agent"}
	}
	return st.Ino, nil
}

// inodes are what the exchange is going to be about.
func (j *job) inodes() (decide.Swap, error) {
	p, err := j.openPair()
	if err != nil {
		return decide.Swap{}, err
	}
	defer p.close()
	var s decide.Swap
	if s.Data, s.Staged, err = p.inodes(); err != nil {
		return decide.Swap{}, err
	}
	if s.Staged == 0 {
		return decide.Swap{}, &api.Error{Code: api.CodeState, Subject: decide.StagedData(j.note.Data, j.id), Message: "the copy that was to become the database is gone",
			Fix: "look who removed it, and start the run again"}
	}
	return s, nil
}

// exchange makes the staged directory the data directory, if both are what the
// journal says, in one step that is on the disk when it returns.
func (j *job) exchange() error {
	return j.swap(decide.SideOld, func(p pair) error {
		return unix.Renameat2(int(p.staging.Fd()), dataName, int(p.parent.Fd()), p.data, unix.RENAME_NOREPLACE)
	})
}

// exchangeBack undoes exchange.
func (j *job) exchangeBack() error {
	return j.swap(decide.SideNew, func(p pair) error {
		return unix.Renameat2(int(p.parent.Fd()), p.data, int(p.staging.Fd()), dataName, unix.RENAME_NOREPLACE)
	})
}

// swap exchanges both directories if from is the one that stands. Where there was
// no data directory, only the other one is moved.
func (j *job) swap(from decide.Side, move func(pair) error) error {
	p, err := j.openPair()
	if err != nil {
		return err
	}
	defer p.close()
	swap := *j.note.journal.Target.Swap
	data, staged, err := p.inodes()
	if err != nil {
		return err
	}
	if swap.Side(data, staged) != from {
		return &api.Error{Code: api.CodeState, Subject: j.note.Data, Message: "the directories are not those that the journal speaks of",
			Fix: fmt.Sprintf("look at %s and at %s, and who works there beside the agent", j.note.Data, decide.StagedData(j.note.Data, j.id))}
	}
	if swap.Data == 0 {
		err = move(p)
	} else {
		err = unix.Renameat2(int(p.parent.Fd()), p.data, int(p.staging.Fd()), dataName, unix.RENAME_EXCHANGE)
	}
	if err != nil {
		return diskError("exchange with "+decide.StagedData(j.note.Data, j.id), j.note.Data, err)
	}
	return diskError("sync", j.note.Data, errors.Join(p.parent.Sync(), p.staging.Sync()))
}

// side tells which of both stands, after an exchange that may not have happened.
func (j *job) side() (decide.Side, error) {
	p, err := j.openPair()
	if errors.Is(err, fs.ErrNotExist) {
		return decide.SideUnknown, nil
	}
	if err != nil {
		return "", err
	}
	defer p.close()
	data, staged, err := p.inodes()
	if err != nil {
		return "", err
	}
	// Whichever it is, what follows counts on it.
	err = errors.Join(p.parent.Sync(), p.staging.Sync())
	return j.note.journal.Target.Swap.Side(data, staged), diskError("sync", j.note.Data, err)
}

// removeOld removes the staging with the old data, but never what stands.
func (j *job) removeOld() error {
	name := filepath.Base(decide.StagingPath(j.note.Data, j.id))
	parent, err := j.openParent()
	if err != nil {
		return err
	}
	defer parent.Close()
	staging, err := openDir(parent, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return diskError("open", filepath.Join(parent.Name(), name), err)
	}
	p := pair{parent, staging, filepath.Base(j.note.Data)}
	data, _, err := p.inodes()
	staging.Close()
	if err != nil {
		return err
	}
	if swap := j.note.journal.Target.Swap; swap != nil && data != swap.Staged {
		return &api.Error{Code: api.CodeState, Subject: j.note.Data, Message: "it is not the directory that was restored, so the old data are left where they are: " + staging.Name(),
			Fix: "look who works there beside the agent; remove the old data by hand"}
	}
	return removeTree(parent, name)
}
