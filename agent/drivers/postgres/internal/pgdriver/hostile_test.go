package pgdriver_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rackswarm/rackswarm/core/pluginapi"
)

// The database's user may write where the driver works as root. A link in the
// place of the captured files, or of those to capture to, gives that user nothing
// elsewhere.
func TestLinkInPlaceOfTheCopy(t *testing.T) {
	t.Parallel()
	p := newPrimary(t, place(t))
	r := p.replica("member1")
	staged := r.stage(p.capture(""))
	elsewhere := filepath.Join(filepath.Dir(p.dir), "elsewhere")
	if err := os.Rename(staged, elsewhere); err != nil {
		t.Fatal(err)
	}
	precious := filepath.Join(elsewhere, "shadow")
	if err := os.WriteFile(precious, []byte("root:x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(elsewhere, staged); err != nil {
		t.Fatal(err)
	}
	if err := r.configure(staged); err == nil {
		t.Error("a link was made ready")
	}
	empty, link := filepath.Join(filepath.Dir(p.dir), "empty"), filepath.Join(p.dir, ".rackswarm-link")
	if err := os.Mkdir(empty, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(empty, link); err != nil {
		t.Fatal(err)
	}
	if _, err := driver.Capture(t.Context(), p.target, pluginapi.CaptureRequest{Dir: link, Run: "run-2"}, nil); err == nil {
		t.Error("it was captured to a link")
	}
	for _, path := range []string{precious, elsewhere, empty} {
		if owner := shell(t, "stat", "-c", "%U", path); strings.TrimSpace(owner) != "root" {
			t.Errorf("%s belongs to %s", path, owner)
		}
	}
}

// What the driver reports of a log is read as root: the file that names the log,
// which the database's user writes, does not make it another's.
func TestLogOfAnother(t *testing.T) {
	t.Parallel()
	p := newPrimary(t, place(t))
	p.stop()
	secret := filepath.Join(p.dir, "secret")
	if err := os.WriteFile(secret, []byte("PANIC: hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	said := func() string {
		h, err := driver.Health(t.Context(), p.target, pluginapi.HealthRequest{Role: pluginapi.AsStandalone})
		if err != nil {
			t.Fatal(err)
		}
		return h.Message
	}
	if err := os.WriteFile(filepath.Join(p.target.DataDir, "current_logfiles"), []byte("stderr "+secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := said(); strings.Contains(got, "hunter2") {
		t.Errorf("it says what root alone may read: %s", got)
	}
	p.chown(secret)
	if got := said(); !strings.Contains(got, "hunter2") {
		t.Errorf("its own log is not read: %s", got)
	}
}
