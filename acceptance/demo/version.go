package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// nextSource is where the next version of the tree is made.
func (d *demo) nextSource() string { return filepath.Join(d.dir, "next", filepath.Base(d.source)) }

// newVersion distributes a version of the tree with three files changed.
func (d *demo) newVersion(ctx context.Context) error {
	d.out.Heading("A new version of the tree moves only what changed")
	next := d.nextSource()
	d.out.Command("cp", "-a", d.source, next)
	changed, err := d.change(next)
	if err != nil {
		return err
	}
	st, err := d.applyWatched(ctx, next)
	if err != nil {
		return err
	}
	var moved, reused, total int64
	for _, n := range st.Nodes {
		moved, reused, total = moved+received(n), reused+n.BytesReused, total+n.BytesTotal
	}
	d.out.Note("")
	d.out.Note("Time    %.1f s from the first node's start to the last one's installation", st.Summary.Seconds)
	d.out.Note("Moved   %s to all nodes together, for %s of changed files on each", size(moved), size(changed))
	d.out.Note("Reused  %.2f%% of %s, from the nodes' own disks", 100*float64(reused)/float64(max(total, 1)), size(total))
	return d.checkNext(next)
}

// change edits one file of the tree, adds one and removes one, and returns the
// size of what is new.
func (d *demo) change(tree string) (int64, error) {
	edited, added, removed := filepath.Join(tree, lost), filepath.Join(tree, "src/net/http/note.go"), filepath.Join(tree, "src/fmt/print.go")
	d.out.Shell("echo '// A new version.' >>" + edited)
	f, err := os.OpenFile(edited, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return 0, err
	}
	_, err = f.WriteString("// A new version.\n")
	if err := errors.Join(err, f.Close()); err != nil {
		return 0, err
	}
	d.out.Shell("echo 'package http' >" + added)
	if err := os.WriteFile(added, []byte("package http\n"), 0o644); err != nil {
		return 0, err
	}
	d.out.Command("rm", removed)
	if err := os.Remove(removed); err != nil {
		return 0, err
	}
	info, err := os.Stat(edited)
	if err != nil {
		return 0, err
	}
	return info.Size() + int64(len("package http\n")), nil
}

// checkNext checks on every node that the new version stands.
func (d *demo) checkNext(next string) error {
	for _, a := range d.fleet.agents {
		for _, file := range []string{lost, "src/net/http/note.go"} {
			same, err := sameContent(a.path("go", file), filepath.Join(next, file))
			if err != nil {
				return err
			}
			if !same {
				return fmt.Errorf("%s on %s is not that of the new version", file, a.name)
			}
		}
		switch _, err := os.Lstat(a.path("go", "src/fmt/print.go")); {
		case err == nil:
			return fmt.Errorf("src/fmt/print.go is still on %s", a.name)
		case !errors.Is(err, os.ErrNotExist):
			return err
		}
	}
	return nil
}
