package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"

	"github.com/rackswarm/rackswarm/core/api"
)

// Changes are written this long after the first of them, together with what
// follows meanwhile.
const writeDelay = 200 * time.Millisecond

// state keeps the lasting part of an embedded store in a file.
type state struct {
	path   string
	redis  *miniredis.Miniredis
	logger *slog.Logger
	touch  chan struct{} // has room for one: a lasting key may have changed
	stop   chan struct{}
	done   chan struct{}

	mu   sync.Mutex
	keys map[string]bool // lasting keys seen, guarded by mu

	written contents // owned by run, after done by close
}

// contents is the format of the file.
type contents struct {
	Format int                           `json:"format"`
	Hashes map[string]map[string]string  `json:"hashes"`
	Sorted map[string]map[string]float64 `json:"sorted"`
}

const stateFormat = 1

// lasting reports whether a key is kept: doc.go lists them.
func lasting(key string) bool {
	return strings.HasSuffix(key, ":{nodes}:known") || strings.HasSuffix(key, ":{artifacts}:records") ||
		strings.Contains(key, ":{artifacts}:seeds:") || strings.HasSuffix(key, ":{distributions}:records")
}

// startState fills r from the file, if there is one, and follows its changes.
func startState(path string, r *miniredis.Miniredis, logger *slog.Logger) (*state, error) {
	s := &state{
		path: path, redis: r, logger: logger, keys: map[string]bool{},
		touch: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
	}
	if err := s.load(); err != nil {
		return nil, &api.Error{
			Code: api.CodeIO, Subject: path, Message: "read the state of the embedded store: " + err.Error(),
			Fix: "repair the file, or move it away to start without artifacts and distributions",
		}
	}
	r.Server().SetPreHook(s.observe)
	go s.run()
	return s, nil
}

func (s *state) load() error {
	data, err := os.ReadFile(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return os.MkdirAll(filepath.Dir(s.path), 0o700)
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, &s.written); err != nil {
		return err
	}
	if s.written.Format != stateFormat {
		return fmt.Errorf("format %d, but this version reads %d", s.written.Format, stateFormat)
	}
	for key, hash := range s.written.Hashes {
		s.keys[key] = true
		for field, value := range hash {
			s.redis.HSet(key, field, value)
		}
	}
	for key, set := range s.written.Sorted {
		s.keys[key] = true
		for member, score := range set {
			if _, err := s.redis.ZAdd(key, score, member); err != nil {
				return err
			}
		}
	}
	return nil
}

// observe sees every command before it runs, also those of scripts and
// transactions.
func (s *state) observe(_ *server.Peer, _ string, args ...string) bool {
	for _, arg := range args {
		if lasting(arg) {
			s.mu.Lock()
			s.keys[arg] = true
			s.mu.Unlock()
			kick(s.touch)
		}
	}
	return false
}

// run writes until close. The command that touched a key may run only after it
// was observed, so there is a second look one delay later.
func (s *state) run() {
	defer close(s.done)
	for looks := 0; ; {
		if looks == 0 {
			select {
			case <-s.stop:
				return
			case <-s.touch:
			}
			looks = 2
		}
		select {
		case <-s.stop:
			return
		case <-time.After(writeDelay):
		}
		select {
		case <-s.touch:
			looks = 2
		default:
		}
		looks--
		if err := s.save(false); err != nil {
			s.logger.Error("write the state of the embedded store", "file", s.path, "err", err)
			looks = max(looks, 1)
		}
	}
}

// close writes a last time. The server has ended before.
func (s *state) close() error {
	close(s.stop)
	<-s.done
	return s.save(true)
}

// save writes the file if it would differ. When a node was last seen is no
// reason by itself, except with exact: nodes refresh that all the time.
func (s *state) save(exact bool) error {
	now, err := s.read()
	if err != nil {
		return err
	}
	a, b := s.written, now
	if !exact {
		a, b = withoutLastSeen(a), withoutLastSeen(b)
	}
	if reflect.DeepEqual(a, b) {
		return nil
	}
	data, err := json.Marshal(now)
	if err != nil {
		return err
	}
	if err := writeFile(s.path, data); err != nil {
		return fmt.Errorf("write %s: %w", s.path, err)
	}
	s.written = now
	return nil
}

// read collects the lasting keys that exist.
func (s *state) read() (contents, error) {
	c := contents{Format: stateFormat, Hashes: map[string]map[string]string{}, Sorted: map[string]map[string]float64{}}
	for _, key := range s.seen() {
		switch s.redis.Type(key) {
		case "hash":
			c.Hashes[key] = s.hash(key)
		case "zset":
			set, err := s.redis.SortedSet(key)
			if err != nil {
				return contents{}, fmt.Errorf("read %s: %w", key, err)
			}
			c.Sorted[key] = set
		}
	}
	return c, nil
}

// seen copies the keys: observe runs with the server's lock held, so nothing may
// be asked of the server while mu is.
func (s *state) seen() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.keys))
}

func (s *state) hash(key string) map[string]string {
	hash := map[string]string{}
	fields, _ := s.redis.HKeys(key) // none if it was deleted meanwhile
	for _, field := range fields {
		hash[field] = s.redis.HGet(key, field)
	}
	return hash
}

func withoutLastSeen(c contents) contents {
	hashes := make(map[string]map[string]string, len(c.Hashes))
	for key, hash := range c.Hashes {
		if strings.HasSuffix(key, ":known") {
			hash = nodesWithoutLastSeen(hash)
		}
		hashes[key] = hash
	}
	c.Hashes = hashes
	return c
}

func nodesWithoutLastSeen(hash map[string]string) map[string]string {
	out := make(map[string]string, len(hash))
	for name, record := range hash {
		n, err := decode[api.Node]("node", name, record)
		if err != nil {
			out[name] = record
			continue
		}
		n.LastSeen = time.Time{}
		out[name] = fmt.Sprintf("%+v", n)
	}
	return out
}

// writeFile replaces path so that after a crash either the old or the new
// content stands.
func writeFile(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone after the rename
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
