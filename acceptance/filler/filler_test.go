package filler

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// What was measured once can be measured again: the bytes of a seed never change.
func TestTheSameBytesEverywhere(t *testing.T) {
	dir := t.TempDir()
	sum := func(seed uint64) string {
		path := filepath.Join(dir, "f")
		if err := File(path, 2*Chunk+12345, seed); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(path)
		if err != nil || len(text) != 2*Chunk+12345 {
			t.Fatalf("%d bytes, %v", len(text), err)
		}
		if bytes.Equal(text[:Chunk], text[Chunk:2*Chunk]) {
			t.Error("two chunks are the same")
		}
		s := sha256.Sum256(text)
		return hex.EncodeToString(s[:])
	}
	const want = "af8e6d0d21a009ecdb0d7681983ebbc6ce56056bbe72e78574264d1ded7195e9"
	if got := sum(1); got != want {
		t.Errorf("seed 1 makes %s, not %s", got, want)
	}
	if sum(2) == want {
		t.Error("another seed makes the same bytes")
	}
}

func TestParallelReportsAnError(t *testing.T) {
	broken := errors.New("broken")
	err := Parallel(1000, func(i int) error {
		if i == 7 {
			return broken
		}
		return nil
	})
	if !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
}
