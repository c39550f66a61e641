package main

import (
	"crypto/sha1" //nolint:gosec // BitTorrent v1 names pieces so
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/anacrolix/torrent/bencode"
	"github.com/anacrolix/torrent/metainfo"
	"github.com/rackswarm/rackswarm/acceptance/filler"
)

// pieceLength is the torrents', in bytes: what most would choose for these sizes.
const pieceLength = 1 << 20

// torrent is a BitTorrent v1 torrent of one file: the version that all clients
// know.
type torrent struct {
	info []byte // bencoded
}

func makeTorrent(path string) (*torrent, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	pieces := int((st.Size() + pieceLength - 1) / pieceLength)
	info := metainfo.Info{Name: filepath.Base(path), PieceLength: pieceLength, Length: st.Size(), Pieces: make([]byte, pieces*sha1.Size)}
	err = filler.Parallel(pieces, func(i int) error {
		h := sha1.New() //nolint:gosec // see above
		_, err := io.Copy(h, io.NewSectionReader(f, int64(i)*pieceLength, min(pieceLength, st.Size()-int64(i)*pieceLength)))
		h.Sum(info.Pieces[i*sha1.Size : i*sha1.Size])
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("hash %s: %w", path, err)
	}
	text, err := bencode.Marshal(info)
	return &torrent{text}, err
}

// write writes a .torrent file; announce is a tracker's URL, "" for none.
func (t *torrent) write(path, announce string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	meta := metainfo.MetaInfo{InfoBytes: t.info, Announce: announce}
	if err := meta.Write(f); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return f.Close()
}
