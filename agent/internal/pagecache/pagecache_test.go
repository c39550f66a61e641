package pagecache

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// onDisk makes a file of n bytes that the disk has, and opens it.
func onDisk(t testing.TB, n int) *os.File {
	t.Helper()
	dir := t.TempDir()
	var fs unix.Statfs_t
	must(t, unix.Statfs(dir, &fs))
	if fs.Type == unix.TMPFS_MAGIC {
		t.Skipf("%s is in memory: the test needs a disk", dir)
	}
	f, err := os.Create(filepath.Join(dir, "f"))
	must(t, err)
	t.Cleanup(func() { f.Close() })
	for data := make([]byte, n); len(data) > 0; { // page by page: a folio of many pages goes as a whole or not at all
		k, err := f.Write(data[:min(page, len(data))])
		must(t, err)
		data = data[k:]
	}
	must(t, f.Sync())
	return f
}

const page = 4096

// dropAll takes a range out of the cache for certain. A page that the kernel is
// busy with, on a machine with much else to do, stays when it is dropped once.
func dropAll(t testing.TB, fd int, r Range) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		Drop(fd, r)
		if slices.Equal(Missing(fd, r), []Range{r}) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("of %v only %v leaves the cache", r, Missing(fd, r))
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestReadTellsWhatItBrings(t *testing.T) {
	const size = 64 * page
	f := onDisk(t, size)
	fd := int(f.Fd())
	NoReadahead(fd)
	buf := make([]byte, 8*page)
	if brought, err := ReadAt(fd, buf, 0, size); brought != nil || err != nil {
		t.Fatalf("of a cached file %v is brought (%v)", brought, err)
	}
	dropAll(t, fd, Range{8 * page, size - 8*page})
	brought, err := ReadAt(fd, buf, 4*page, 40*page)
	must(t, err)
	if !slices.Equal(brought, []Range{{8 * page, 32 * page}}) {
		t.Fatalf("%v is brought", brought)
	}
	if brought, err = ReadAt(fd, buf, 4*page, 40*page); brought != nil || err != nil {
		t.Fatalf("the second time %v is brought (%v)", brought, err)
	}
	if _, err := ReadAt(fd, buf, size-page, size); !errors.Is(err, io.EOF) {
		t.Fatalf("beyond the end: %v", err)
	}
}

func TestMissingCoversTheEnd(t *testing.T) {
	f := onDisk(t, 3*page+7)
	fd := int(f.Fd())
	dropAll(t, fd, Range{0, 3*page + 7})
	if got := Missing(fd, Range{page, 2*page + 7}); !slices.Equal(got, []Range{{page, 2*page + 7}}) {
		t.Fatal(got)
	}
	if got := Missing(fd, Range{1, page}); got != nil {
		t.Fatalf("a range that begins within a page: %v", got)
	}
}

// file counts what a trail does with it.
type file struct {
	*os.File
	mu   *sync.Mutex
	used *int
}

func (f file) Use(fn func(fd int) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	*f.used++
	_ = fn(int(f.Fd()))
}

// Written data reaches the disk and leaves the cache but for the budget.
func TestTrailKeepsItsBudget(t *testing.T) {
	const budget, size = 64 * page, 256 * page
	f := file{onDisk(t, size), &sync.Mutex{}, new(int)}
	trail := NewTrail[file](budget)
	for off := int64(0); off < size; off += 4 * page {
		_, err := f.WriteAt(make([]byte, 4*page), off)
		must(t, err)
		trail.Wrote(f, Range{off, 4 * page})
	}
	trail.wait()
	left := int64(size)
	for _, r := range Missing(int(f.Fd()), Range{0, size}) {
		left -= r.Len
	}
	if left > budget+4*page || left < budget-4*page {
		t.Fatalf("%d bytes are cached, the budget is %d", left, budget)
	}
	must(t, f.Sync()) // what the disk does not have stays in the cache
	trail.Forget(func(other file) bool { return other == f })
	if got := Missing(int(f.Fd()), Range{0, size}); !slices.Equal(got, []Range{{0, size}}) || trail.held != 0 {
		t.Fatalf("forgotten, and still cached; %d bytes are noted", trail.held)
	}
}

// wait returns when the sweeper has nothing to do.
func (t *Trail[F]) wait() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.sweeping {
		t.room.Wait()
	}
}

type nothing struct{ number int }

func (nothing) Use(func(int) error) {}

// Whatever is noted and forgotten in whatever order: held is the sum of what is
// noted, and at rest no more than the budget.
func TestTrailCounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		trail := NewTrail[nothing](20 * page)
		for range rapid.IntRange(0, 60).Draw(t, "actions") {
			f := nothing{rapid.IntRange(0, 3).Draw(t, "file")}
			r := Range{rapid.Int64Range(0, 9).Draw(t, "at") * page, rapid.Int64Range(1, 9*page).Draw(t, "length")}
			switch rapid.IntRange(0, 3).Draw(t, "action") {
			case 0:
				trail.Wrote(f, r)
			case 1:
				trail.Read(f, r)
			case 2:
				trail.Forget(func(other nothing) bool { return other == f })
			case 3:
				trail.Rename(func(nothing) nothing { return f })
			}
		}
		trail.wait()
		sum := int64(0)
		for _, s := range trail.steps {
			sum += s.size()
		}
		if sum != trail.held || sum > trail.budget || trail.begun > len(trail.steps) {
			t.Fatalf("%d bytes are noted, %d counted, %d of %d steps begun", sum, trail.held, trail.begun, len(trail.steps))
		}
	})
}

func TestQuietlyChangesThisThreadOnly(t *testing.T) {
	before, err := ioprioGet()
	if err != nil {
		t.Skipf("the kernel has no I/O priorities: %v", err)
	}
	quietly(func() {
		if now, err := ioprioGet(); err != nil || now != lowest {
			t.Errorf("priority %#x (%v)", now, err)
		}
	})
	if after, err := ioprioGet(); err != nil || after != before {
		t.Errorf("priority %#x afterwards, %#x before (%v)", after, before, err)
	}
}

func TestLimitFiles(t *testing.T) {
	got := limitFiles("12:memory:/a/b\n3:cpu:/x\n0::/s.slice/r.service\nnonsense\n")
	want := []string{
		"/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", "/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.limit_in_bytes",
		"/sys/fs/cgroup/s.slice/r.service/memory.max", "/sys/fs/cgroup/s.slice/memory.max", "/sys/fs/cgroup/memory.max",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if memTotal("MemTotal:       24683660 kB\nMemFree: 1 kB\n") != 24683660<<10 || memTotal("") <= 0 {
		t.Error("/proc/meminfo is misread")
	}
	if b := Budget(); b < minBudget || b > maxBudget {
		t.Error(b)
	}
}
