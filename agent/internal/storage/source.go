package storage

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/atomicfile"
)

// Source is published content that is served where it stands. Nothing is
// written to it. It is safe for concurrent use.
type Source struct {
	m    *Manager
	path string

	check sync.Mutex // held by Check
	mu    sync.RWMutex
	// Guarded by mu.
	content *content // nil after Close
	have    artifact.Bitset
	// rejected are the stamps that changed files had when they were found to
	// be wrong, by file, or noFile; zero for files that are right.
	rejected []stamp
}

var _ Reader = (*Source)(nil)
var _ Reader = (*Placement)(nil)

// OpenSource opens the content of mf at path, an absolute path of a file or a
// directory anywhere on the machine. The first time, what stands there is taken
// for what was just published. Later, over restarts, a file that is not what it
// was then has no spans in Have, until Check finds it right again.
func (m *Manager) OpenSource(path string, mf *artifact.Manifest) (*Source, error) {
	s, err := m.openSource(path, mf)
	return s, userError("open the source", path, err)
}

func (m *Manager) openSource(path string, mf *artifact.Manifest) (*Source, error) {
	c, err := m.openPublished(path, mf)
	if err != nil {
		return nil, err
	}
	s := &Source{m: m, path: path, content: c, have: artifact.All(mf.NumSpans()), rejected: make([]stamp, len(c.files))}
	if err := errors.Join(m.ensureManifest(mf), s.remember(mf)); err != nil {
		c.close()
		return nil, err
	}
	return s, nil
}

func (m *Manager) openPublished(path string, mf *artifact.Manifest) (*content, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, err
	}
	dir, name := real, ""
	if mf.Kind() == artifact.KindFile {
		dir, name = filepath.Split(real)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return newContent(mf, root, name, m.fds), nil
}

func sourceName(path string, d artifact.Digest) string {
	sum := sha256.Sum256([]byte(path + "\x00" + d.String()))
	return hex.EncodeToString(sum[:]) + indexSuffix
}

// remember compares the files with the stamps that were kept, or keeps them.
func (s *Source) remember(mf *artifact.Manifest) error {
	found, err := s.content.scan(context.Background())
	if err != nil {
		return err
	}
	x, err := readIndex(s.m.source, sourceName(s.path, mf.Digest()))
	if err == nil && x.installed(mf.Digest()) && len(x.Files) == len(found) {
		s.content.stamps = x.Files
		for i, st := range stampsOf(found) {
			if st != x.Files[i] {
				s.reject(i, stamp{})
			}
		}
		return nil
	}
	for i, f := range s.content.files {
		if found[i] == nil || found[i].Size() != f.Length {
			return &ChangedError{f.Path}
		}
	}
	s.content.stamps = stampsOf(found)
	return s.save()
}

func (s *Source) save() error {
	d := s.content.mf.Digest()
	x := &index{ID: "source", Path: s.path, Digest: &d, Kind: s.content.mf.Kind().String(), Files: s.content.stamps}
	s.m.saving.Lock() // published again, the same content is open twice for a moment
	defer s.m.saving.Unlock()
	return atomicfile.WriteIn(s.m.source, sourceName(s.path, d), x.encode())
}

// reject takes a file out of service, which looked like seen.
func (s *Source) reject(i int, seen stamp) {
	s.rejected[i] = seen
	clearSpans(s.have, s.content.mf, i)
}

// Manifest is what the source was opened with.
func (s *Source) Manifest() *artifact.Manifest {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.content.mf
}

// Have returns a copy of the set of spans whose files are what they were.
func (s *Source) Have() artifact.Bitset {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.have.Clone()
}

// ReadAt fills buf with bytes of a span from begin on. It wraps ErrChanged if a
// file is not what it was; the file's spans then leave Have.
func (s *Source) ReadAt(span, begin int, buf []byte) error {
	err := s.read(span, begin, buf)
	var changed *ChangedError
	if errors.As(err, &changed) {
		s.withdraw(changed.File)
	}
	return userError(fmt.Sprintf("read span %d of", span), s.path, err)
}

func (s *Source) read(span, begin int, buf []byte) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := checkRange(s.content.mf, span, begin, len(buf)); err != nil {
		return err
	}
	if !s.have.Has(span) {
		return ErrMissing
	}
	return s.content.readSpan(span, begin, buf)
}

func (s *Source) withdraw(file string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range s.content.files {
		if f.Path == file {
			s.reject(i, stamp{})
		}
	}
}

// Check looks at all files, and hashes those that changed since they were last
// known, or all of them if deep is true. The spans of wrong ones leave Have;
// those of files that are right again come back.
func (s *Source) Check(ctx context.Context, deep bool) (Drift, error) {
	s.check.Lock()
	defer s.check.Unlock()
	s.mu.RLock()
	c, stamps, rejected := s.content, s.content.stamps, slices.Clone(s.rejected)
	s.mu.RUnlock()
	f, err := c.inspect(ctx, stamps, inspection{
		hash: func(int) bool { return deep },
		skip: func(i int, info fs.FileInfo) bool { // seen and found wrong before
			return !deep && info != nil && rejected[i] != (stamp{}) && rejected[i] == stampOf(info)
		},
	}, nil)
	if err != nil {
		return Drift{}, userError("check the source", s.path, err)
	}
	if err := s.apply(f, rejected); err != nil {
		return Drift{}, userError("check the source", s.path, err)
	}
	return Drift{Missing: c.names(f.missing), Changed: c.names(f.changed)}, nil
}

// noFile is in Source.rejected of a file that is not there.
var noFile = stamp{Size: -1}

// Spoilt are the paths of files that were found to be wrong, or gone.
func (s *Source) Spoilt() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var files []int
	for i, r := range s.rejected {
		if r != (stamp{}) {
			files = append(files, i)
		}
	}
	if s.content == nil {
		return nil
	}
	return s.content.names(files)
}

// apply takes over what inspect saw. A file that was rejected since, which before
// does not know of, stays out of service until the next time.
func (s *Source) apply(f *findings, before []stamp) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.content
	rejected := make([]stamp, len(c.files))
	have := artifact.All(c.mf.NumSpans())
	for i, file := range c.files {
		switch {
		case file.Length == 0:
			continue
		case s.rejected[i] != before[i]:
			rejected[i], f.stamps[i] = s.rejected[i], c.stamps[i]
		case f.found[i] == nil:
			rejected[i] = cmp.Or(f.seen[i], noFile)
		default:
			continue
		}
		clearSpans(have, c.mf, i)
	}
	s.have, s.rejected, c.stamps = have, rejected, f.stamps
	return s.save()
}

// Close closes the files. The source must not be used any more.
func (s *Source) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.content.close()
	return nil
}

// Forget closes the source and forgets how its files looked.
func (s *Source) Forget() error {
	s.Close()
	err := s.m.source.Remove(sourceName(s.path, s.content.mf.Digest()))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return userError("forget the source", s.path, err)
}
