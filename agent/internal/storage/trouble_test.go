package storage

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/artifact"
)

// trouble is what befalls a filesystem in the middle of a transfer.
type trouble struct {
	begin, end func(t *testing.T, root string)
	errno      syscall.Errno
	code       string
}

var troubles = map[string]trouble{
	"full": {
		begin: func(t *testing.T, root string) { eat(t, root+"/other") },
		end:   func(t *testing.T, root string) { must(t, os.Remove(root+"/other")) },
		errno: syscall.ENOSPC, code: api.CodeNoSpace,
	},
	"out of inodes": {
		begin: func(t *testing.T, root string) {
			must(t, os.Mkdir(root+"/other", 0o700))
			for i := 0; ; i++ {
				if err := os.WriteFile(fmt.Sprintf("%s/other/%d", root, i), nil, 0o600); errors.Is(err, syscall.ENOSPC) {
					return
				} else if err != nil {
					t.Fatal(err)
				}
			}
		},
		end:   func(t *testing.T, root string) { must(t, os.RemoveAll(root+"/other")) },
		errno: syscall.ENOSPC, code: api.CodeNoSpace,
	},
}

// The filesystem fails in the middle of an upgrade: what stands is untouched, the
// error says what to do, and when the cause is gone the rest is fetched, and no
// more.
func TestTroubleInTheMiddle(t *testing.T) {
	for name, x := range troubles {
		t.Run(name, func(t *testing.T) {
			b := smallDisk(t, "size=4m,nr_inodes=300")
			old, next := site(1), site(2)
			next.files["new/one"], next.files["new/two"] = blob(31, 3*testPieceLength), blob(32, 3*testPieceLength)
			b.install(b.request(old), old).Close()
			p := b.prepare(b.request(next))
			missing := p.missing()
			must(t, p.WriteSpan(missing[0], next.span(p.mf, missing[0])))
			x.begin(t, b.root)
			failed := 0
			for _, span := range missing[1:] {
				if err := p.WriteSpan(span, next.span(p.mf, span)); err != nil {
					failed++
					if e := wantCode(t, err, x.code); !errors.Is(err, x.errno) || e.Subject != b.path("site") || p.has(span) {
						t.Fatalf("%+v", e)
					}
				}
			}
			if d := old.differs(b.path("site")); d != "" || failed == 0 {
				t.Fatalf("%s; %d spans failed", d, failed)
			}
			left := len(p.missing())
			x.end(t, b.root)
			if n := fill(t, p, next); n != left || n > len(missing)-1 {
				t.Fatalf("%d spans are fetched, %d are missing of %d", n, left, len(missing))
			}
			must(t, p.Install(t.Context()))
			b.same(p, next)
		})
	}
}

// loopDisk is a box on an ext4 in a file, which has less room than the ext4
// believes. mount mounts it anew.
func loopDisk(t *testing.T, size, onError string) (b *box, under string, mount func()) {
	t.Helper()
	b, under = newBox(t), t.TempDir()
	mountTmpfs(t, under, "size="+size)
	image := filepath.Join(under, "image")
	must(t, os.WriteFile(image, nil, 0o600))
	must(t, os.Truncate(image, 64<<20))
	run := func(args ...string) {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Skipf("needs ext4 on a loop device: %v: %s", err, out)
		}
	}
	run("mkfs.ext4", "-q", "-F", "-O", "^has_journal", image)
	mount = func() {
		run("mount", "-o", "loop,errors="+onError, image, b.root)
		b.restart()
	}
	mount()
	t.Cleanup(func() { syscall.Unmount(b.root, syscall.MNT_DETACH) })
	return b, under, mount
}

// The disk loses what it was given, and only the sync says so. Nothing is
// installed; what was lost is found out and fetched again, and nothing else is.
func TestDiskLosesData(t *testing.T) {
	b, under, _ := loopDisk(t, "12m", "continue")
	s := sample{kind: artifact.KindTree, files: map[string][]byte{}}
	for i := range 120 {
		s.files[fmt.Sprint("f", i)] = blob(uint64(i), 200<<10)
	}
	r := b.request(s)
	p := b.prepare(r)
	all := fill(t, p, s)
	err := p.Install(t.Context())
	if !errors.Is(err, syscall.EIO) && !errors.Is(err, syscall.ENOSPC) { // the loop device tells why, or not
		t.Fatal(err)
	}
	var e *api.Error
	if !errors.As(err, &e) || e.Subject != b.path("site") || e.Fix == "" {
		t.Fatalf("%+v", e)
	}
	if _, err := os.Lstat(b.path("site")); err == nil {
		t.Fatal("something is installed")
	}
	must(t, syscall.Mount("", under, "", syscall.MS_REMOUNT, "size=100m"))
	p.Close()
	b.restart()
	p = b.prepare(r)
	if n := fill(t, p, s); n == 0 || n == all {
		t.Fatalf("%d of %d spans are fetched again", n, all)
	}
	must(t, p.Install(t.Context()))
	b.same(p, s)
	p.live.distrust()
	readAll(t, p, s)
}

// The filesystem finds itself damaged in the middle and turns read-only, as ext4
// does. What had not reached the disk by then is lost, whatever the record says.
func TestFilesystemTurnsReadOnly(t *testing.T) {
	b, _, mount := loopDisk(t, "100m", "remount-ro")
	old, s := oneFile(1<<20), oneFile(8<<20)
	b.install(b.request(old), old).Close()
	p := b.prepare(b.request(s))
	missing := p.missing()
	for _, span := range missing[:len(missing)/2] {
		must(t, p.WriteSpan(span, s.span(p.mf, span)))
	}
	era, err := p.era()
	must(t, err)
	breakExt4(t, b.root)
	last := missing[len(missing)-1]
	err = p.WriteSpan(last, s.span(p.mf, last))
	if e := wantCode(t, err, api.CodeIO); !errors.Is(err, syscall.EROFS) && !errors.Is(err, syscall.EIO) {
		t.Fatalf("%+v", e)
	}
	if d := old.differs(b.path("site")); d != "" {
		t.Fatal(d)
	}
	p.Close()
	for _, r := range b.m.roots {
		must(t, r.dir.Close())
	}
	must(t, syscall.Unmount(b.root, 0))
	mount()
	p = b.prepare(b.request(s))
	if now, err := p.era(); err != nil || now == era {
		t.Fatalf("what was recorded before the filesystem was mounted again counts (%v)", err)
	}
	readAll(t, p, s)
	fill(t, p, s)
	must(t, p.Install(t.Context()))
	b.same(p, s)
}

// breakExt4 makes the ext4 at a path believe that it is damaged.
func breakExt4(t *testing.T, at string) {
	t.Helper()
	out, err := exec.Command("findmnt", "-n", "-o", "SOURCE", at).Output()
	must(t, err)
	trigger := "/sys/fs/ext4/" + filepath.Base(strings.TrimSpace(string(out))) + "/trigger_fs_error"
	if err := os.WriteFile(trigger, []byte("for the test"), 0); err != nil {
		t.Skipf("the kernel cannot be told that a filesystem is damaged: %v", err)
	}
}
