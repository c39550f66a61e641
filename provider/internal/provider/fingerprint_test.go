package provider

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Whatever may go with changed content changes the fingerprint, nothing else.
func TestFingerprint(t *testing.T) {
	age := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	for _, c := range []struct {
		name   string
		change func(t *testing.T, dir string)
		differ bool
	}{
		{"nothing", func(*testing.T, string) {}, false},
		{"a directory's time", func(t *testing.T, dir string) { touch(t, filepath.Join(dir, "sub"), age.Add(time.Hour)) }, false},
		{"content and size", func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "a"), "longer")
			touch(t, filepath.Join(dir, "a"), age)
		}, true},
		{"a file's time", func(t *testing.T, dir string) { touch(t, filepath.Join(dir, "a"), age.Add(time.Nanosecond)) }, true},
		{"a mode", func(t *testing.T, dir string) { must(t, os.Chmod(filepath.Join(dir, "a"), 0o600)) }, true},
		{"a directory's mode", func(t *testing.T, dir string) { must(t, os.Chmod(filepath.Join(dir, "sub"), 0o700)) }, true},
		{"a new file", func(t *testing.T, dir string) { write(t, filepath.Join(dir, "b"), "") }, true},
		{"an empty directory", func(t *testing.T, dir string) { must(t, os.Mkdir(filepath.Join(dir, "empty"), 0o755)) }, true},
		{"a name", func(t *testing.T, dir string) { must(t, os.Rename(filepath.Join(dir, "a"), filepath.Join(dir, "c"))) }, true},
		{"a link's target", func(t *testing.T, dir string) {
			must(t, os.Remove(filepath.Join(dir, "link")))
			must(t, os.Symlink("elsewhere", filepath.Join(dir, "link")))
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, filepath.Join(dir, "a"), "text")
			write(t, filepath.Join(dir, "sub", "x"), "")
			must(t, os.Symlink("a", filepath.Join(dir, "link")))
			for _, name := range []string{"a", "sub/x"} {
				touch(t, filepath.Join(dir, name), age)
			}
			before := mark(t, dir)
			c.change(t, dir)
			if after := mark(t, dir); (after != before) != c.differ {
				t.Errorf("before %s, after %s", before, after)
			}
		})
	}
}

// Where a source lies, and by what link it is reached, does not matter.
func TestFingerprintOfPlace(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	write(t, file, "text")
	before := mark(t, file)
	must(t, os.Rename(file, filepath.Join(dir, "other")))
	must(t, os.Symlink("other", file))
	if after := mark(t, file); after != before {
		t.Errorf("before %s, after %s", before, after)
	}
	if _, err := fingerprint(t.Context(), filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of nothing: %v", err)
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := fingerprint(canceled, file); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}

func mark(t *testing.T, path string) string {
	t.Helper()
	f, err := fingerprint(t.Context(), path)
	must(t, err)
	return f
}

func touch(t *testing.T, path string, at time.Time) {
	t.Helper()
	must(t, os.Chtimes(path, at, at))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
