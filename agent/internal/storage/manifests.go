package storage

import (
	"encoding/hex"
	"errors"
	"io/fs"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/atomicfile"
)

func manifestName(d artifact.Digest) string { return hex.EncodeToString(d[:]) + ".torrent" }

// SaveManifest keeps a manifest in the state directory.
func (m *Manager) SaveManifest(mf *artifact.Manifest) error {
	return userError("write manifest", m.manifests.Name(), atomicfile.WriteIn(m.manifests, manifestName(mf.Digest()), mf.Encode()))
}

// ensureManifest keeps the manifest of a placement if it is not there yet.
func (m *Manager) ensureManifest(mf *artifact.Manifest) error {
	if _, err := m.manifests.Lstat(manifestName(mf.Digest())); err == nil {
		return nil
	}
	return m.SaveManifest(mf)
}

// Manifest returns a manifest that was saved. The error is an *api.Error with
// code not_found if there is none, or none that is intact.
func (m *Manager) Manifest(d artifact.Digest) (*artifact.Manifest, error) {
	b, err := m.manifests.ReadFile(manifestName(d))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, noManifest(d, "this node has no manifest of it")
	}
	if err != nil {
		return nil, userError("read manifest", m.manifests.Name(), err)
	}
	mf, err := artifact.Parse(b)
	if err != nil || mf.Digest() != d {
		return nil, noManifest(d, "the manifest kept on this node is damaged")
	}
	return mf, nil
}

func noManifest(d artifact.Digest, message string) error {
	return &api.Error{Code: api.CodeNotFound, Subject: d.String(), Message: message, Fix: "fetch the manifest from a peer"}
}

// DropManifest forgets a manifest that no placement or source needs any more.
// One that is not there is no error.
func (m *Manager) DropManifest(d artifact.Digest) error {
	err := m.manifests.Remove(manifestName(d))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return userError("remove manifest", m.manifests.Name(), err)
}
