package artifact

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"
)

// infoDict is the info dictionary as it is read, in terms of the input.
type infoDict struct {
	tree        string // the encoded file tree
	name        string // escaped if it is not UTF-8
	pieceLength int64
	metaVersion int64
	private     int64

	// From info.rackswarm. fileModes and dirModes have two bytes per entry, high
	// byte first. rawNames gives names that are not UTF-8 by their escaped form.
	kind                Kind
	dirs                []Dir
	links               []Link
	fileModes, dirModes string
	rawNames            []rawName // sorted by escaped
}

type rawName struct{ escaped, raw string }

func (d *infoDict) read(s *scanner) {
	s.open('d')
	for k := (keys{}); ; {
		key, ok := s.next(&k)
		if !ok {
			return
		}
		start := s.pos
		switch key {
		case "file tree":
			s.skip()
			d.tree = s.in[start:s.pos]
		case "meta version":
			d.metaVersion = s.number()
		case "name":
			d.name = s.string()
		case "piece length":
			d.pieceLength = s.number()
		case "private":
			d.private = s.number()
		case "rackswarm":
			d.readExtension(s)
		default:
			s.fail(fmt.Sprintf("unknown key %.40q in info: made by another program or a newer version", key))
		}
	}
}

func (d *infoDict) readExtension(s *scanner) {
	s.open('d')
	for k := (keys{}); ; {
		key, ok := s.next(&k)
		if !ok {
			return
		}
		switch key {
		case "dir modes":
			d.dirModes = s.string()
		case "dirs":
			d.readDirs(s)
		case "kind":
			kind, err := ParseKind(s.string())
			s.failErr(err)
			d.kind = kind
		case "links":
			d.readLinks(s)
		case "modes":
			d.fileModes = s.string()
		case "raw names":
			d.readRawNames(s)
		default:
			s.fail(fmt.Sprintf("unknown key %.40q in info.rackswarm: made by a newer version", key))
		}
	}
}

// readDirs reads the list of paths; the modes follow in check.
func (d *infoDict) readDirs(s *scanner) {
	for s.open('l'); s.more(); {
		d.dirs = append(d.dirs, Dir{Path: s.string()})
		d.bound(s)
	}
}

// readLinks reads a list of paths and targets in turn.
func (d *infoDict) readLinks(s *scanner) {
	for s.open('l'); s.more(); {
		d.links = append(d.links, Link{Path: s.string(), Target: s.string()})
		d.bound(s)
	}
}

func (d *infoDict) bound(s *scanner) {
	if len(d.dirs)+len(d.links) > MaxEntries {
		s.fail(fmt.Sprintf("more than %d entries", MaxEntries))
	}
}

// readRawNames reads the names that are not UTF-8. As only names that are not
// UTF-8 may stand there, and each only once, no two names become the same.
func (d *infoDict) readRawNames(s *scanner) {
	s.open('d')
	for k := (keys{}); ; {
		escaped, ok := s.next(&k)
		if !ok {
			break
		}
		raw := s.string()
		if utf8.ValidString(raw) || len(d.rawNames) == MaxEntries {
			s.fail(fmt.Sprintf("raw name %.40q is UTF-8, or one of too many", raw))
		}
		d.rawNames = append(d.rawNames, rawName{escaped, raw})
	}
	raws := make([]string, len(d.rawNames))
	for i, n := range d.rawNames {
		raws[i] = n.raw
	}
	slices.Sort(raws)
	if len(slices.Compact(raws)) != len(d.rawNames) {
		s.fail("a raw name is there twice")
	}
}

// raw returns the name that an element of the file tree stands for.
func (d *infoDict) raw(element string) string {
	i, ok := sort.Find(len(d.rawNames), func(i int) int { return strings.Compare(element, d.rawNames[i].escaped) })
	if !ok {
		return element
	}
	return d.rawNames[i].raw
}

func (d *infoDict) check() error {
	switch {
	case d.metaVersion != 2:
		return errors.New("not a BitTorrent v2 info dictionary")
	case d.private != 1:
		return errors.New("the private flag is not set")
	case d.tree == "":
		return errors.New("no file tree")
	case !utf8.ValidString(d.name):
		return errors.New("the name is not UTF-8")
	case len(d.dirModes) != 2*len(d.dirs):
		return errors.New("the directories' modes are not as many as the directories")
	}
	for i := range d.dirs {
		d.dirs[i].Mode = modeAt(d.dirModes, i)
	}
	return CheckPieceLength(d.pieceLength)
}

// CheckPieceLength accepts powers of two from 16 KiB to 16 MiB.
func CheckPieceLength(n int64) error {
	if n < MinPieceLength || n > MaxPieceLength || n&(n-1) != 0 {
		return fmt.Errorf("piece length %d: must be a power of two from 16 KiB to 16 MiB", n)
	}
	return nil
}

// modeAt reads the i-th of modes of two bytes each.
func modeAt(modes string, i int) uint32 {
	return uint32(modes[2*i])<<8 | uint32(modes[2*i+1])
}
