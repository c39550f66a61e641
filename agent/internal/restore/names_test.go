package restore

import (
	"path/filepath"
	"testing"

	"github.com/rackswarm/rackswarm/agent/internal/storage"
	"github.com/rackswarm/rackswarm/core/artifact"
	decide "github.com/rackswarm/rackswarm/core/restore"
)

// A distribution can go where a run has it go.
func TestStagingPathIsADestination(t *testing.T) {
	root := t.TempDir()
	m, err := storage.New(storage.Options{Roots: []string{root}, StateDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	b := artifact.NewBuilder("b1", artifact.KindTree, artifact.MinPieceLength)
	b.AddDir("", 0o755)
	content, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	p, err := m.Open(storage.Request{ID: "restore-r1", Path: decide.StagingPath(filepath.Join(root, "data"), "r1"), Manifest: content})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}
