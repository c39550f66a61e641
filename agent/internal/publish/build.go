package publish

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/client/pack"
)

// Options says how content is published. The zero value has usable defaults.
type Options struct {
	Name        string // the base name of the path by default
	PieceLength int64  // a power of two from 16 KiB to 16 MiB; 0 chooses by the content
	Workers     int    // goroutines that hash; 0 is one per core
	// Checksum asks for the checksum of a file that is mostly holes, too.
	Checksum bool
	// Progress hears about ten times a second what has been hashed, one call at
	// a time.
	Progress func(api.Progress)
}

// Result is what Build finds out.
type Result struct {
	Manifest *artifact.Manifest // not signed
	// Checksum is "sha256:" and the hexadecimal SHA-256 of a single file's
	// content, "" for a tree and for a file with more than 4 GiB of holes, unless
	// it was asked for.
	Checksum    string
	Fingerprint Fingerprint
}

// Fingerprint has the stamp of every file of the manifest, in its order. As long
// as the files keep their stamps, their content is what was hashed.
type Fingerprint []pack.Stamp

// Build hashes the file or directory at path. Content that cannot be published,
// or that changes while it is read, is an *api.Error that names the path and
// the fix.
func Build(ctx context.Context, path string, o Options) (Result, error) {
	s, err := pack.Scan(ctx, path)
	if err != nil {
		return Result{}, named("scan", path, err)
	}
	defer s.Close()
	if err := o.fill(s); err != nil {
		return Result{}, err
	}
	h := newHasher(s, o)
	if err := h.run(ctx); err != nil {
		return Result{}, named("hash", path, err)
	}
	if err := s.DirsUnchanged(); err != nil {
		return Result{}, err
	}
	m, err := describe(s, o, h.layers)
	if err != nil {
		return Result{}, pack.Unsuited(s.Path, err.Error(), "change the name, the piece size or the content that it speaks of")
	}
	return Result{Manifest: m, Checksum: h.checksum, Fingerprint: fingerprint(s, m)}, nil
}

// fill sets what was left open, and checks the rest before anything is hashed.
func (o *Options) fill(s *pack.Source) error {
	if o.Name == "" {
		o.Name = defaultName(s.Path)
	}
	if o.PieceLength == 0 {
		o.PieceLength = artifact.ChoosePieceLength(s.Size, len(s.Files))
	}
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if err := artifact.CheckName(o.Name); err != nil {
		return invalid("name", err, "give a plain file name")
	}
	if err := artifact.CheckPieceLength(o.PieceLength); err != nil {
		return invalid("piece_size", err, "leave it out to have one chosen")
	}
	return nil
}

func invalid(field string, err error, fix string) error {
	return &api.Error{Code: api.CodeInvalid, Subject: field, Message: err.Error(), Fix: fix}
}

// defaultName is the last name of a path; that of the root directory is "root".
func defaultName(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	if name := filepath.Base(path); name != "/" {
		return name
	}
	return "root"
}

// describe builds the manifest of a source whose files have the given layers.
func describe(s *pack.Source, o Options, layers [][][32]byte) (*artifact.Manifest, error) {
	kind := artifact.KindFile
	if s.Tree {
		kind = artifact.KindTree
	}
	b := artifact.NewBuilder(o.Name, kind, o.PieceLength)
	for _, d := range s.Dirs {
		b.AddDir(d.Path, d.Mode)
	}
	for _, l := range s.Links {
		b.AddLink(l.Path, l.Target)
	}
	for i, f := range s.Files {
		path := f.Path
		if !s.Tree {
			path = o.Name
		}
		b.AddFile(path, f.Mode, f.Stamp.Size, layers[i])
	}
	return b.Build()
}

func fingerprint(s *pack.Source, m *artifact.Manifest) Fingerprint {
	stamps := make(map[string]pack.Stamp, len(s.Files))
	for _, f := range s.Files {
		stamps[f.Path] = f.Stamp
	}
	out := make(Fingerprint, 0, len(s.Files))
	for _, f := range m.Files() {
		path := f.Path
		if !s.Tree {
			path = ""
		}
		out = append(out, stamps[path])
	}
	return out
}

// named wraps an error with operation and path, unless it is one for the user,
// which names what is wrong already.
func named(op, path string, err error) error {
	var shown *api.Error
	if errors.As(err, &shown) {
		return err
	}
	return fmt.Errorf("%s %s: %w", op, path, err)
}
