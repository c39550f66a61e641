package atomicfile_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/rackswarm/rackswarm/core/atomicfile"
)

func TestWriteReplacesTheWholeContent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	for _, content := range []string{"long at first", "short", ""} {
		if err := atomicfile.Write(path, []byte(content)); err != nil {
			t.Fatal(err)
		}
		want(t, path, content)
		alone(t, path)
	}
}

func TestWriteIsForItsOwnerOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	if err := atomicfile.Write(path, nil); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

// A process that was killed while it wrote leaves its temporary file.
func TestWriteTakesOverWhatAKilledWriterLeft(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	if err := os.WriteFile(path+".tmp", []byte("half of a much longer content"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := atomicfile.Write(path, []byte("new")); err != nil {
		t.Fatal(err)
	}
	want(t, path, "new")
	alone(t, path)
}

func TestWriteThatFailsLeavesTheOldContent(t *testing.T) {
	t.Run("no temporary file", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "state.json")
		if err := errors.Join(atomicfile.Write(path, []byte("old")), os.MkdirAll(path+".tmp/full", 0o700)); err != nil {
			t.Fatal(err)
		}
		if err := atomicfile.Write(path, []byte("new")); err == nil {
			t.Error("no error")
		}
		want(t, path, "old")
	})
	t.Run("no rename", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "state.json")
		if err := os.MkdirAll(path+"/full", 0o700); err != nil {
			t.Fatal(err)
		}
		if err := atomicfile.Write(path, []byte("new")); err == nil {
			t.Error("no error")
		}
		alone(t, path)
	})
	t.Run("no directory", func(t *testing.T) {
		err := atomicfile.Write(filepath.Join(t.TempDir(), "missing", "state.json"), []byte("new"))
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("got %v", err)
		}
	})
}

func want(t *testing.T, path, content string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil || string(got) != content {
		t.Errorf("%s holds %q, %v; want %q", path, got, err, content)
	}
}

// alone checks that no temporary file stands beside path.
func alone(t *testing.T, path string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 || entries[0].Name() != filepath.Base(path) {
		t.Errorf("found %v, %v", entries, err)
	}
}
