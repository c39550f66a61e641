package publish

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/anacrolix/torrent/merkle"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/client/pack"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t testing.TB, path string, content []byte, mode os.FileMode) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(t, os.WriteFile(path, content, 0o600))
	must(t, os.Chmod(path, mode))
}

// pattern is content of which no two parts are the same.
func pattern(n int) []byte {
	out := make([]byte, 0, n+sha256.Size)
	for sum := sha256.Sum256(nil); len(out) < n; sum = sha256.Sum256(sum[:]) {
		out = append(out, sum[:]...)
	}
	return out[:n]
}

// sample makes a tree with files below, at and beyond the size of blocks.
func sample(t testing.TB) string {
	dir := filepath.Join(t.TempDir(), "sample")
	for i, size := range []int{0, 1, artifact.LeafSize, blockSize - 1, blockSize, blockSize + 1, 5*blockSize + 12345} {
		write(t, fmt.Sprintf("%s/d%d/file-%d", dir, i%3, i), pattern(size), 0o640)
	}
	for i := range 50 {
		write(t, fmt.Sprintf("%s/small/%d", dir, i), pattern(100*i), 0o644)
	}
	write(t, dir+"/small/\xff", []byte("raw"), 0o755|os.ModeSetgid)
	must(t, os.Symlink("../nowhere", dir+"/link"))
	must(t, os.Mkdir(dir+"/nothing", 0o700))
	return dir
}

func build(t testing.TB, path string, o Options) Result {
	t.Helper()
	r, err := Build(context.Background(), path, o)
	must(t, err)
	return r
}

// TestBuildHashes compares with the reference's hashes, computed from the
// stream, for pieces below, at and above the size of blocks.
func TestBuildHashes(t *testing.T) {
	dir := sample(t)
	for _, pieceLength := range []int64{artifact.MinPieceLength, 256 << 10, blockSize, 4 * blockSize, artifact.MaxPieceLength} {
		for _, workers := range []int{1, 3} {
			r := build(t, dir, Options{PieceLength: pieceLength, Workers: workers})
			m := r.Manifest
			if len(m.Files()) != 58 || len(m.Dirs()) != 6 || m.Name() != "sample" || r.Checksum != "" {
				t.Fatalf("%d files, %d directories, name %q, checksum %q", len(m.Files()), len(m.Dirs()), m.Name(), r.Checksum)
			}
			for _, f := range m.Files() {
				content, err := os.ReadFile(filepath.Join(dir, f.Path))
				must(t, err)
				checkContent(t, m, f, content)
			}
		}
	}
}

func checkContent(t *testing.T, m *artifact.Manifest, f artifact.File, content []byte) {
	t.Helper()
	h := merkle.NewHash()
	h.Write(content)
	if len(content) > 0 && f.Root != [32]byte(h.Sum(nil)) {
		t.Errorf("pieces of %d: %q of %d bytes has a wrong root", m.PieceLength(), f.Path, len(content))
	}
	for i := f.FirstPiece; i < f.FirstPiece+f.Pieces; i++ {
		p := m.Piece(int(i))
		if !m.VerifyPiece(int(i), content[p.Offset:p.Offset+p.Length]) {
			t.Errorf("pieces of %d: piece %d of %q is wrong", m.PieceLength(), i, f.Path)
		}
	}
}

func TestBuildFile(t *testing.T) {
	for _, size := range []int{0, 1, blockSize, blockSize + 1, 9*blockSize + 7} {
		content := pattern(size)
		path := filepath.Join(t.TempDir(), "image.raw")
		write(t, path, content, 0o444)
		r := build(t, path, Options{Workers: 3})
		sum := sha256.Sum256(content)
		if r.Checksum != "sha256:"+hex.EncodeToString(sum[:]) {
			t.Errorf("%d bytes: checksum %s", size, r.Checksum)
		}
		m := r.Manifest
		if m.Kind() != artifact.KindFile || len(m.Files()) != 1 || m.Files()[0].Path != "image.raw" || m.Files()[0].Mode != 0o444 {
			t.Fatalf("%+v", m.Files())
		}
		checkContent(t, m, m.Files()[0], content)
		renamed := build(t, path, Options{Name: "other"})
		if got := renamed.Manifest.Files()[0].Path; got != "other" || renamed.Checksum != r.Checksum {
			t.Errorf("under another name its path is %q, its checksum %s", got, renamed.Checksum)
		}
	}
}

// TestBuildIsDeterministic publishes a copy made in another order, at another
// time, and with other numbers of workers.
func TestBuildIsDeterministic(t *testing.T) {
	want := build(t, sample(t), Options{}).Manifest.Digest()
	dir := sample(t)
	moved := filepath.Join(dir, "d0", "file-0")
	must(t, os.Remove(moved))
	write(t, moved, nil, 0o640)
	must(t, os.Chtimes(moved, time.Unix(1, 0), time.Unix(1, 0)))
	for workers := 1; workers < 6; workers += 2 {
		if got := build(t, dir, Options{Workers: workers}).Manifest.Digest(); got != want {
			t.Errorf("%d workers: digest %s, want %s", workers, got, want)
		}
	}
}

func TestFingerprint(t *testing.T) {
	dir := sample(t)
	r := build(t, dir, Options{})
	for i, f := range r.Manifest.Files() {
		var st syscall.Stat_t
		must(t, syscall.Stat(filepath.Join(dir, f.Path), &st))
		want := pack.Stamp{Size: st.Size, Mtime: st.Mtim.Nano(), Ctime: st.Ctim.Nano(), Inode: st.Ino, Dev: st.Dev}
		if r.Fingerprint[i] != want {
			t.Errorf("%q: %+v, want %+v", f.Path, r.Fingerprint[i], want)
		}
	}
	one := build(t, dir+"/small/49", Options{})
	if len(one.Fingerprint) != 1 || one.Fingerprint[0].Size != 4900 {
		t.Errorf("of a file: %+v", one.Fingerprint)
	}
}

// refused checks that an error is for the user, and names path and fix.
func refused(t *testing.T, err error, code, subject, message string) {
	t.Helper()
	var e *api.Error
	if !errors.As(err, &e) || e.Code != code || e.Subject != subject || !strings.Contains(e.Message, message) || e.Fix == "" {
		t.Errorf("error %v, want code %s of %q: %q, and a fix", err, code, subject, message)
	}
}

// TestBuildRefuses also checks that no file stays open.
func TestBuildRefuses(t *testing.T) {
	open := openFiles(t)
	fifo := sample(t)
	must(t, syscall.Mkfifo(fifo+"/d1/pipe", 0o644))
	_, err := Build(context.Background(), fifo, Options{})
	refused(t, err, api.CodeSourceUnsuited, fifo+"/d1/pipe", "is a named pipe")
	_, err = Build(context.Background(), "/nowhere/at all", Options{})
	refused(t, err, api.CodeNotFound, "/nowhere/at all", "no such file")

	dir := sample(t)
	_, err = Build(context.Background(), dir, Options{PieceLength: 1000})
	refused(t, err, api.CodeInvalid, "piece_size", "power of two")
	_, err = Build(context.Background(), dir, Options{Name: "a/b"})
	refused(t, err, api.CodeInvalid, "name", "slash")
	deep := dir + strings.Repeat("/"+strings.Repeat("d", 200), 18)
	must(t, os.MkdirAll(deep, 0o755))
	sub, err := os.OpenRoot(deep)
	must(t, err)
	must(t, sub.MkdirAll(strings.Repeat(strings.Repeat("d", 200)+"/", 3), 0o755))
	sub.Close()
	_, err = Build(context.Background(), dir, Options{})
	refused(t, err, api.CodeSourceUnsuited, dir, "at most 4096")
	if now := openFiles(t); now != open {
		t.Errorf("%d files are open, before it were %d", now, open)
	}
}

func openFiles(t *testing.T) int {
	entries, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	return len(entries)
}

// TestBuildNoticesChange changes a file after the scan, when Build first tells
// of its progress.
func TestBuildNoticesChange(t *testing.T) {
	open := openFiles(t)
	for name, change := range map[string]func(path string) error{
		"grown":      func(path string) error { return os.Truncate(path, 20*blockSize) },
		"shrunk":     func(path string) error { return os.Truncate(path, 1) },
		"removed":    os.Remove,
		"rewritten":  overwrite,
		"replaced":   func(path string) error { return replace(path, os.WriteFile(path+"~", pattern(100), 0o640)) },
		"now a pipe": func(path string) error { return replace(path, syscall.Mkfifo(path+"~", 0o640)) },
	} {
		dir := sample(t)
		for _, path := range []string{dir + "/small/9", dir + "/d0/file-6", dir + "/d2/file-5"} {
			once := true
			source := filepath.Dir(path)
			if name == "grown" {
				source = path // on its own
			}
			_, err := Build(context.Background(), source, Options{Progress: func(api.Progress) {
				if once {
					must(t, change(path))
				}
				once = false
			}})
			refused(t, err, api.CodeSourceUnsuited, path, "changed while it was read")
			os.Remove(path)
		}
	}
	if now := openFiles(t); now != open {
		t.Errorf("%d files are open, before it were %d", now, open)
	}
}

// TestBuildNoticesNames adds and removes names while files are hashed.
func TestBuildNoticesNames(t *testing.T) {
	for name, change := range map[string]func(dir string) error{
		"added":     func(dir string) error { return os.WriteFile(dir+"/small/new", nil, 0o600) },
		"a link":    func(dir string) error { return os.Symlink("x", dir+"/small/new") },
		"a removed": func(dir string) error { return os.Remove(dir + "/small/empty") },
	} {
		dir := sample(t)
		must(t, os.Mkdir(dir+"/small/empty", 0o700))
		once := true
		_, err := Build(context.Background(), dir, Options{Progress: func(api.Progress) {
			if once {
				must(t, change(dir))
			}
			once = false
		}})
		if refused(t, err, api.CodeSourceUnsuited, dir+"/small", "changed while it was read"); t.Failed() {
			t.Fatal(name)
		}
	}
}

// sparse makes a file of 100 GB with a few MB of data.
func sparse(t *testing.T, path string) (data map[int64][]byte) {
	t.Helper()
	const size = 100_000_000_000
	data = map[int64][]byte{0: pattern(3), 30 << 30: pattern(2_000_000), size - 5: pattern(5)}
	f, err := os.Create(path)
	must(t, err)
	defer f.Close()
	if err := f.Truncate(size); errors.Is(err, syscall.EFBIG) {
		t.Skip("the filesystem of the test takes no file of 100 GB, sparse or not")
	} else if err != nil {
		t.Fatal(err)
	}
	for at, content := range data {
		_, err := f.WriteAt(content, at)
		must(t, err)
	}
	return data
}

func TestBuildSparse(t *testing.T) {
	dir := t.TempDir()
	data := sparse(t, dir+"/huge")
	for _, path := range []string{dir, dir + "/huge"} {
		r := build(t, path, Options{})
		if r.Checksum != "" {
			t.Error("a checksum over 100 GB of zeros")
		}
		m := r.Manifest
		zeros := m.ZeroPieces()
		if n := m.NumPieces() - zeros.Count(); n != len(data) {
			t.Errorf("%d of %d pieces are not zeros", n, m.NumPieces())
		}
		for at, content := range data {
			piece := int(at / m.PieceLength())
			p := m.Piece(piece)
			whole := make([]byte, p.Length)
			copy(whole[at-p.Offset:], content)
			if !m.VerifyPiece(piece, whole) {
				t.Errorf("the piece at %d is hashed wrong", at)
			}
		}
	}
}

// What has a few holes only, and what is asked for, gets its checksum.
func TestChecksumOfHoles(t *testing.T) {
	path := t.TempDir() + "/f"
	must(t, os.WriteFile(path, nil, 0o600))
	must(t, os.Truncate(path, 64<<20+1))
	want := sha256.Sum256(make([]byte, 64<<20+1))
	if r := build(t, path, Options{}); r.Checksum != "sha256:"+hex.EncodeToString(want[:]) {
		t.Error(r.Checksum)
	}
	must(t, os.Truncate(path, maxHoles+1<<20))
	source, err := pack.Scan(context.Background(), path)
	must(t, err)
	defer source.Close()
	if newHasher(source, Options{PieceLength: blockSize}).summed() || !newHasher(source, Options{PieceLength: blockSize, Checksum: true}).summed() {
		t.Error("a file of holes is summed though nobody asks for it, or not though somebody does")
	}
}

// overwrite changes content but not size.
func overwrite(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteAt([]byte("!"), 0)
	return err
}

// replace puts path+"~", made without err, in the place of path.
func replace(path string, err error) error {
	if err != nil {
		return err
	}
	return os.Rename(path+"~", path)
}

// TestBuildUnreadable opens a file of several blocks with no more than an ordinary
// user's rights to files: of one worker, that is the calling goroutine.
func TestBuildUnreadable(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Chmod(filepath.Dir(dir), 0o755)) // the test's own is private
	write(t, dir+"/secret", pattern(2*blockSize), 0)
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		if os.Geteuid() == 0 {
			syscall.RawSyscall(syscall.SYS_SETFSUID, 65534, 0, 0)
		}
		_, err := Build(context.Background(), dir, Options{Workers: 1})
		refused(t, err, api.CodeSourceUnsuited, dir+"/secret", "permission denied")
	}()
	<-done
}

func TestBuildIsCancelled(t *testing.T) {
	open := openFiles(t)
	dir := sample(t)
	for _, path := range []string{dir, dir + "/d0/file-6"} {
		ctx, cancel := context.WithCancel(context.Background())
		_, err := Build(ctx, path, Options{Progress: func(api.Progress) { cancel() }})
		if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: error %v", path, err)
		}
	}
	if now := openFiles(t); now != open {
		t.Errorf("%d files are open, before it were %d", now, open)
	}
}

func TestBuildReportsProgress(t *testing.T) {
	dir := sample(t)
	var got []api.Progress
	r := build(t, dir, Options{Progress: func(p api.Progress) { got = append(got, p) }})
	size := int64(r.Manifest.Size())
	first, last := got[0], got[len(got)-1]
	if first != (api.Progress{Stage: "hashing", Total: size}) || last != (api.Progress{Stage: "hashing", Done: size, Total: size, Files: 58}) {
		t.Errorf("from %+v to %+v", first, last)
	}
	for i := 1; i < len(got); i++ {
		if got[i].Done < got[i-1].Done || got[i].Files < got[i-1].Files {
			t.Errorf("%+v after %+v", got[i], got[i-1])
		}
	}
}

func TestDefaultName(t *testing.T) {
	t.Chdir(t.TempDir())
	here, err := os.Getwd()
	must(t, err)
	for path, want := range map[string]string{"/": "root", "/a/b": "b", ".": filepath.Base(here), "x": "x", "..": filepath.Base(filepath.Dir(here))} {
		if got := defaultName(path); got != want {
			t.Errorf("%q: %q, want %q", path, got, want)
		}
	}
}

// BenchmarkBuild compares hashing with plain SHA-256 on all cores, which is the
// limit. CPU seconds per GiB say more than speed on a machine that is busy.
func BenchmarkBuild(b *testing.B) {
	b.Run("limit", benchmarkLimit)
	large := filepath.Join(b.TempDir(), "large")
	write(b, large+"/file", bytes.Repeat(pattern(64<<20), 8), 0o644)
	b.Run("one large file in a tree", func(b *testing.B) { benchmarkBuild(b, large) })
	b.Run("one large file with checksum", func(b *testing.B) { benchmarkBuild(b, large+"/file") })
	small := b.TempDir()
	content := pattern(64 << 10)
	for i := range 15_000 {
		write(b, fmt.Sprintf("%s/src/directory/%d/file%d", small, i/50, i), content[:1+i*7919%len(content)], 0o644)
	}
	b.Run("15000 small files", func(b *testing.B) { benchmarkBuild(b, small) })
}

func benchmarkLimit(b *testing.B) {
	block := pattern(blockSize)
	b.SetBytes(blockSize)
	before := cpuSeconds(b)
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			sha256.Sum256(block)
		}
	})
	reportCPU(b, before, blockSize)
}

func benchmarkBuild(b *testing.B, path string) {
	b.ReportAllocs()
	before, size := cpuSeconds(b), int64(0)
	for b.Loop() {
		size = int64(build(b, path, Options{}).Manifest.Size())
	}
	b.SetBytes(size)
	reportCPU(b, before, size)
}

func reportCPU(b *testing.B, before float64, size int64) {
	b.ReportMetric((cpuSeconds(b)-before)/float64(b.N)/float64(size)*(1<<30), "cpu-s/GiB")
}

func cpuSeconds(b *testing.B) float64 {
	var u syscall.Rusage
	must(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}
