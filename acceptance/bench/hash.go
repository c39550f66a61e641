package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/filler"
)

// measureHash compares how fast an agent publishes content of files of 1 MiB and
// larger with how fast as many goroutines as there are cores hash memory.
func measureHash(ctx context.Context, b *bench) ([]result, error) {
	dir := filepath.Join(b.dir, "hash")
	defer os.RemoveAll(dir)
	if err := makeHashTree(dir, b.sizes.hash); err != nil {
		return nil, err
	}
	published, limit := result{Case: "hash", System: "rackswarm"}, result{Case: "hash", System: "sha256"}
	err := b.withFleet(ctx, b.dir, func(f *fleet) error {
		for n := range b.repeat {
			limit.Runs = append(limit.Runs, hashMemory(b.sizes.hash))
			begin := time.Now()
			// Another name makes it another artifact, which is hashed again.
			if _, err := f.publish(ctx, dir, fmt.Sprint("hash", n)); err != nil {
				return err
			}
			published.Runs = append(published.Runs, float64(b.sizes.hash)/gib/time.Since(begin).Seconds())
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	published.GiBPerS, limit.GiBPerS = median(published.Runs), median(limit.Runs)
	published.Ratio = published.GiBPerS / limit.GiBPerS
	return []result{published, limit}, nil
}

// makeHashTree makes files of 1 MiB for one half of the bytes and one large file
// for the other.
func makeHashTree(dir string, size int64) error {
	if err := makeTree(dir, int(size/2/filler.Chunk), filler.Chunk, 5); err != nil {
		return err
	}
	return filler.File(filepath.Join(dir, "large"), size/2, 6)
}

// hashMemory is the machine's SHA-256 speed in GiB/s.
func hashMemory(size int64) float64 {
	buffers := make([][]byte, runtime.GOMAXPROCS(0))
	for i := range buffers {
		buffers[i] = make([]byte, filler.Chunk)
		filler.Fill(buffers[i], 7, uint64(i))
	}
	begin := time.Now()
	_ = filler.Parallel(len(buffers), func(i int) error {
		for range int(size/filler.Chunk) / len(buffers) {
			sha256.Sum256(buffers[i])
		}
		return nil
	})
	return float64(size) / gib / time.Since(begin).Seconds()
}
