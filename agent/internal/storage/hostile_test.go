package storage

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// Whoever may write to the parent may put a directory of his own, or a link, in
// the place of the staging between looking at it and opening it.
func TestStagingThatIsSwapped(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to give a directory to another user")
	}
	dir := t.TempDir()
	parent, err := os.OpenRoot(dir)
	must(t, err)
	defer parent.Close()
	for _, name := range []string{"theirs", "ours"} {
		must(t, os.Mkdir(filepath.Join(dir, name), 0o700))
	}
	must(t, os.Chown(filepath.Join(dir, "theirs"), 12345, 12345))
	must(t, os.Symlink("ours", filepath.Join(dir, "link")))
	for name, want := range map[string]struct {
		same bool
		err  error
	}{"theirs": {false, errNotOurs}, "link": {false, nil}, "ours": {true, nil}} {
		lock, err := os.Open(filepath.Join(dir, name))
		must(t, err)
		opened, same, err := reopen(parent, name, lock)
		if same != want.same || !errors.Is(err, want.err) {
			t.Errorf("%s: %v, %v, want %v, %v", name, same, err, want.same, want.err)
		}
		if same {
			opened.Close()
		}
		lock.Close()
	}
	if _, err := openStaging(parent, "link", true); !errors.Is(err, errNotOurs) {
		t.Errorf("a link is taken for a staging directory: %v", err)
	}
}

// The same for the content: a directory that took its place gets no owners and
// modes.
func TestStandingTreeThatIsSwapped(t *testing.T) {
	b := newBox(t)
	p := b.install(b.request(site(1)), site(1))
	must(t, os.Rename(p.dest.path, p.dest.path+".away"))
	must(t, os.Mkdir(p.dest.path, 0o755))
	if _, err := p.openStanding(); !errors.Is(err, ErrNotPrepared) {
		t.Errorf("another directory is taken for what was installed: %v", err)
	}
}
