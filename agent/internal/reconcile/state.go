package reconcile

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/atomicfile"
)

// desired is the desired state as it was read last.
type desired struct {
	Store         string                  `json:"store"` // its identity
	Distributions []api.Distribution      `json:"distributions"`
	Artifacts     map[string]api.Artifact `json:"artifacts"` // by digest, of the distributions that select this node
}

// sourceRecord says that this node serves an artifact from a path.
type sourceRecord struct {
	Digest artifact.Digest `json:"digest"`
	Path   string          `json:"path"`
}

// stateDir keeps what has to survive a restart, as JSON files that are replaced
// atomically.
type stateDir struct {
	dir string
	log *slog.Logger
}

func openState(dir string, log *slog.Logger) (*stateDir, error) {
	s := &stateDir{dir: filepath.Join(dir, "reconcile"), log: log}
	if err := os.MkdirAll(s.recordDir(), 0o700); err != nil {
		return nil, fmt.Errorf("create the reconciler's state directory: %w", err)
	}
	return s, nil
}

func (s *stateDir) recordDir() string { return filepath.Join(s.dir, "placements") }

func (s *stateDir) recordFile(name string) string {
	return filepath.Join(s.recordDir(), url.PathEscape(name)+".json")
}

func (s *stateDir) saveRecord(r *Record) error  { return writeJSON(s.recordFile(r.Name), r) }
func (s *stateDir) saveDesired(d desired) error { return writeJSON(s.file("desired"), d) }
func (s *stateDir) saveSources(list []sourceRecord) error {
	return writeJSON(s.file("sources"), list)
}

func (s *stateDir) saveControls(c controls) error   { return writeJSON(s.file("controls"), c) }
func (s *stateDir) saveHere(holds []api.Hold) error { return writeJSON(s.file("holds"), holds) }

func (s *stateDir) loadControls() (c controls) {
	s.load("controls", &c)
	return c
}

func (s *stateDir) loadHere() (holds []api.Hold) {
	s.load("holds", &holds)
	return holds
}

func (s *stateDir) file(name string) string { return filepath.Join(s.dir, name+".json") }

func (s *stateDir) dropRecord(name string) error {
	if err := os.Remove(s.recordFile(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forget placement %s: %w", name, err)
	}
	return nil
}

// loadRecords returns every record that can be read. A damaged one is logged and
// left out: its content is then found at its destination, as any other's.
func (s *stateDir) loadRecords() (map[string]*Record, error) {
	entries, err := os.ReadDir(s.recordDir())
	if err != nil {
		return nil, fmt.Errorf("read placements: %w", err)
	}
	records := map[string]*Record{}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".json") {
			continue
		}
		var r Record
		if err := readJSON(filepath.Join(s.recordDir(), e.Name()), &r); err != nil || r.Name == "" {
			s.log.Warn("placement record is damaged and left out", "file", e.Name(), "error", err)
			continue
		}
		records[r.Name] = &r
	}
	return records, nil
}

// loadDesired returns the desired state that was read last; false if there is none.
func (s *stateDir) loadDesired() (desired, bool) {
	var d desired
	return d, s.load("desired", &d)
}

func (s *stateDir) loadSources() []sourceRecord {
	var list []sourceRecord
	s.load("sources", &list)
	return list
}

func (s *stateDir) load(name string, v any) bool {
	err := readJSON(s.file(name), v)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.log.Warn("state file is damaged and left out", "file", s.file(name), "error", err)
	}
	return err == nil
}

func readJSON(path string, v any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, v)
}

// writeJSON replaces the file in one step: after a crash it is the old or the
// new one.
func writeJSON(path string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode %s: %w", path, err)
	}
	if err := atomicfile.Write(path, data); err != nil {
		return fmt.Errorf("replace %s: %w", path, err)
	}
	return nil
}
