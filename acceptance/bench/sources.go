package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rackswarm/rackswarm/acceptance/filler"
)

// sizes of what moves.
type sizes struct {
	big, mid  int64 // bytes
	files     int   // of the tree of small files
	hash      int64 // bytes that are hashed
	neighbour int64 // bytes that pass by a neighbour
}

const smallFile = 8 << 10

var (
	fullSizes  = sizes{big: 2 << 30, mid: 512 << 20, files: 100_000, hash: 4 << 30, neighbour: 8 << 30}
	quickSizes = sizes{big: 256 << 20, mid: 64 << 20, files: 10_000, hash: 512 << 20, neighbour: 1 << 30}
)

// sources is the content of the cases, made once.
type sources struct{ big, mid, goTree, many *content }

// makeSources makes what the cases need.
func makeSources(ctx context.Context, dir string, s sizes, cases []kase) (*sources, error) {
	made := &sources{}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	for _, m := range []struct {
		content **content
		make    func() (*content, error)
	}{
		{&made.big, func() (*content, error) { return makeFileContent(filepath.Join(dir, "big"), s.big, 1) }},
		{&made.mid, func() (*content, error) { return makeFileContent(filepath.Join(dir, "mid"), s.mid, 2) }},
		{&made.goTree, func() (*content, error) { return copyGoTree(ctx, filepath.Join(dir, "go")) }},
		{&made.many, func() (*content, error) {
			path := filepath.Join(dir, "many")
			if err := makeTree(path, s.files, smallFile, 3); err != nil {
				return nil, err
			}
			return newTree(path)
		}},
	} {
		if !needed(made, m.content, cases) {
			continue
		}
		var err error
		if *m.content, err = m.make(); err != nil {
			return nil, fmt.Errorf("make the content: %w", err)
		}
	}
	return made, nil
}

// needed reports whether a case moves this content: it finds it when it is set.
func needed(made *sources, what **content, cases []kase) bool {
	probe := &content{}
	*what = probe
	defer func() { *what = nil }()
	return slices.ContainsFunc(cases, func(c kase) bool { return c.content(made) == probe })
}

func makeFileContent(path string, size int64, seed uint64) (*content, error) {
	if err := filler.File(path, size, seed); err != nil {
		return nil, err
	}
	return newFile(path)
}

// copyGoTree copies the Go toolchain's tree.
func copyGoTree(ctx context.Context, to string) (*content, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("go env GOROOT: %w", err)
	}
	from, err := filepath.EvalSymlinks(strings.TrimSpace(string(out)))
	if err != nil {
		return nil, err
	}
	if text, err := exec.CommandContext(ctx, "cp", "-a", "--no-preserve=ownership", "-T", from, to).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("copy %s: %w\n%s", from, err, text)
	}
	return newTree(to)
}
