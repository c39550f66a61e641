package storage

import (
	"context"
	"errors"
	"io/fs"
	"path"
)

// shelve puts a staging of another version away, to copy from.
func (s *staging) shelve(ctx context.Context) error {
	if err := s.discardShelf(ctx); err != nil {
		return err
	}
	if err := s.dir.Mkdir(shelfName, 0o700); err != nil {
		return err
	}
	// The record goes first: a tree without one is hashed, whatever it is.
	for _, name := range []string{recordName, stagedTree, stagedFile} {
		err := s.dir.Rename(name, path.Join(shelfName, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (s *staging) discardShelf(ctx context.Context) error {
	if err := s.discard(s.dir, shelfName); err != nil {
		return err
	}
	return s.collect(ctx)
}

// openShelf returns what was shelved, as far as its record and its manifest
// are there.
func (p *Placement) openShelf() *localReader {
	dir, err := p.stage.dir.OpenRoot(shelfName)
	if err != nil {
		return nil
	}
	defer dir.Close()
	head, have, ok := (&staging{dir: dir}).readRecord()
	if !ok {
		return nil
	}
	mf, err := p.m.Manifest(head.digest)
	if err != nil || mf.NumSpans() != have.Len() {
		return nil
	}
	c, err := openStaged(dir, mf, p.m.fds)
	if err != nil {
		return nil
	}
	return &localReader{c, have}
}
