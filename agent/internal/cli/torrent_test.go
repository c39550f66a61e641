package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rackswarm/rackswarm/agent/internal/control"
	"github.com/rackswarm/rackswarm/core/artifact"
)

func TestTorrent(t *testing.T) {
	const content = "d4:info2:\x00\xffe"
	f := newFleet(t, func(c *control.Config) {
		c.Torrent = func(artifact.Digest) ([]byte, error) { return []byte(content), nil }
	})
	digest := artifact.Digest{1}.String()
	if out := f.ok("torrent", digest); out != content {
		t.Errorf("standard output: %q", out)
	}
	file := filepath.Join(t.TempDir(), "x.torrent")
	if out := f.ok("torrent", digest, "-o", file); out != "" {
		t.Errorf("printed %q beside the file", out)
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != content {
		t.Errorf("the file holds %q, %v", got, err)
	}
	if r := f.run("torrent", digest, "-o", filepath.Join(file, "x")); r.code == 0 || !strings.Contains(r.errOut, "can be written") {
		t.Errorf("a file that cannot be written: %+v", r)
	}
}

// What was there stays if there is nothing to put in its place.
func TestTorrentThatIsNotThere(t *testing.T) {
	f := newFleet(t)
	file := filepath.Join(t.TempDir(), "x.torrent")
	if err := os.WriteFile(file, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	digest := f.artifact("site")
	if r := f.run("torrent", digest, "-o", file); r.code == 0 || !strings.Contains(r.errOut, "published on") {
		t.Errorf("%+v", r)
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != "old" {
		t.Errorf("the file holds %q, %v", got, err)
	}
}
