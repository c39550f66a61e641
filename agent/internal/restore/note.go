package restore

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/atomicfile"
	decide "github.com/rackswarm/rackswarm/core/restore"
)

// note is what the agent remembers of a part, in <state>/restore/<run>.json. No
// setting of an instance is in it.
type note struct {
	// Goal is what the run wanted last; with it a part goes on without the store.
	Goal api.PartGoal `json:"goal"`
	// Store is the identity of the store that the run was last seen in.
	Store string `json:"store,omitempty"`
	// Data and Driver are those of the instance when the part began: a part does not
	// go on with another database.
	Data   string `json:"data"`
	Driver string `json:"driver"`
	// Name is what a source publishes the capture as: the backup's ID, or the run's.
	Name string `json:"name"`
	// Pin is the source's hold on the log, from which a member takes its own; "" if
	// there is none.
	Pin string `json:"pin,omitempty"`

	journal decide.Journal
}

// writtenNote is a note as it is in the file.
type writtenNote struct {
	note
	Journal json.RawMessage `json:"journal"`
}

// notes are the files of a directory. Each has one writer at a time.
type notes struct{ dir string }

const (
	noteSuffix = ".json"
	// badSuffix is added to the name of a note that cannot be read.
	badSuffix = ".bad"
	// membersName cannot be a run's, as those have no dots.
	membersName = "members.known"
)

func openNotes(state string) (notes, error) {
	dir := filepath.Join(state, "restore")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return notes{}, fmt.Errorf("directory for journals of runs: %w", err)
	}
	return notes{dir}, nil
}

func (n notes) path(run string) string { return filepath.Join(n.dir, run+noteSuffix) }

// save returns when the note is on the disk.
func (n notes) save(run string, text []byte) error {
	if err := atomicfile.Write(n.path(run), text); err != nil {
		return fmt.Errorf("write the journal of run %s: %w", run, err)
	}
	return nil
}

func (n notes) drop(run string) error {
	if err := os.Remove(n.path(run)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("delete the journal of run %s: %w", run, err)
	}
	return nil
}

// load reads all notes. One that cannot be read is put aside, and is among bad:
// what the run says of the part decides then.
func (n notes) load() (all []note, bad []error, err error) {
	entries, err := os.ReadDir(n.dir)
	if err != nil {
		return nil, nil, fmt.Errorf("journals of runs: %w", err)
	}
	for _, entry := range entries {
		run, ok := strings.CutSuffix(entry.Name(), noteSuffix)
		if !ok {
			continue
		}
		e, err := n.read(run)
		if err == nil {
			all = append(all, e)
			continue
		}
		bad = append(bad, err)
		if err := os.Rename(n.path(run), n.path(run)+badSuffix); err != nil {
			return nil, nil, fmt.Errorf("put aside a damaged journal: %w", err)
		}
	}
	return all, bad, nil
}

func (n notes) read(run string) (note, error) {
	text, err := os.ReadFile(n.path(run))
	if err != nil {
		return note{}, fmt.Errorf("journal of run %s: %w", run, err)
	}
	e, err := parseNote(text)
	if err == nil && e.journal.Run != run {
		err = fmt.Errorf("it is that of run %q", e.journal.Run)
	}
	if err != nil {
		return note{}, fmt.Errorf("journal of run %s: %w", run, err)
	}
	return e, nil
}

func (e note) encode() ([]byte, error) {
	journal, err := e.journal.Encode()
	if err != nil {
		return nil, err
	}
	text, err := json.MarshalIndent(writtenNote{e, journal}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode the journal of run %s: %w", e.journal.Run, err)
	}
	return append(text, '\n'), nil
}

func parseNote(text []byte) (note, error) {
	var w writtenNote
	if err := json.Unmarshal(text, &w); err != nil {
		return note{}, err
	}
	var err error
	w.journal, err = decide.ParseJournal(w.Journal)
	return w.note, err
}

// Pending reports whether a state directory has journals of parts that are not
// finished.
func Pending(state string) bool {
	entries, err := os.ReadDir(filepath.Join(state, "restore"))
	return err == nil && slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return strings.HasSuffix(e.Name(), noteSuffix) })
}

// members are the names under which this node's instances follow their primaries
// since a run restored them, by instance.
type members map[string]string

// loadMembers returns what is remembered. Nothing is remembered of a damaged file:
// then what a former member left on its primary stays there.
func (n notes) loadMembers() (members, error) {
	m := members{}
	text, err := os.ReadFile(filepath.Join(n.dir, membersName))
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &m)
	}
	if err != nil {
		return members{}, fmt.Errorf("names of members: %w", err)
	}
	return m, nil
}

func (n notes) saveMembers(m members) error {
	text, err := json.Marshal(m)
	if err == nil {
		err = atomicfile.Write(filepath.Join(n.dir, membersName), text)
	}
	if err != nil {
		return fmt.Errorf("remember the names of members: %w", err)
	}
	return nil
}
