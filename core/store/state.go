package store

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/atomicfile"
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

// lasting reports whether a key is kept: doc.go lists them.
func lasting(key string) bool {
	return strings.HasSuffix(key, ":{nodes}:known") || strings.HasSuffix(key, "}:records") ||
		strings.HasSuffix(key, "}:identity") ||
		strings.Contains(key, ":{artifacts}:seeds:") || strings.Contains(key, ":{runs}:reports:")
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
			Fix: "repair the file, or move it away to start without artifacts, distributions and backups",
		}
	}
	r.Server().SetPreHook(s.observe)
	go s.run()
	return s, nil
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
	for looks, failing := 0, false; ; {
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
		err := s.save(false)
		if err != nil {
			looks = max(looks, 1)
		}
		s.tell(err, &failing)
	}
}

// tell logs that the state cannot be written, once until it can.
func (s *state) tell(err error, failing *bool) {
	switch {
	case err != nil && !*failing:
		s.logger.Error("the state of the embedded store cannot be written: what is changed now is lost if this agent ends; it is tried again", "file", s.path, "error", err)
	case err == nil && *failing:
		s.logger.Info("the state of the embedded store is written again", "file", s.path)
	}
	*failing = err != nil
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
	now := s.read()
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
	if err := atomicfile.Write(s.path, data); err != nil {
		return fmt.Errorf("write %s: %w", s.path, err)
	}
	s.written = now
	return nil
}

// read collects the lasting keys that exist.
func (s *state) read() contents {
	c := contents{Format: stateFormat, Hashes: map[string]map[string]string{}, Sorted: map[string]map[string]float64{}}
	for _, key := range s.seen() {
		switch s.redis.Type(key) {
		case "hash":
			c.Hashes[key] = s.hash(key)
		case "zset":
			c.Sorted[key] = s.sorted(key)
		}
	}
	return c
}

// seen copies the keys: observe runs with the server's lock held, so nothing may
// be asked of the server while mu is.
func (s *state) seen() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.keys))
}

// sorted copies member by member: SortedSet returns the server's own map.
func (s *state) sorted(key string) map[string]float64 {
	set := map[string]float64{}
	members, _ := s.redis.ZMembers(key) // none if it was deleted meanwhile
	for _, member := range members {
		if score, err := s.redis.ZScore(key, member); err == nil {
			set[member] = score
		}
	}
	return set
}

func (s *state) hash(key string) map[string]string {
	hash := map[string]string{}
	fields, _ := s.redis.HKeys(key) // none if it was deleted meanwhile
	for _, field := range fields {
		hash[field] = s.redis.HGet(key, field)
	}
	return hash
}
