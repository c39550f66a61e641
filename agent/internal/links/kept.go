package links

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/atomicfile"
	"github.com/rackswarm/rackswarm/core/store"
	"github.com/rackswarm/rackswarm/core/unit"
)

// kept is what is known of links beside the store: what a restart must not forget, as
// the store may be down then, and a link that nobody declared has no limit; and what a
// store that loses its data gets back.
type kept struct {
	Declared []api.Link          `json:"declared"`
	Cleared  []unit.Location     `json:"cleared,omitempty"` // what was declared, and taken back
	Sources  []store.LinkReading `json:"sources"`           // what they carry, not how much of it is used
	// Unreadable are those of which something is said that could not be read.
	Unreadable []unit.Location `json:"unreadable,omitempty"`
	// Missed is since when the store does not say all of it; of others it did last.
	Missed map[unit.Location]time.Time `json:"missed,omitempty"`
}

// keptOf is what to keep of links, whose times began at epoch.
func keptOf(links map[unit.Location]stored, epoch time.Time) kept {
	k := kept{Declared: []api.Link{}}
	for _, l := range slices.Sorted(maps.Keys(links)) {
		s := links[l]
		if s.missed != nil {
			if k.Missed == nil {
				k.Missed = map[unit.Location]time.Time{}
			}
			k.Missed[l] = epoch.Add(time.Duration(*s.missed)).UTC().Truncate(time.Second)
		}
		switch {
		case s.record == nil:
		case s.record.Unreadable:
			k.Unreadable = append(k.Unreadable, l)
		case s.record.Cleared:
			k.Cleared = append(k.Cleared, l)
		default:
			k.Declared = append(k.Declared, s.record.Link)
		}
		if r := s.reading; r != nil {
			k.Sources = append(k.Sources, store.LinkReading{Location: l, Source: r.Source, UpCapacity: r.UpCapacity, DownCapacity: r.DownCapacity})
		}
	}
	return k
}

// stored is what was kept as if the store had said it at now, in times that began at
// epoch. What the store had not said for a while it has not said since then.
func (k kept) stored(now unit.Time, epoch time.Time) map[unit.Location]stored {
	links := map[unit.Location]stored{}
	for _, l := range k.Declared {
		links[unit.Location(l.Location)] = stored{record: &store.LinkRecord{Link: l}}
	}
	for _, l := range k.Cleared {
		links[l] = stored{record: &store.LinkRecord{Link: api.Link{Location: string(l)}, Cleared: true}}
	}
	for _, l := range k.Unreadable {
		links[l] = stored{record: unreadable(l), unreadable: true}
	}
	for _, r := range k.Sources {
		s := links[r.Location]
		s.reading, s.read = &r, now
		links[r.Location] = s
	}
	for l, at := range k.Missed {
		if s, ok := links[l]; ok {
			ago := epoch.Add(time.Duration(now)).Sub(at)
			s.missed = new(now.Add(-min(max(ago, 0), forgetAfter))) // the clock may have been set back
			links[l] = s
		}
	}
	return links
}

// keeper keeps it in a file. It is safe for concurrent use.
type keeper struct {
	file string // "" for none

	mu     sync.Mutex
	last   kept // what was to be saved last
	failed bool // and is not
}

// load returns what is in the file; a file that is not there is empty. Of one that is
// damaged it returns what can be read, and an error.
func (p *keeper) load() (k kept, err error) {
	if p.file == "" {
		return kept{}, nil
	}
	data, err := os.ReadFile(p.file)
	if errors.Is(err, fs.ErrNotExist) {
		return kept{}, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &k)
	}
	if err == nil && k.Declared == nil {
		err = errors.New("it says nothing, not even that nothing is declared")
	}
	before := len(k.Declared) + len(k.Sources)
	k.Declared = slices.DeleteFunc(k.Declared, func(l api.Link) bool { return l.Validate() != nil })
	k.Sources = slices.DeleteFunc(k.Sources, func(r store.LinkReading) bool { return min(r.UpCapacity, r.DownCapacity) < 0 })
	if err == nil && len(k.Declared)+len(k.Sources) < before {
		err = errors.New("it says what no link can be")
	}
	if err != nil {
		return k, fmt.Errorf("read what was known of links: %w", err)
	}
	p.last = k
	return k, nil
}

// save replaces the file if there is something new, or, with again, if that failed. A
// failure is told once.
func (p *keeper) save(k kept, again bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.file == "" || reflect.DeepEqual(k, p.last) && !(p.failed && again) {
		return nil
	}
	p.last = k
	data, err := json.Marshal(k)
	if err == nil {
		err = atomicfile.Write(p.file, data)
	}
	told := p.failed
	p.failed = err != nil
	if err != nil && !told {
		return fmt.Errorf("keep what is known of links: %w", err)
	}
	return nil
}
