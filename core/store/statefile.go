package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
)

// contents is the format of the file.
type contents struct {
	Format int                           `json:"format"`
	Hashes map[string]map[string]string  `json:"hashes"`
	Sorted map[string]map[string]float64 `json:"sorted"`
}

const stateFormat = 1

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
