package acceptance

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/rackswarm/rackswarm/acceptance/fleet"
	"github.com/rackswarm/rackswarm/core/api"
)

// A published file that changes behind unchanged sizes and times is withdrawn
// when receivers complain. They get all else, and nothing wrong; the node that
// served it in good faith goes on serving.
func TestSourceChangesInPlace(t *testing.T) {
	t.Parallel()
	top, err := os.MkdirTemp("/dev/shm", "source-")
	if err != nil {
		t.Skipf("needs a file system in memory, where mapped writes leave times alone: %v", err)
	}
	t.Cleanup(func() { must(t, os.RemoveAll(top)) })
	f := fleet.Start(t, fleet.Options{Nodes: fleet.Racks("ams1/r1", 3)})
	seeder, receivers := f.Agents()[0], f.Agents()[1:]
	src, dest := filepath.Join(top, "src"), filepath.Join(f.Root, "dest")
	const sound = 4 << 20
	random(t, filepath.Join(src, "sound"), sound, 0o644)
	random(t, filepath.Join(src, "spoilt"), 2<<20, 0o644)
	f.CLI("publish", src)
	spoil(t, filepath.Join(src, "spoilt"))
	var list api.ArtifactList
	f.JSON(&list, "artifacts")
	distribute := func(digest string) {
		f.CLI("distribute", "d", "--artifact", digest, "--path", dest, "--node", receivers[0].Name, "--node", receivers[1].Name)
	}
	distribute(list.Artifacts[0].Digest)

	for _, a := range receivers {
		n := awaitOn(t, f, "d", a, "has what is sound", func(n api.NodeStatus) bool { return n.BytesDone >= sound })
		if n.BytesDone == n.BytesTotal {
			t.Errorf("%s took wrong bytes: %+v", a.Name, n)
		}
		wantNothingAt(t, a.Path(dest))
	}
	fleet.Eventually(t, patience, "the seeder names the file", func() error {
		log, err := os.ReadFile(seeder.Log)
		if err == nil && !(bytes.Contains(log, []byte("publish it again")) && bytes.Contains(log, []byte("spoilt"))) {
			err = fmt.Errorf("its log does not")
		}
		return err
	})
	digest := list.Artifacts[0].Digest
	wantTrouble(t, f, seeder, filepath.Join(src, "spoilt"), digest)

	// What there is now is published, and comes from the same node at once.
	f.CLI("publish", src)
	f.JSON(&list, "artifacts")
	for _, a := range list.Artifacts {
		if a.Digest != digest {
			distribute(a.Digest)
		}
	}
	awaitSame(t, src, dest, receivers...)
	if s := status(f, "d"); len(s.Artifact.Troubles) > 0 {
		t.Errorf("the new version has troubles: %+v", s.Artifact.Troubles)
	}
}

// wantTrouble wants everybody who asks to hear which file changed on which node,
// and who waits for it; a command that waits gives up.
func wantTrouble(t *testing.T, f *fleet.Fleet, seeder *fleet.Agent, file, digest string) {
	t.Helper()
	fleet.Eventually(t, patience, "the status names file, node and who waits", func() error {
		s := status(f, "d")
		for _, n := range s.Nodes {
			if !s.Starves(n) {
				return fmt.Errorf("%s: phase %s, waiting: %q", n.Node, n.Phase, n.Waiting)
			}
		}
		if tr := s.Artifact.Troubles; len(tr) != 1 || tr[0].Node != seeder.Name || tr[0].Error.Subject != file {
			return fmt.Errorf("troubles: %+v", tr)
		}
		return nil
	})
	shown := f.CLI("status", "d")
	for _, want := range []string{"source on " + seeder.Name, file, "waiting: no peer has", "publish it again on " + seeder.Name} {
		if !strings.Contains(shown, want) {
			t.Errorf("status does not say %q:\n%s", want, shown)
		}
	}
	d := status(f, "d").Distribution
	r := f.TryCLI("distribute", "d", "--artifact", digest, "--path", d.Path,
		"--node", d.Selector.NodeNames[0], "--node", d.Selector.NodeNames[1], "--wait")
	if r.Code != 1 || !strings.Contains(r.Stderr, file) {
		t.Errorf("distribute --wait does not fail with %q: exit code %d\n%s%s", file, r.Code, r.Stdout, r.Stderr)
	}
}

// spoil changes a byte of a file in memory through a mapping, and makes sure
// that nothing but its content tells.
func spoil(t *testing.T, file string) {
	t.Helper()
	before := *statOf(t, file)
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	must(t, err)
	defer f.Close()
	text, err := unix.Mmap(int(f.Fd()), 0, int(before.Size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	must(t, err)
	text[before.Size/2] ^= 1
	must(t, unix.Munmap(text))
	if after := *statOf(t, file); after.Mtim != before.Mtim || after.Ctim != before.Ctim || after.Size != before.Size {
		t.Skip("this kernel stamps files in memory when they are written through a mapping")
	}
}

func wantNothingAt(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("something stands at %s (%v)", path, err)
	}
}
