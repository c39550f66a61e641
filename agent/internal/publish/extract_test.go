package publish

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/client/pack"
)

func openRoot(t testing.TB, dir string) *os.Root {
	t.Helper()
	root, err := os.OpenRoot(dir)
	must(t, err)
	t.Cleanup(func() { root.Close() })
	return root
}

// extract receives into a new directory, whose path it returns.
func extract(t *testing.T, kind artifact.Kind, stream io.Reader) (string, error) {
	t.Helper()
	dir := t.TempDir()
	return dir, Extract(context.Background(), stream, kind, openRoot(t, dir), "got", nil)
}

// TestExtractKeepsTheDigest streams a tree as a client does.
func TestExtractKeepsTheDigest(t *testing.T) {
	dir := sample(t)
	var stream bytes.Buffer
	must(t, pack.Pack(context.Background(), dir, &stream, nil))
	got, err := extract(t, artifact.KindTree, &stream)
	must(t, err)
	want := build(t, dir, Options{Name: "n"}).Manifest.Digest()
	if d := build(t, got+"/got", Options{Name: "n"}).Manifest.Digest(); d != want {
		t.Errorf("digest %s, want %s", d, want)
	}
}

// TestExtractReadsSystemTar has hard links, which become copies, and directories
// that may not be written to.
func TestExtractReadsSystemTar(t *testing.T) {
	dir := sample(t)
	must(t, os.Link(dir+"/d0/file-6", dir+"/hard"))
	must(t, os.Chmod(dir+"/small", 0o555))
	t.Cleanup(func() { os.Chmod(dir+"/small", 0o755) })
	want := build(t, dir, Options{Name: "n"}).Manifest.Digest()
	for _, format := range []string{"gnu", "pax", "ustar"} {
		cmd := exec.Command("tar", "-c", "--format", format, "-C", dir, ".")
		stream, err := cmd.Output()
		must(t, err)
		got, err := extract(t, artifact.KindTree, bytes.NewReader(stream))
		must(t, err)
		t.Cleanup(func() { os.Chmod(got+"/got/small", 0o755) })
		if d := build(t, got+"/got", Options{Name: "n"}).Manifest.Digest(); d != want {
			t.Errorf("%s: digest %s, want %s", format, d, want)
		}
		if inode(t, got+"/got/hard") == inode(t, got+"/got/d0/file-6") {
			t.Errorf("%s: a hard link is still one", format)
		}
	}
}

func inode(t *testing.T, path string) uint64 {
	var st syscall.Stat_t
	must(t, syscall.Lstat(path, &st))
	return st.Ino
}

func TestExtractFile(t *testing.T) {
	content := pattern(1_000_000)
	dir := t.TempDir()
	var last api.Progress
	err := Extract(context.Background(), bytes.NewReader(content), artifact.KindFile, openRoot(t, dir), "image", func(p api.Progress) { last = p })
	must(t, err)
	got, err := os.ReadFile(dir + "/image")
	info, _ := os.Stat(dir + "/image")
	if err != nil || !bytes.Equal(got, content) || info.Mode() != 0o644 {
		t.Errorf("%d bytes of mode %v: %v", len(got), info.Mode(), err)
	}
	if last != (api.Progress{Stage: "receiving", Done: 1_000_000, Files: 1}) {
		t.Errorf("progress %+v", last)
	}
}

// archive writes headers as they are, files with content of as many bytes.
func archive(t testing.TB, headers ...tar.Header) []byte {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, h := range headers {
		must(t, w.WriteHeader(&h))
		_, err := w.Write(pattern(int(h.Size)))
		must(t, err)
	}
	must(t, w.Close())
	return out.Bytes()
}

func file(name string) tar.Header {
	return tar.Header{Typeflag: tar.TypeReg, Name: name, Size: 5, Mode: 0o644}
}
func symlink(name, target string) tar.Header {
	return tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target}
}
func hardlink(name, target string) tar.Header {
	return tar.Header{Typeflag: tar.TypeLink, Name: name, Linkname: target}
}
func directory(name string) tar.Header {
	return tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: 0o755}
}

// nothingLeft checks that a failed Extract left no trace.
func nothingLeft(t *testing.T, dir string) {
	t.Helper()
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

func TestExtractRefuses(t *testing.T) {
	outside := t.TempDir()
	for _, c := range []struct {
		name    string
		want    string
		headers []tar.Header
	}{
		{"path outside", "not a path inside", []tar.Header{file("../x")}},
		{"absolute path", "not a path inside", []tar.Header{file(outside + "/x")}},
		{"below an absolute link", "no directory", []tar.Header{symlink("l", outside), file("l/x")}},
		{"below a relative link", "no directory", []tar.Header{symlink("l", ".."), file("l/x")}},
		{"below a link inside", "no directory", []tar.Header{directory("d"), symlink("l", "d"), file("l/x")}},
		{"directory over a link", "no directory", []tar.Header{symlink("l", outside), directory("l"), file("l/x")}},
		{"file over a link", "twice", []tar.Header{symlink("l", outside+"/x"), file("l")}},
		{"link over a link", "twice", []tar.Header{symlink("l", "a"), symlink("l", "b")}},
		{"link over a directory", "twice", []tar.Header{directory("d"), symlink("d", outside)}},
		{"file twice", "twice", []tar.Header{file("f"), file("f")}},
		{"file below a file", "no directory", []tar.Header{file("f"), file("f/g")}},
		{"hard link to nothing", "no file before it", []tar.Header{hardlink("h", "f"), file("f")}},
		{"hard link to a link", "no file before it", []tar.Header{symlink("l", "/etc/passwd"), hardlink("h", "l")}},
		{"hard link through a link", "no file before it", []tar.Header{directory("d"), file("d/f"), symlink("l", "d"), hardlink("h", "l/f")}},
		{"hard link to a directory", "no file before it", []tar.Header{directory("d"), hardlink("h", "d")}},
		{"device", "entry of type", []tar.Header{{Typeflag: tar.TypeChar, Name: "null", Devmajor: 1, Devminor: 3}}},
		{"fifo", "entry of type", []tar.Header{{Typeflag: tar.TypeFifo, Name: "p"}}},
		{"long name", "too long", []tar.Header{file(strings.Repeat("x", 256))}},
	} {
		dir, err := extract(t, artifact.KindTree, bytes.NewReader(archive(t, append([]tar.Header{file("first")}, c.headers...)...)))
		var e *api.Error
		if !errors.As(err, &e) || e.Code != api.CodeInvalid || !strings.Contains(e.Message, c.want) || e.Fix == "" {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
		nothingLeft(t, dir)
		nothingLeft(t, outside)
	}
}

func TestExtractMakesParents(t *testing.T) {
	dir, err := extract(t, artifact.KindTree, bytes.NewReader(archive(t, file("a/b/c"),
		tar.Header{Typeflag: tar.TypeDir, Name: "a", Mode: 0o1711})))
	must(t, err)
	for path, want := range map[string]os.FileMode{"/got": 0o755, "/got/a": 0o711 | os.ModeSticky, "/got/a/b": 0o755} {
		info, err := os.Stat(dir + path)
		must(t, err)
		if info.Mode() != want|os.ModeDir {
			t.Errorf("%s has mode %v, want %v", path, info.Mode(), want)
		}
	}
}

func TestExtractLeavesNothing(t *testing.T) {
	whole := archive(t, directory("d"), file("d/f"), symlink("l", "x"))
	for n := 0; n < len(whole); n += 128 {
		dir, err := extract(t, artifact.KindTree, bytes.NewReader(whole[:n]))
		refused(t, err, api.CodeInvalid, "the tar stream", "breaks off")
		nothingLeft(t, dir)
	}
	broken := errors.New("connection lost")
	for _, kind := range []artifact.Kind{artifact.KindFile, artifact.KindTree} {
		dir, err := extract(t, kind, io.MultiReader(bytes.NewReader(whole[:1600]), failing{broken}))
		if !errors.Is(err, broken) || !strings.Contains(err.Error(), "got") {
			t.Errorf("the transport's error comes back as %v", err)
		}
		nothingLeft(t, dir)
	}
	for _, kind := range []artifact.Kind{artifact.KindFile, artifact.KindTree} {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		dir := t.TempDir()
		if err := Extract(ctx, bytes.NewReader(whole), kind, openRoot(t, dir), "got", nil); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
		nothingLeft(t, dir)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestExtractLeavesWhatIsThere(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/got/precious", []byte("x"), 0o644)
	root := openRoot(t, dir)
	for _, kind := range []artifact.Kind{artifact.KindFile, artifact.KindTree} {
		err := Extract(context.Background(), strings.NewReader("x"), kind, root, "got", nil)
		refused(t, err, api.CodeConflict, "got", "is there already")
	}
	for _, name := range []string{"", ".", "..", "a/b", "../x"} {
		err := Extract(context.Background(), strings.NewReader("x"), artifact.KindFile, root, name, nil)
		refused(t, err, api.CodeInvalid, "name", "name")
	}
	if _, err := os.Stat(dir + "/got/precious"); err != nil {
		t.Error(err)
	}
}

func TestExtractWithoutSpace(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Skip("needs root that may mount: ", err)
	}
	defer syscall.Unmount(dir, syscall.MNT_DETACH)
	root, err := os.OpenRoot(dir)
	must(t, err)
	defer root.Close()
	err = Extract(context.Background(), bytes.NewReader(pattern(1<<20)), artifact.KindFile, root, "got", nil)
	refused(t, err, api.CodeNoSpace, "got", "no space")
	nothingLeft(t, dir)
	if _, err := os.Stat(filepath.Join(dir, "got")); err == nil {
		t.Error("what did not fit is still there")
	}
}
