package publish

import (
	"cmp"
	"context"
	"os"
	"sync"
	"sync/atomic"

	"github.com/rackswarm/rackswarm/agent/internal/pagecache"
	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/client/pack"
)

// blockSize is what a worker reads and hashes at once: much enough for system
// calls not to count, little enough to stay in the CPU's cache.
const blockSize = 1 << 20

// hasher computes the piece layers of a source's files.
type hasher struct {
	src     *pack.Source
	o       Options
	block   int64 // bytes that a job has at most: blockSize, or a shorter piece
	meter   *pack.Meter
	buffers sync.Pool // of *[]byte with block bytes
	trail   *pagecache.Trail[hashed]

	// layers[i] is written by the workers that have jobs of file i: at first one
	// hash per block, by the last of them one per piece.
	layers   [][][32]byte
	checksum string
	sum      *checksummer // of a single file, otherwise nil

	mu sync.Mutex
	// at says which job is next: its file, its block, and once the first block of
	// a file of several is handed out, the open file. Guarded by mu.
	at job
}

// job is one block of a file, or a whole file that is no longer than a block.
type job struct {
	file  int
	index int       // of the block
	open  *openFile // shared by the jobs of a file of several blocks, nil if there is one
	turn  turn      // where the checksummer waits for the block, nil without one
}

// openFile is a file that several jobs read. The last of them closes it.
type openFile struct {
	*os.File
	fd   int
	left atomic.Int64
}

func newHasher(s *pack.Source, o Options) *hasher {
	h := &hasher{
		src: s, o: o, block: min(blockSize, o.PieceLength),
		meter:  pack.NewMeter("hashing", s.Size, o.Progress),
		layers: make([][][32]byte, len(s.Files)),
		trail:  pagecache.NewTrail[hashed](pagecache.Budget()),
	}
	h.buffers.New = func() any {
		buf := make([]byte, h.block)
		return &buf
	}
	return h
}

// run hashes everything. It returns when no goroutine of it is left.
func (h *hasher) run(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	h.meter.Flush()
	if h.summed() {
		h.sum = newChecksummer(2*h.o.Workers, h.release)
	}
	var others sync.WaitGroup
	for range h.o.Workers - 1 {
		others.Go(func() { h.work(ctx, stop) })
	}
	h.work(ctx, stop)
	others.Wait()
	if h.sum != nil {
		h.checksum = h.sum.finish()
	}
	if h.src.Size > pagecache.Budget() { // the end of it helps nobody who begins at the beginning
		h.trail.Forget(func(hashed) bool { return true })
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	h.meter.Flush()
	return nil
}

// work carries out jobs until there are none. Workers fetch them themselves:
// where a goroutine hands them out, they wait until it has been woken.
func (h *hasher) work(ctx context.Context, stop context.CancelCauseFunc) {
	for {
		j, ok, err := h.next(ctx)
		if ok {
			err = h.do(ctx, j)
		}
		if err != nil {
			stop(err)
		}
		if !ok {
			return
		}
	}
}

// next returns the jobs of all files in order, so that few are open at a time. It
// begins no file after the context has ended.
func (h *hasher) next(ctx context.Context) (j job, ok bool, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.at.open == nil && (ctx.Err() != nil || h.at.file == len(h.src.Files)) {
		return job{}, false, nil
	}
	blocks := (h.src.Files[h.at.file].Stamp.Size + h.block - 1) / h.block
	if blocks > 1 && h.at.open == nil {
		if h.at.open, err = h.openFile(h.at.file, blocks); err != nil {
			return job{}, false, err
		}
	}
	j = h.at
	j.turn = h.nextTurn()
	if h.at.index++; int64(h.at.index) >= blocks {
		h.at = job{file: h.at.file + 1}
	}
	return j, true, nil
}

// openFile opens a file of several blocks for the jobs that read it.
func (h *hasher) openFile(i int, blocks int64) (*openFile, error) {
	f, err := h.src.Open(i)
	if err != nil {
		return nil, err
	}
	h.layers[i] = make([][32]byte, blocks)
	open := &openFile{File: f, fd: int(f.Fd())}
	pagecache.NoReadahead(open.fd)
	open.left.Store(blocks)
	return open, nil
}

// nextTurn reserves the next place in the order of the checksum.
func (h *hasher) nextTurn() turn {
	if h.sum == nil {
		return nil
	}
	return h.sum.next()
}

// do carries out a job, or only cleans up after it when the context has ended.
func (h *hasher) do(ctx context.Context, j job) error {
	buf := h.buffers.Get().(*[]byte)
	n, err := 0, ctx.Err()
	if err == nil {
		n, err = h.hashBlock(j, *buf)
	}
	if j.turn != nil {
		j.turn <- filled{buf, n} // the checksummer releases it
	} else {
		h.release(buf)
	}
	if j.open != nil && j.open.left.Add(-1) == 0 {
		finish := h.finishFile(j.file, j.open.File)
		err = cmp.Or(err, finish)
	}
	return err
}

func (h *hasher) release(buf *[]byte) { h.buffers.Put(buf) }

// hashBlock reads and hashes the block of a job, and returns its length.
func (h *hasher) hashBlock(j job, buf []byte) (int, error) {
	if j.open == nil {
		return h.hashSmall(j.file, buf)
	}
	offset := int64(j.index) * h.block
	buf = buf[:min(h.block, h.src.Files[j.file].Stamp.Size-offset)]
	if isHole(j.open.fd, offset, int64(len(buf))) {
		clear(buf) // for the checksum
		h.layers[j.file][j.index] = artifact.ZeroPieceHash(int64(len(buf)), h.block, false)
	} else {
		if err := h.read(j.file, j.open.fd, buf, offset); err != nil {
			return 0, err
		}
		h.layers[j.file][j.index] = artifact.PieceHash(buf, h.block, false)
	}
	h.meter.Add(int64(len(buf)), 0)
	return len(buf), nil
}

// hashSmall hashes a file of one block, which is a file of one piece.
func (h *hasher) hashSmall(i int, buf []byte) (int, error) {
	f, err := h.src.Open(i)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	buf = buf[:h.src.Files[i].Stamp.Size]
	if err := h.read(i, int(f.Fd()), buf, 0); err != nil {
		return 0, err
	}
	if len(buf) > 0 {
		h.layers[i] = [][32]byte{artifact.PieceHash(buf, h.o.PieceLength, true)}
	}
	h.meter.Add(int64(len(buf)), 1)
	return len(buf), h.src.Unchanged(i, f)
}

// finishFile closes a file of several blocks after its last one, and makes
// pieces of the blocks.
func (h *hasher) finishFile(i int, f *os.File) error {
	defer f.Close()
	if err := h.src.Unchanged(i, f); err != nil {
		return err
	}
	h.layers[i] = artifact.Coarsen(h.layers[i], h.block, h.o.PieceLength)
	h.meter.Add(0, 1)
	return nil
}
