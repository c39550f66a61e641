package pagecache

import (
	"sync"

	"golang.org/x/sys/unix"
)

// File is a file that a Trail can get at as long as it is in it.
type File interface {
	comparable
	// Use calls fn with a descriptor of the file, or does nothing if there is no
	// such file any more. What fn returns is why written data did not reach the
	// disk.
	Use(fn func(fd int) error)
}

// Trail is what came into the page cache lately by us, oldest first. It is safe
// for concurrent use.
type Trail[F File] struct {
	budget int64 // bytes that stay in the cache
	limit  int64 // bytes that wait for the disk before writers have to

	mu   sync.Mutex
	room sync.Cond // held went below limit, or the sweeper has ended
	// Guarded by mu.
	steps    []step[F]
	begun    int   // so many of steps are being written to the disk
	held     int64 // bytes of steps
	sweeping bool
}

// step is a range that came into the cache.
type step[F File] struct {
	file  F
	at    Range
	dirty bool
}

// NewTrail returns a trail that keeps so many bytes in the cache.
func NewTrail[F File](budget int64) *Trail[F] {
	t := &Trail[F]{budget: budget, limit: 4 * budget}
	t.room.L = &t.mu
	return t
}

// Read notes ranges that were read and were not in the cache.
func (t *Trail[F]) Read(f F, ranges ...Range) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range ranges {
		t.add(step[F]{f, r, false})
	}
}

// Wrote notes a range that was written. It waits for the disk if that is far
// behind.
func (t *Trail[F]) Wrote(f F, r Range) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.held > t.limit && t.sweeping {
		t.room.Wait()
	}
	t.add(step[F]{f, r, true})
}

func (t *Trail[F]) add(s step[F]) {
	if last := len(t.steps) - 1; last >= t.begun && t.steps[last].reaches(s, t.budget/8) {
		t.held -= t.steps[last].size()
		s.at = Range{t.steps[last].at.Off, t.steps[last].at.Len + s.at.Len}
		t.steps = t.steps[:last]
	}
	t.steps = append(t.steps, s)
	t.held += s.size()
	if !t.sweeping && (s.dirty || t.held > t.budget) {
		t.sweeping = true
		go t.sweep()
	}
}

// reaches reports whether the next step follows this one so closely that both can
// be one of at most so many bytes.
func (s step[F]) reaches(next step[F], most int64) bool {
	return s.file == next.file && s.dirty == next.dirty && s.at.Off+s.at.Len == next.at.Off && s.at.Len+next.at.Len <= most
}

// Rename makes what is noted of one file that of another.
func (t *Trail[F]) Rename(to func(F) F) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range t.steps {
		t.steps[i].file = to(t.steps[i].file)
	}
}

// Forget takes everything of some files out of the cache that is noted of them,
// and forgets them.
func (t *Trail[F]) Forget(of func(F) bool) {
	for _, s := range t.take(of) {
		s.drop(false)
	}
}

func (t *Trail[F]) take(of func(F) bool) (taken []step[F]) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var left []step[F]
	begun := t.begun
	for i, s := range t.steps {
		if !of(s.file) {
			left = append(left, s)
			continue
		}
		taken = append(taken, s)
		t.held -= s.size()
		if i < begun {
			t.begun--
		}
	}
	t.steps = left
	return taken
}

// sweep has the disk take what was written, and takes the oldest out of the
// cache, until there is nothing to do.
func (t *Trail[F]) sweep() {
	quietly(func() {
		for {
			switch s, what := t.next(); what {
			case write:
				s.write()
			case drop:
				s.drop(true)
			case rest:
				return
			}
		}
	})
}

type work int

const (
	rest work = iota
	write
	drop
)

// next returns what the sweeper does next. At rest it is no more.
func (t *Trail[F]) next() (s step[F], what work) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.begun < len(t.steps):
		s, what = t.steps[t.begun], write
		t.begun++
	case t.held > t.budget:
		s, what = t.steps[0], drop
		t.steps = t.steps[1:]
		t.begun--
		t.held -= s.size()
	default:
		t.sweeping = false
	}
	t.room.Broadcast()
	return s, what
}

// size is what the range takes in the cache, about.
func (s step[F]) size() int64 {
	const page = 4096
	return (s.at.Len + page - 1) / page * page
}

func (s step[F]) write() {
	if s.dirty {
		s.file.Use(func(fd int) error { return unix.SyncFileRange(fd, s.at.Off, s.at.Len, unix.SYNC_FILE_RANGE_WRITE) })
	}
}

// drop takes the range out of the cache. What the disk does not have yet is
// waited for, or stays.
func (s step[F]) drop(wait bool) {
	const all = unix.SYNC_FILE_RANGE_WAIT_BEFORE | unix.SYNC_FILE_RANGE_WRITE | unix.SYNC_FILE_RANGE_WAIT_AFTER
	s.file.Use(func(fd int) (err error) {
		if s.dirty && wait {
			err = unix.SyncFileRange(fd, s.at.Off, s.at.Len, all)
		}
		Drop(fd, s.at)
		return err
	})
}
