package artifact

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/anacrolix/torrent/merkle"
)

// Parse reads a manifest as Encode writes it, and checks everything about it
// but the signature. It takes hostile input: it does not panic, and the memory
// it needs is bounded by the limits above. Keys that it does not know are
// ignored beside the info dictionary, but are an error in it, because content
// that it means to describe could not be reproduced.
func Parse(torrent []byte) (*Manifest, error) {
	if len(torrent) > MaxManifestSize {
		return nil, fmt.Errorf("manifest of %d bytes: at most %d are allowed", len(torrent), MaxManifestSize)
	}
	m, err := parse(string(torrent))
	if err != nil {
		return nil, fmt.Errorf("parse manifest: %w", err)
	}
	return m, nil
}

func parse(torrent string) (*Manifest, error) {
	s := &scanner{in: torrent}
	m := &Manifest{}
	var doc infoDict
	s.open('d')
	for k := (keys{}); ; {
		key, ok := s.next(&k)
		if !ok {
			break
		}
		start := s.pos
		switch key {
		case "info":
			doc.read(s)
			m.info = torrent[start:s.pos]
		case "piece layers":
			m.readLayers(s)
		case "rackswarm publisher":
			m.publisher = readSized(s, ed25519.PublicKeySize)
		case "rackswarm signature":
			m.signature = readSized(s, ed25519.SignatureSize)
		default:
			s.skip()
		}
	}
	if s.end(); s.err != nil {
		return nil, s.err
	}
	return m, m.assemble(&doc)
}

// readSized reads a string that must have n bytes.
func readSized(s *scanner, n int) []byte {
	v := s.string()
	if len(v) != n {
		s.fail(fmt.Sprintf("a key or signature of %d bytes; expected %d", len(v), n))
		return nil
	}
	return []byte(v)
}

func (m *Manifest) readLayers(s *scanner) {
	s.open('d')
	for k := (keys{}); ; {
		root, ok := s.next(&k)
		if !ok {
			return
		}
		l := layer{root: root, hashes: s.string()}
		if len(root) != sha256.Size || len(l.hashes) == 0 || len(l.hashes)%sha256.Size != 0 {
			s.fail("a piece layer is not made of hashes")
		}
		m.layers = append(m.layers, l)
	}
}

// assemble checks what was read as a whole, and fills in the rest.
func (m *Manifest) assemble(doc *infoDict) error {
	if m.info == "" {
		return errors.New("no info dictionary")
	}
	if (m.publisher == nil) != (m.signature == nil) {
		return errors.New("a signature and its publisher come together")
	}
	if err := doc.check(); err != nil {
		return err
	}
	m.digest = sha256.Sum256([]byte(m.info))
	m.name, m.kind, m.pieceLength = doc.raw(doc.name), doc.kind, doc.pieceLength
	m.dirs, m.links = doc.dirs, doc.links
	steps := []func() error{
		func() error { return CheckName(m.name) },
		m.checkDirs, m.checkLinks,
		func() error { return m.fillFiles(doc) },
		m.checkKind, m.layOut, m.checkLayers,
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// checkLayers checks that every file of several pieces has its layer, and that
// every layer belongs to a file.
func (m *Manifest) checkLayers() error {
	used := NewBitset(len(m.layers))
	for i := range m.files {
		f := &m.files[i]
		if f.Pieces < 2 {
			continue
		}
		l := m.layerOf(f)
		if l < 0 || len(m.layers[l].hashes) != int(f.Pieces)*sha256.Size {
			return fmt.Errorf("file %q: no piece layer of %d hashes", f.Path, f.Pieces)
		}
		if !used.Has(l) && m.layers[l].computeRoot(m.pieceLength) != f.Root {
			return fmt.Errorf("file %q: the piece layer does not give the file's root", f.Path)
		}
		used.Set(l)
	}
	if !used.Full() {
		return errors.New("a piece layer belongs to no file")
	}
	return nil
}

func (l layer) computeRoot(pieceLength int64) hash {
	hashes, err := merkle.CompactLayerToSliceHashes(l.hashes)
	if err != nil {
		return hash{}
	}
	return LayerRoot(hashes, pieceLength)
}

func compareRoot(root [32]byte, s string) int { return bytes.Compare(root[:], []byte(s)) }
