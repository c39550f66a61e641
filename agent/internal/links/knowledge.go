package links

import (
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/store"
	"github.com/rackswarm/rackswarm/core/unit"
)

// knowledge is what is known of all links. It is safe for concurrent use.
type knowledge struct {
	clock   func() unit.Time
	epoch   time.Time              // when clock began
	own     map[unit.Location]bool // the links on the node's own way to the root
	files   map[unit.Location]Link
	sensors map[unit.Location]bool
	keeper  keeper
	log     *slog.Logger

	mu    sync.Mutex
	links map[unit.Location]stored
	reads reads
	// looked is when links were looked at last that others look at, too.
	looked map[unit.Location]unit.Time
}

// stored is what the store says of a link, or what it said last before it lost that.
type stored struct {
	record  *store.LinkRecord // nil if nothing was ever said
	lost    bool              // the store has no record any more
	reading *store.LinkReading
	read    unit.Time // when the reading had its age
	// unreadable: the store has a record that this version cannot read. What was said
	// before it stays in force.
	unreadable bool
	// damaged: it is not the store that has such a record, but what was kept of it.
	damaged bool
	// missed is since when the store does not say all of this, nil if it does.
	missed *unit.Time
}

// forgetAfter is after what time without a word of the store what was known of the link
// of another location is forgotten: nodes that stand there keep it.
const forgetAfter = 24 * time.Hour

// remembered is s after the store has said f at now, without what it has not said for
// forgetAfter of a link that is not the node's own.
func (s stored) remembered(now unit.Time, f store.LinkFacts, own bool) stored {
	noRecord, noReading := s.record != nil && f.Record == nil, s.reading != nil && f.Reading == nil
	switch {
	case !noRecord && !noReading:
		s.missed = nil
		return s
	case s.missed == nil:
		s.missed = &now
	}
	if own || now.Sub(*s.missed) < forgetAfter {
		return s
	}
	if noRecord {
		s.record, s.lost, s.unreadable = nil, false, false
	}
	if noReading {
		s.reading = nil
	}
	s.missed = nil
	return s
}

// learned is s after the store has said f at now. A store without a record of what was
// said has lost it, and maybe the reading with it: both stay in force, also a record that
// only another version can read. What was taken back has a record. One beside a reading is
// not brought back into a store that has lost both: others would take it to be of later.
func (s stored) learned(now unit.Time, f store.LinkFacts) stored {
	said := s.record != nil && !s.damaged
	switch known := said && !s.record.Unreadable; {
	case f.Record == nil && !said:
		s.record = nil
	case f.Record != nil && !(f.Record.Unreadable && known):
		s.record = f.Record
	}
	gone := s.record != nil && f.Record == nil
	s.unreadable = f.Record != nil && f.Record.Unreadable || gone && s.record.Unreadable
	s.damaged = false
	switch {
	case f.Reading != nil && !(f.Reading.Unreadable && s.reading != nil):
		s.reading, s.read = f.Reading, now
	case f.Reading == nil && f.Record != nil && f.Record.Cleared:
		s.reading = nil
	}
	s.lost = gone && !s.record.Unreadable && !(s.record.Cleared && s.reading != nil)
	return s
}

// recall begins with what was known before a restart. If that is damaged, anything may
// have been said of the links of path, the uplinks of this node: they have the floor
// until the store answers.
func (k *knowledge) recall(path []unit.Location) {
	before, err := k.keeper.load()
	k.links = before.stored(k.clock(), k.epoch)
	if err == nil {
		return
	}
	for _, l := range path {
		if s := k.links[l]; s.record == nil {
			s.record, s.unreadable, s.damaged = unreadable(l), true, true
			k.links[l] = s
		}
	}
	k.log.Warn("what was known of links is damaged: uplinks have the floor until the store answers, and says what was declared of them",
		"error", err, "file", k.keeper.file, "links", path, "fix", "bring the store back; the file is then written anew")
}

// unreadable is the record of a link of which something was said that cannot be read.
func unreadable(l unit.Location) *store.LinkRecord {
	return &store.LinkRecord{Link: api.Link{Location: string(l)}, Unreadable: true}
}

// learn takes what the store has said: of all links, or of some. It returns what the
// store has lost.
func (k *knowledge) learn(all bool, facts map[unit.Location]store.LinkFacts) (lost []store.LinkRecord) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.clock()
	if all {
		for l := range k.links {
			if _, ok := facts[l]; !ok {
				k.told(now, l, store.LinkFacts{})
			}
		}
	}
	for l, f := range facts {
		k.told(now, l, f)
	}
	for _, l := range slices.Sorted(maps.Keys(k.links)) {
		switch s := k.links[l]; {
		case s.record == nil && s.reading == nil:
			delete(k.links, l)
		case s.lost:
			lost = append(lost, *s.record)
		}
	}
	return lost
}

// told takes what the store has said of a link. The caller holds mu.
func (k *knowledge) told(now unit.Time, l unit.Location, f store.LinkFacts) {
	k.links[l] = k.links[l].learned(now, f).remembered(now, f, k.own[l])
}

// restored notes that the store has what it had lost.
func (k *knowledge) restored(records []store.LinkRecord) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, r := range records {
		s := k.links[unit.Location(r.Location)]
		s.lost = false
		k.links[unit.Location(r.Location)] = s
	}
}

// keep keeps what is known for a restart. What could not be kept is tried again after
// all was read, which is done now and then.
func (k *knowledge) keep(all bool) {
	k.mu.Lock()
	kept := keptOf(k.links, k.epoch)
	k.mu.Unlock()
	if err := k.keeper.save(kept, all); err != nil {
		k.log.Error("links that are declared in the store are not known after a restart without it", "error", err)
	}
}

// of returns what is known of a location's uplink.
func (k *knowledge) of(l unit.Location) facts {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.links[l]
	f := facts{location: l, reading: s.reading, read: s.read, sensor: k.sensors[l], lost: s.lost, unreadable: s.unreadable, damaged: s.damaged}
	if file, ok := k.files[l]; ok {
		f.file = &file
	}
	if s.record != nil && !s.record.Cleared && !s.record.Unreadable {
		f.declared = &s.record.Link
	}
	return f
}

// look is of, of a link that may be another location's: it is read more often for a
// while.
func (k *knowledge) look(l unit.Location) facts {
	f := k.of(l)
	if f.known() {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.looked[l] = k.clock()
	}
	return f
}

// all returns the locations of all links that somebody declared, sorted.
func (k *knowledge) all() []unit.Location {
	k.mu.Lock()
	defer k.mu.Unlock()
	set := map[unit.Location]bool{}
	for l := range k.files {
		set[l] = true
	}
	for l := range k.sensors {
		set[l] = true
	}
	for l, s := range k.links {
		if s.reading != nil || !s.record.Cleared {
			set[l] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}
