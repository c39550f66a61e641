package pack

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
	"testing"
	"testing/synctest"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
)

func packed(t testing.TB, path string) []byte {
	t.Helper()
	var out bytes.Buffer
	must(t, Pack(context.Background(), path, &out, nil))
	return out.Bytes()
}

func TestPackFileIsItsBytes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	write(t, path, "content", 0o600)
	if got := packed(t, path); string(got) != "content" {
		t.Errorf("%q", got)
	}
	if kind, err := Kind(path); kind != "file" || err != nil {
		t.Errorf("kind %q, %v", kind, err)
	}
}

// TestPackedTreeIsReadByTar lets the system's tar unpack the stream.
func TestPackedTreeIsReadByTar(t *testing.T) {
	dir := sample(t)
	out := filepath.Join(t.TempDir(), "out")
	must(t, os.Mkdir(out, 0o755))
	cmd := exec.Command("tar", "-x", "-p", "-C", out)
	cmd.Stdin = bytes.NewReader(packed(t, dir))
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("tar: %v: %s", err, text)
	}
	if kind, err := Kind(dir); kind != "tree" || err != nil {
		t.Errorf("kind %q, %v", kind, err)
	}
	if diff, err := exec.Command("diff", "-r", "--no-dereference", dir, out).CombinedOutput(); err != nil {
		t.Errorf("unpacked it differs: %v: %s", err, diff)
	}
	if !bytes.Equal(packed(t, dir), packed(t, out)) {
		t.Error("packed again it differs")
	}
}

func TestReaderReadsWhatPackWrites(t *testing.T) {
	dir := sample(t)
	s := scan(t, dir)
	r := NewReader(bytes.NewReader(packed(t, dir)))
	dirs, links, files := s.Dirs, s.Links, s.Files
	for {
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		must(t, err)
		switch e.Type {
		case TypeDir:
			if e.Path != dirs[0].Path || e.Mode != dirs[0].Mode {
				t.Errorf("%+v, want %+v", e, dirs[0])
			}
			dirs = dirs[1:]
		case TypeSymlink:
			if e.Path != links[0].Path || e.Target != links[0].Target {
				t.Errorf("%+v, want %+v", e, links[0])
			}
			links = links[1:]
		case TypeFile:
			content, err := io.ReadAll(r)
			must(t, err)
			want, err := os.ReadFile(filepath.Join(dir, e.Path))
			if err != nil || !bytes.Equal(content, want) || e.Path != files[0].Path || e.Mode != files[0].Mode || e.Size != int64(len(want)) {
				t.Errorf("%+v, want %+v (%v)", e, files[0], err)
			}
			files = files[1:]
		}
	}
	if len(dirs)+len(links)+len(files) > 0 {
		t.Errorf("missing: %v %v %v", dirs, links, files)
	}
}

// TestPackNoticesChange changes the content after it was looked at.
func TestPackNoticesChange(t *testing.T) {
	for name, change := range map[string]func(path string) error{
		"longer":  func(path string) error { return appendTo(path, "x") },
		"shorter": func(path string) error { return os.Truncate(path, 3) },
		"removed": os.Remove,
	} {
		for _, whole := range []bool{false, true} {
			dir := t.TempDir()
			write(t, dir+"/f", "content", 0o644)
			path := dir
			if whole {
				path += "/f"
			}
			once := true
			err := Pack(context.Background(), path, io.Discard, func(api.Progress) {
				if once {
					must(t, change(dir+"/f"))
				}
				once = false
			})
			if refused(t, err, api.CodeSourceUnsuited, dir+"/f", "changed while it was read"); t.Failed() {
				t.Fatalf("%s, the file itself: %v", name, whole)
			}
		}
	}
}

var errFull = errors.New("full")

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestPackStops(t *testing.T) {
	dir := sample(t)
	for _, path := range []string{dir, dir + "/big"} {
		if err := Pack(context.Background(), path, full{}, nil); !errors.Is(err, errFull) || !strings.Contains(err.Error(), dir) {
			t.Errorf("the writer's error comes back as %v", err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		err := Pack(ctx, path, io.Discard, func(api.Progress) { cancel() })
		if !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
	}
}

func TestPackReportsProgress(t *testing.T) {
	var got []api.Progress
	must(t, Pack(context.Background(), sample(t), io.Discard, func(p api.Progress) { got = append(got, p) }))
	want := api.Progress{Stage: "sending", Done: 2_000_024, Total: 2_000_024, Files: 7}
	if first := got[0]; first.Done != 0 || first.Total != want.Total || got[len(got)-1] != want {
		t.Errorf("%+v, want it to end with %+v", got, want)
	}
}

func TestMeterReportsTenTimesASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reports := 0
		m := NewMeter("hashing", 0, func(api.Progress) { reports++ })
		for range 1000 {
			m.Add(1, 0)
			time.Sleep(time.Millisecond)
		}
		if reports != 10 {
			t.Errorf("%d reports in a second", reports)
		}
	})
	NewMeter("hashing", 0, nil).Add(1, 1) // nobody listens
}

// archive writes headers as they are, files with as many zeros as they say.
func archive(t testing.TB, headers ...tar.Header) []byte {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, h := range headers {
		must(t, w.WriteHeader(&h))
		_, err := io.CopyN(w, zeros{}, h.Size)
		must(t, err)
	}
	must(t, w.Close())
	return out.Bytes()
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// readAll reads a stream to its end, and returns what it has.
func readAll(stream io.Reader) ([]Entry, error) {
	var out []Entry
	r := NewReader(stream)
	for {
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		if _, err := io.Copy(io.Discard, r); err != nil {
			return out, err
		}
		out = append(out, e)
	}
}

func TestReaderRefuses(t *testing.T) {
	file := func(name string) tar.Header { return tar.Header{Typeflag: tar.TypeReg, Name: name} }
	for _, c := range []struct {
		h    tar.Header
		want string
	}{
		{file("/etc/passwd"), "not a path inside"},
		{file("../x"), "not a path inside"},
		{file("a/../../x"), "not a path inside"},
		{file("a/../b"), "not a path inside"},
		{file("./../x"), "not a path inside"},
		{file(".//etc/passwd"), "not a path inside"},
		{file("a//b"), "not a path inside"},
		{file("a/./b"), "not a path inside"},
		{file(".."), "not a path inside"},
		{file(strings.Repeat("d/", 2048) + "x"), "has 4097 bytes"},
		{file("."), "is the top and no directory"},
		{tar.Header{Typeflag: tar.TypeDir, Name: "/"}, "not a path inside"},
		{tar.Header{Typeflag: tar.TypeDir, Name: "a//"}, "not a path inside"},
		{tar.Header{Typeflag: tar.TypeLink, Name: "l", Linkname: "/etc/shadow"}, "not a path inside"},
		{tar.Header{Typeflag: tar.TypeLink, Name: "l", Linkname: "../x"}, "not a path inside"},
		{tar.Header{Typeflag: tar.TypeSymlink, Name: "../l", Linkname: "x"}, "not a path inside"},
		{tar.Header{Typeflag: tar.TypeFifo, Name: "p"}, "is an entry of type '6'"},
		{tar.Header{Typeflag: tar.TypeChar, Name: "c"}, "is an entry of type '3'"},
		{tar.Header{Typeflag: tar.TypeBlock, Name: "b"}, "is an entry of type '4'"},
	} {
		got, err := readAll(bytes.NewReader(archive(t, c.h)))
		var e *api.Error
		if !errors.As(err, &e) || e.Code != api.CodeInvalid || !strings.Contains(e.Message, c.want) || e.Fix == "" || len(got) > 0 {
			t.Errorf("%+v: %v, %v", c.h, got, err)
		}
	}
}

func TestReaderTakes(t *testing.T) {
	got, err := readAll(bytes.NewReader(archive(t,
		tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": "of a commit"}},
		tar.Header{Typeflag: tar.TypeDir, Name: "."},
		tar.Header{Typeflag: tar.TypeDir, Name: "d/", Mode: 0o42755},
		tar.Header{Typeflag: tar.TypeReg, Name: "d/...", Mode: 0o100644, Size: 700},
		tar.Header{Typeflag: tar.TypeLink, Name: "./h", Linkname: "./d/..."},
		tar.Header{Typeflag: tar.TypeSymlink, Name: "s", Linkname: "../../anywhere"},
	)))
	must(t, err)
	want := []Entry{
		{Type: TypeDir}, {Type: TypeDir, Path: "d", Mode: 0o2755}, {Type: TypeFile, Path: "d/...", Mode: 0o644, Size: 700},
		{Type: TypeHardlink, Path: "h", Target: "d/..."}, {Type: TypeSymlink, Path: "s", Target: "../../anywhere"},
	}
	if len(got) != len(want) {
		t.Fatalf("%+v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%+v, want %+v", got[i], want[i])
		}
	}
}

func TestReaderNoticesTheEnd(t *testing.T) {
	whole := archive(t, tar.Header{Typeflag: tar.TypeReg, Name: "a", Size: 1000}, tar.Header{Typeflag: tar.TypeDir, Name: "d"})
	for n := range whole {
		if _, err := readAll(bytes.NewReader(whole[:n])); err == nil {
			t.Fatalf("%d of %d bytes are taken for the whole", n, len(whole))
		}
	}
	padded := append(bytes.Clone(whole), make([]byte, 10<<10)...)
	if got, err := readAll(bytes.NewReader(padded)); err != nil || len(got) != 2 {
		t.Errorf("with padding: %v, %v", got, err)
	}
	_, err := readAll(io.MultiReader(bytes.NewReader(whole), io.LimitReader(zeros{}, maxTrailer+1)))
	refused(t, err, api.CodeInvalid, "the tar stream", "bytes follow")
	if _, err := readAll(io.MultiReader(bytes.NewReader(whole[:700]), failing{})); !errors.Is(err, errFull) {
		t.Errorf("the transport's error comes back as %v", err)
	}
	_, err = readAll(strings.NewReader("\x1f\x8b" + strings.Repeat("compressed", 200)))
	refused(t, err, api.CodeInvalid, "the tar stream", "is not a tar archive")
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errFull }

func FuzzReader(f *testing.F) {
	f.Add(packed(f, sample(f))[:20_000])
	f.Add(archive(f, tar.Header{Typeflag: tar.TypeReg, Name: "a", Size: 3}, tar.Header{Typeflag: tar.TypeLink, Name: "b", Linkname: "a"}))
	f.Fuzz(func(t *testing.T, stream []byte) {
		entries, _ := readAll(bytes.NewReader(stream))
		for _, e := range entries {
			paths := []string{e.Path}
			if e.Type == TypeHardlink {
				paths = append(paths, e.Target)
			}
			for _, p := range paths {
				joined := filepath.Join("/top", p)
				if p != "" && (!strings.HasPrefix(joined, "/top/") || joined != "/top/"+p) {
					t.Fatalf("%+v leaves the directory, or is not clean", e)
				}
			}
		}
	})
}
