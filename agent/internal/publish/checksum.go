package publish

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
)

// filled is a buffer with n bytes of content.
type filled struct {
	buf *[]byte
	n   int
}

// turn is where the checksummer waits for one block.
type turn chan filled

// checksummer computes a file's plain SHA-256 from the blocks that workers have
// read for their own hashes, so that the file is read once only. Blocks arrive
// in any order and count in that of their turns.
type checksummer struct {
	turns   chan turn // its capacity bounds how far workers run ahead
	release func(*[]byte)
	sum     hash.Hash // touched only by run, until done is closed
	done    chan struct{}
}

func newChecksummer(ahead int, release func(*[]byte)) *checksummer {
	c := &checksummer{turns: make(chan turn, ahead), release: release, sum: sha256.New(), done: make(chan struct{})}
	go c.run()
	return c
}

func (c *checksummer) run() {
	defer close(c.done)
	for t := range c.turns {
		block := <-t
		c.sum.Write((*block.buf)[:block.n])
		c.release(block.buf)
	}
}

// next reserves the next turn. Every turn must be filled.
func (c *checksummer) next() turn {
	t := make(turn, 1)
	c.turns <- t
	return t
}

// finish waits for all turns and returns the checksum.
func (c *checksummer) finish() string {
	close(c.turns)
	<-c.done
	return "sha256:" + hex.EncodeToString(c.sum.Sum(nil))
}
