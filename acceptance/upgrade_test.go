package acceptance

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/rackswarm/rackswarm/acceptance/fleet"
	"github.com/rackswarm/rackswarm/core/api"
)

// An agent takes over what version 0.1.0 left: nothing that stands or is staged
// is fetched again, sources are served, and all objects are those that were.
// Moved, the files are not those that the state directory remembers, so that
// their content has to be hashed.
func TestUpgrade(t *testing.T) {
	for _, name := range []string{"in place", "moved"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			needRoot(t) // the files in the archive belong to root
			f := fleet.New(t, fleet.Options{Nodes: []fleet.Node{
				{Name: "db-a", Location: "ams1/r1"}, {Name: "db-b", Location: "ams1/r1"},
			}})
			old := unpackState(t, f)
			if name == "in place" {
				old.restamp()
			}
			stood := inodesOf(t, f.Agent("db-b").Path(filepath.Join(f.Root, "done")))
			for _, a := range f.Agents() {
				a.Configure(map[string]any{"trust": []string{filepath.Join(f.PKI, "old", "publisher.pub")}})
				a.Start()
			}
			f.WaitRegistered()
			must(t, syscall.Chmod(filepath.Join(old.source, "streamed"), 0o416)) // as it was streamed
			old.wantTakenOver(stood)
		})
	}
}

// A state directory that a later version wrote is not touched.
func TestUpgradeFromTheFuture(t *testing.T) {
	t.Parallel()
	f := fleet.New(t, fleet.Options{Nodes: fleet.Racks("ams1/r1", 1)})
	a := f.Agents()[0]
	write(t, filepath.Join(a.StateDir, "format"), "99\n")
	write(t, filepath.Join(a.StateDir, "reconcile", "sources.json"), "in words of the future")
	before, err := fingerprint(a.StateDir)
	must(t, err)
	out, err := command(fleet.Binary(t, "agent"), "agent", "--config", a.Config)
	if err == nil {
		t.Fatalf("it ran: %s", out)
	}
	for _, part := range []string{a.StateDir, "format 99", "later version", "Fix: "} {
		if !strings.Contains(string(out), part) {
			t.Errorf("%q is not in the error:\n%s", part, out)
		}
	}
	after, err := fingerprint(a.StateDir)
	must(t, err)
	if fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("the directory was %v and is %v", before, after)
	}
}

// What the archive says of itself. It was made with two agents, db-a with the
// embedded store and db-b, below /srv/upgrade. Both held the distribution
// "done"; db-b was killed while it fetched "big" from db-a. The artifacts
// "unused", published in place, and "streamed" were not distributed.
const (
	oldTop     = "/srv/upgrade"
	oldDone    = 1540548 // bytes of "done", which db-b got from db-a
	oldBig     = 8 << 20 // bytes of "big"
	oldBigHave = 28      // spans of it that db-b had
	oldSpan    = 128 << 10
)

// oldState is a state of version 0.1.0 that was unpacked for a fleet.
type oldState struct {
	*testing.T
	f      *fleet.Fleet
	source string // the directory of the sources
	files  []string
}

func unpackState(t *testing.T, f *fleet.Fleet) *oldState {
	t.Helper()
	s := &oldState{T: t, f: f, source: filepath.Join(t.TempDir(), "src")}
	archive, err := os.Open(filepath.Join("testdata", "state-0.1.0.tar.gz"))
	must(t, err)
	defer archive.Close()
	plain, err := gzip.NewReader(archive)
	must(t, err)
	entries := tar.NewReader(plain)
	var dirs []*tar.Header
	for {
		h, err := entries.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		must(t, err)
		h.Name = s.place(h.Name)
		s.unpack(h, entries)
		if h.Typeflag == tar.TypeDir {
			dirs = append(dirs, h)
		}
	}
	for _, h := range dirs { // last, as what is put into them changes their times
		must(t, os.Chmod(h.Name, h.FileInfo().Mode()))
		must(t, os.Chtimes(h.Name, h.ModTime, h.ModTime))
	}
	return s
}

// place is where an entry of the archive belongs here.
func (s *oldState) place(name string) string {
	for old, here := range map[string]string{
		"a/state": s.f.Agent("db-a").StateDir, "a/srv": s.f.Agent("db-a").Root,
		"b/state": s.f.Agent("db-b").StateDir, "b/srv": s.f.Agent("db-b").Root,
		"src": s.source, "pki": filepath.Join(s.f.PKI, "old"),
	} {
		if rest, ok := strings.CutPrefix(name, old+"/"); ok {
			return filepath.Join(here, s.rewrite(rest))
		}
	}
	s.Fatalf("%s is not expected in the archive", name)
	return ""
}

// rewrite puts the paths of this test in the place of those of the archive, also
// where they were hashed into names.
func (s *oldState) rewrite(text string) string {
	sum := func(path string) []byte {
		h := sha256.Sum256([]byte(path))
		return h[:]
	}
	pairs := []string{
		oldTop + "/srv", s.f.Root, oldTop + "/src", s.source, oldTop + "/a/state", s.f.Agent("db-a").StateDir,
	}
	for _, name := range []string{"done", "big"} {
		at := func(top string) string { return name + "@" + hex.EncodeToString(sum(top + "/" + name)[:4]) }
		pairs = append(pairs, at(oldTop+"/srv"), at(s.f.Root))
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

func (s *oldState) unpack(h *tar.Header, content io.Reader) {
	s.Helper()
	must(s.T, os.MkdirAll(filepath.Dir(h.Name), 0o755))
	switch h.Typeflag {
	case tar.TypeDir:
		must(s.T, os.MkdirAll(h.Name, 0o755))
	case tar.TypeSymlink:
		must(s.T, os.Symlink(h.Linkname, h.Name))
	case tar.TypeReg:
		data, err := io.ReadAll(content)
		must(s.T, err)
		if strings.HasSuffix(h.Name, ".json") {
			data = []byte(s.rewrite(string(data)))
		}
		must(s.T, os.WriteFile(h.Name, data, 0o600))
		must(s.T, syscall.Chmod(h.Name, uint32(h.Mode)))
		must(s.T, os.Chtimes(h.Name, h.ModTime, h.ModTime))
		s.files = append(s.files, h.Name)
	default:
		s.Fatalf("%s has type %c", h.Name, h.Typeflag)
	}
}

// oldStamp is how the indexes of version 0.1.0 tell files apart.
type oldStamp struct {
	Size  int64  `json:"s"`
	Mtime int64  `json:"m"`
	Ctime int64  `json:"c"`
	Inode uint64 `json:"i"`
}

// restamp makes the files that were unpacked those that the indexes and the
// progress record mean, as if they had always lain here.
func (s *oldState) restamp() {
	s.Helper()
	for _, name := range s.files {
		switch {
		case strings.Contains(name, "/state/placements/"), strings.Contains(name, "/state/sources/"):
			s.restampIndex(name)
		case filepath.Base(name) == "progress":
			s.restampRecord(name)
		}
	}
}

func (s *oldState) restampIndex(name string) {
	s.Helper()
	text, err := os.ReadFile(name)
	must(s.T, err)
	x := map[string]json.RawMessage{}
	must(s.T, json.Unmarshal(text, &x))
	var path, digest string
	var stamps []oldStamp
	must(s.T, json.Unmarshal(x["path"], &path))
	if x["files"] == nil {
		return // something is being staged
	}
	must(s.T, json.Unmarshal(x["digest"], &digest))
	must(s.T, json.Unmarshal(x["files"], &stamps))
	real := path
	for _, a := range s.f.Agents() {
		if strings.HasPrefix(name, a.StateDir) && strings.HasPrefix(path, s.f.Root+"/") {
			real = a.Path(path)
		}
	}
	s.restampFiles(real, stamps)
	if x["top"] != nil {
		x["top"] = fmt.Append(nil, statOf(s.T, real).Ino)
	}
	x["files"], err = json.Marshal(stamps)
	must(s.T, err)
	text, err = json.Marshal(x)
	must(s.T, err)
	must(s.T, os.WriteFile(name, text, 0o600))
	if strings.Contains(name, "/state/sources/") { // they are named by what they are about
		sum := sha256.Sum256([]byte(path + "\x00" + digest))
		must(s.T, os.Rename(name, filepath.Join(filepath.Dir(name), hex.EncodeToString(sum[:])+".json")))
	}
}

// restampFiles finds each stamp's file by size and time, and by the order of
// names, which both have, where these are alike.
func (s *oldState) restampFiles(top string, stamps []oldStamp) {
	s.Helper()
	byTime := map[[2]int64][]*syscall.Stat_t{}
	must(s.T, filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			st := statOf(s.T, path)
			key := [2]int64{st.Size, st.Mtim.Nano()}
			byTime[key] = append(byTime[key], st)
		}
		return err
	}))
	for i := range stamps {
		key := [2]int64{stamps[i].Size, stamps[i].Mtime}
		if len(byTime[key]) == 0 {
			s.Fatalf("no file below %s is that of stamp %+v", top, stamps[i])
		}
		stamps[i].Inode, stamps[i].Ctime = byTime[key][0].Ino, byTime[key][0].Ctim.Nano()
		byTime[key] = byTime[key][1:]
	}
}

// restampRecord puts the boot id and the inode of the staged tree into the
// progress record's header, and its sum.
func (s *oldState) restampRecord(name string) {
	s.Helper()
	b, err := os.ReadFile(name)
	must(s.T, err)
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	must(s.T, err)
	id, err := hex.DecodeString(strings.ReplaceAll(string(bytes.TrimSpace(boot)), "-", ""))
	must(s.T, err)
	copy(b[48:64], id)
	binary.LittleEndian.PutUint64(b[64:], statOf(s.T, filepath.Join(filepath.Dir(name), "tree")).Ino)
	binary.LittleEndian.PutUint32(b[80:], crc32.Checksum(b[:80], crc32.MakeTable(crc32.Castagnoli)))
	must(s.T, os.WriteFile(name, b, 0o600))
}

func statOf(t *testing.T, path string) *syscall.Stat_t {
	t.Helper()
	info, err := os.Lstat(path)
	must(t, err)
	return info.Sys().(*syscall.Stat_t)
}

// inodesOf tells whether files were put in the place of others.
func inodesOf(t *testing.T, top string) map[string]uint64 {
	t.Helper()
	inodes := map[string]uint64{}
	must(t, filepath.WalkDir(top, func(path string, _ fs.DirEntry, err error) error {
		inodes[path] = statOf(t, path).Ino
		return err
	}))
	return inodes
}

func (s *oldState) wantTakenOver(stood map[string]uint64) {
	t, f, b := s.T, s.f, s.f.Agent("db-b")
	t.Helper()
	awaitInstalled(t, f, "big")
	awaitInstalled(t, f, "done")
	for _, name := range []string{"big", "done"} {
		wantSame(t, filepath.Join(s.source, name), filepath.Join(f.Root, name), f.Agents()...)
		d := status(f, name).Distribution
		if d.Generation != 1 || d.CreatedAt.Year() != 2026 || d.Path != filepath.Join(f.Root, name) {
			t.Errorf("the distribution became %+v", d)
		}
	}
	if n := on(t, f, "done", b); received(n) != oldDone || n.Repaired != 0 || n.InstalledAt == nil {
		t.Errorf("what stood was touched: %+v", n)
	}
	if got := inodesOf(t, b.Path(filepath.Join(f.Root, "done"))); fmt.Sprint(got) != fmt.Sprint(stood) {
		t.Errorf("what stood has other inodes: %v instead of %v", got, stood)
	}
	missing := int64(oldBig - oldBigHave*oldSpan)
	if n := on(t, f, "big", b); received(n) > missing {
		t.Errorf("db-b got %d bytes where %d were missing", received(n), missing)
	}
	var list api.ArtifactList
	f.JSON(&list, "artifacts")
	for _, a := range list.Artifacts {
		if a.Name == "unused" || a.Name == "streamed" {
			dest := filepath.Join(f.Root, a.Name)
			f.CLI("distribute", a.Name, "--artifact", a.Digest, "--path", dest, "--node", b.Name, "--wait")
			wantSame(t, filepath.Join(s.source, a.Name), dest, b)
		}
	}
	if len(list.Artifacts) != 4 {
		t.Errorf("there are %d artifacts: %+v", len(list.Artifacts), list)
	}
}
