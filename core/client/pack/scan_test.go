package pack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/rackswarm/rackswarm/core/api"
)

// write makes a file, and the directories above it.
func write(t testing.TB, path, content string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// sample makes a tree with everything that can be published.
func sample(t testing.TB) string {
	dir := filepath.Join(t.TempDir(), "sample")
	write(t, dir+"/bin/tool", "#!/bin/sh\n", 0o755|os.ModeSetuid)
	write(t, dir+"/bin.d/x", "between", 0o400)
	write(t, dir+"/big", strings.Repeat("0123456789", 100_000), 0o644)
	write(t, dir+"/empty", "", 0o640)
	write(t, dir+"/not-\xff-utf8/\xfe", "raw", 0o644)
	write(t, dir+"/"+strings.Repeat("long", 60)+"/"+strings.Repeat("name", 60), "path", 0o644)
	must(t, os.Mkdir(dir+"/nothing", 0o700))
	must(t, os.Chmod(dir+"/bin", 0o2755|os.ModeSetgid))
	must(t, os.Symlink("/etc/passwd", dir+"/bin/absolute"))
	must(t, os.Symlink("../../\xff", dir+"/up"))
	must(t, os.Symlink("bin", dir+"/to-dir"))
	must(t, os.Link(dir+"/big", dir+"/same"))
	must(t, os.Chmod(dir, 0o751))
	return dir
}

func scan(t testing.TB, path string) *Source {
	t.Helper()
	s, err := Scan(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func TestScanTree(t *testing.T) {
	dir := sample(t)
	s := scan(t, dir+"/")
	var files, dirs []string
	for _, f := range s.Files {
		files = append(files, f.Path)
	}
	for _, d := range s.Dirs {
		dirs = append(dirs, fmt.Sprintf("%s %o", d.Path, d.Mode))
	}
	long := strings.Repeat("long", 60)
	wantFiles := []string{"big", "bin/tool", "bin.d/x", "empty", long + "/" + strings.Repeat("name", 60), "not-\xff-utf8/\xfe", "same"}
	wantDirs := []string{" 751", "bin 2755", "bin.d 755", long + " 755", "not-\xff-utf8 755", "nothing 700"}
	wantLinks := []Link{{"bin/absolute", "/etc/passwd"}, {"to-dir", "bin"}, {"up", "../../\xff"}}
	if !slices.Equal(files, wantFiles) || !slices.Equal(dirs, wantDirs) || !slices.Equal(s.Links, wantLinks) {
		t.Errorf("files %q\ndirectories %q\nlinks %q", files, dirs, s.Links)
	}
	if s.Size != 2_000_000+10+7+4+3 || !s.Tree || s.Path != dir {
		t.Errorf("size %d, tree %v, path %q", s.Size, s.Tree, s.Path)
	}
	if f := s.Files[1]; f.Mode != 0o4755 || f.Stamp.Size != 10 || f.Stamp.Inode == 0 || f.Stamp.Mtime == 0 {
		t.Errorf("bin/tool is %+v", f)
	}
}

func TestScanFollowsOnlyTheTop(t *testing.T) {
	dir := sample(t)
	top := filepath.Join(t.TempDir(), "link")
	must(t, os.Symlink(dir, top))
	if s := scan(t, top); !s.Tree || len(s.Files) != 7 || s.Full("big") != top+"/big" {
		t.Errorf("through a link: %+v", s)
	}
	toFile := filepath.Join(t.TempDir(), "file-link")
	must(t, os.Symlink(dir+"/bin/tool", toFile))
	s := scan(t, toFile)
	if s.Tree || len(s.Files) != 1 || s.Files[0].Path != "" || s.Size != 10 {
		t.Errorf("file through a link: %+v", s)
	}
	f, err := s.Open(0)
	must(t, err)
	defer f.Close()
	must(t, s.Unchanged(0, f))
}

// refused checks that an error is for the user, and names path and fix.
func refused(t *testing.T, err error, code, subject, message string) {
	t.Helper()
	var e *api.Error
	if !errors.As(err, &e) || e.Code != code || e.Subject != subject || !strings.Contains(e.Message, message) || e.Fix == "" {
		t.Errorf("error %#v, want code %s of %q: %q, and a fix", err, code, subject, message)
	}
}

func TestScanRefuses(t *testing.T) {
	dir := t.TempDir()
	must(t, syscall.Mkfifo(dir+"/pipe", 0o644))
	_, err := Scan(context.Background(), dir)
	refused(t, err, api.CodeSourceUnsuited, dir+"/pipe", "is a named pipe")
	_, err = Scan(context.Background(), dir+"/pipe")
	refused(t, err, api.CodeSourceUnsuited, dir+"/pipe", "is a named pipe")
	_, err = Scan(context.Background(), "/dev/null")
	refused(t, err, api.CodeSourceUnsuited, "/dev/null", "is a device")
	_, err = Scan(context.Background(), dir+"/absent")
	refused(t, err, api.CodeNotFound, dir+"/absent", "no such file")
	_, err = Kind(dir + "/absent")
	refused(t, err, api.CodeNotFound, dir+"/absent", "no such file")

	sockets := t.TempDir()
	l, err := net.Listen("unix", sockets+"/s")
	must(t, err)
	defer l.Close()
	_, err = Scan(context.Background(), sockets)
	refused(t, err, api.CodeSourceUnsuited, sockets+"/s", "is a socket")
}

func TestScanStopsWhenCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Scan(ctx, sample(t)); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// asNobody runs f on a thread that has no more than an ordinary user's rights to
// files, whoever runs the tests.
func asNobody(t *testing.T, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		if os.Geteuid() == 0 {
			syscall.RawSyscall(syscall.SYS_SETFSUID, 65534, 0, 0)
		}
		f()
	}()
	<-done
}

func TestUnreadable(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Chmod(filepath.Dir(dir), 0o755)) // the test's own is private
	write(t, dir+"/a/file", "x", 0)
	must(t, os.Mkdir(dir+"/b", 0))
	asNobody(t, func() {
		_, err := Scan(context.Background(), dir)
		refused(t, err, api.CodeSourceUnsuited, dir+"/b", "permission denied")
		err = Pack(context.Background(), dir+"/a", discard{}, nil)
		refused(t, err, api.CodeSourceUnsuited, dir+"/a/file", "permission denied")
		_, err = Kind(dir + "/b/x")
		refused(t, err, api.CodeSourceUnsuited, dir+"/b/x", "permission denied")
	})
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// TestUnchangedNotices changes a file between Scan and Unchanged.
func TestUnchangedNotices(t *testing.T) {
	for name, change := range map[string]func(path string) error{
		"appended":       func(path string) error { return appendTo(path, "x") },
		"rewritten":      func(path string) error { return os.WriteFile(path, []byte("other"), 0) },
		"truncated":      func(path string) error { return os.Truncate(path, 1) },
		"removed":        os.Remove,
		"replaced":       func(path string) error { return replaceBy(path, os.WriteFile(path+"~", []byte("first"), 0o644)) },
		"now a pipe":     func(path string) error { return replaceBy(path, syscall.Mkfifo(path+"~", 0o644)) },
		"now a link":     func(path string) error { return replaceBy(path, os.Symlink("other", path+"~")) },
		"now a far link": func(path string) error { return replaceBy(path, os.Symlink("/etc/passwd", path+"~")) },
	} {
		dir := t.TempDir()
		write(t, dir+"/f", "first", 0o644)
		write(t, dir+"/other", "first", 0o644)
		s := scan(t, dir)
		before, err := s.Open(0)
		must(t, err)
		defer before.Close()
		must(t, s.Unchanged(0, before))
		if err := change(dir + "/f"); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		refused(t, s.Unchanged(0, before), api.CodeSourceUnsuited, dir+"/f", "changed while it was read")
		after, err := s.Open(0)
		if err == nil {
			err = s.Unchanged(0, after)
			after.Close()
		}
		var e *api.Error
		if !errors.As(err, &e) || e.Code != api.CodeSourceUnsuited || e.Subject != dir+"/f" {
			t.Errorf("%s, opened after: %v", name, err)
		}
	}
}

func appendTo(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(text)
	return err
}

// replaceBy puts path+"~", made without err, in the place of path.
func replaceBy(path string, err error) error {
	if err != nil {
		return err
	}
	return os.Rename(path+"~", path)
}

func TestModeBits(t *testing.T) {
	for bits := range uint32(0o10000) {
		if got := Bits(FileMode(bits)); got != bits {
			t.Fatalf("%o becomes %o", bits, got)
		}
	}
}
