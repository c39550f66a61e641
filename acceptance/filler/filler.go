// Package filler makes content to move: pseudo-random bytes, the same for the
// same seed on every machine.
package filler

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
)

// Chunk is how many bytes of a file have one number, the first 0.
const Chunk = 1 << 20

// Fill fills buf with the bytes that belong to a seed and a number.
func Fill(buf []byte, seed, number uint64) {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	binary.LittleEndian.PutUint64(key[8:], number)
	key = sha256.Sum256(key[:])
	_, _ = rand.NewChaCha8(key).Read(buf) // it has no way to fail
}

// File makes a file of size bytes, on all cores.
func File(path string, size int64, seed uint64) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	err = Parallel(int((size+Chunk-1)/Chunk), func(i int) error {
		from := int64(i) * Chunk
		buf := make([]byte, min(Chunk, size-from))
		Fill(buf, seed, uint64(i))
		_, err := f.WriteAt(buf, from)
		return err
	})
	return errors.Join(err, f.Close())
}

// Parallel calls do for 0 to n-1 on all cores. After an error it soon calls no
// more, and returns it with those that came meanwhile.
func Parallel(n int, do func(int) error) error {
	var next atomic.Int64
	errs := make([]error, runtime.GOMAXPROCS(0))
	var wg sync.WaitGroup
	for w := range errs {
		wg.Go(func() {
			for errs[w] == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				errs[w] = do(i)
				if errs[w] != nil {
					next.Store(int64(n))
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
