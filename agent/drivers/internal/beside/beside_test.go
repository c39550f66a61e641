package beside_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rackswarm/rackswarm/agent/drivers/internal/beside"
)

// A link in the place of a directory is not followed, whether it leads out of the
// directory above the data or to a neighbour in it. Links above that are the
// administrator's.
func TestOpen(t *testing.T) {
	top := t.TempDir()
	for _, dir := range []string{"real/pg/data", "real/pg/.rackswarm.r1/data", "real/pg/other", "elsewhere/data", "real/pg/.rackswarm.r2"} {
		if err := os.MkdirAll(filepath.Join(top, dir), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(top, dir, "name"), []byte(dir), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for link, target := range map[string]string{
		"srv": "real", "real/pg/out": top + "/elsewhere/data", "real/pg/.rackswarm.r2/data": "../other",
		"real/pg/.rackswarm.r3": "../../elsewhere", "elsewhere/link": "data",
	} {
		if err := os.Symlink(target, filepath.Join(top, link)); err != nil {
			t.Fatal(err)
		}
	}
	for dir, want := range map[string]string{
		"real/pg/data": "real/pg/data", "srv/pg/data": "real/pg/data", "real/pg/.rackswarm.r1/data": "real/pg/.rackswarm.r1/data",
		"srv/pg/.rackswarm.r1/data": "real/pg/.rackswarm.r1/data", "elsewhere/data": "elsewhere/data",
		"real/pg/out": "", "real/pg/.rackswarm.r2/data": "", "srv/pg/.rackswarm.r2/data": "", "real/pg/.rackswarm.r3/data": "",
		"elsewhere/link": "", "real/pg/none": "", "real/pg/data/name": "",
	} {
		data := filepath.Join(top, "real/pg/data")
		if strings.HasPrefix(dir, "srv/") {
			data = filepath.Join(top, "srv/pg/data")
		}
		root, err := beside.Open(data, filepath.Join(top, dir))
		if err != nil {
			if want != "" {
				t.Errorf("%s: %v", dir, err)
			}
			continue
		}
		got, err := root.ReadFile("name")
		if string(got) != want || err != nil {
			t.Errorf("%s: it is %q (%v), want %q", dir, got, err, want)
		}
		if err := root.Close(); err != nil {
			t.Error(err)
		}
	}
}
