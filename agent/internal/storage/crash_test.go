package storage

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rackswarm/rackswarm/core/api"
)

// crash ends a placement as the end of its process would: locks and files are
// closed and nothing is tidied up.
func crash(p *Placement) { p.reset() }

// before brings a destination into a state that an installation starts from.
type before struct {
	name string
	make func(b *box, r *Request)
	old  func(string) string // says what is wrong with the previous content
}

func beginnings(make func(uint64) sample) []before {
	absent := func(at string) string {
		if _, err := os.Lstat(at); err == nil {
			return "something stands there"
		}
		return ""
	}
	old := func(at string) string { return make(1).differs(at) }
	return []before{
		{"nothing", func(*box, *Request) {}, absent},
		{"old version", func(b *box, _ *Request) { crash(b.install(b.request(make(1)), make(1))) }, old},
		{"foreign", func(b *box, r *Request) { make(1).write(b.t, r.Path); r.Overwrite = true }, old},
	}
}

// The process dies after each step of an installation. At that moment either
// the old or the new content stands whole; and a new process finishes the work.
func TestCrashBetweenSteps(t *testing.T) {
	both(t, func(t *testing.T, make func(uint64) sample) {
		for _, start := range beginnings(make) {
			for n := range len((&swap{}).steps()) + 1 {
				t.Run(fmt.Sprintf("%s/%d", start.name, n), func(t *testing.T) {
					t.Parallel()
					b := memoryBox(t)
					r := b.request(make(2))
					start.make(b, &r)
					p := b.prepare(r)
					fill(t, p, make(2))
					_, err := p.freeze()
					must(t, err)
					steps := (&swap{p: p}).steps()
					must(t, p.runSteps(t.Context(), steps[:n]))
					crash(p)
					if start.old(r.Path) != "" && make(2).differs(r.Path) != "" {
						t.Fatalf("neither the old content (%s) nor the new (%s)", start.old(r.Path), make(2).differs(r.Path))
					}
					b.finishAfterCrash(r, make(2), 0)
					if start.name == "foreign" {
						if d := make(1).differs(r.Path + keptSuffix); d != "" {
							t.Fatal("foreign content is lost:", d)
						}
					}
				})
			}
		}
	})
}

// finishAfterCrash is the next process. It fetches at most so many spans.
func (b *box) finishAfterCrash(r Request, s sample, fetch int) {
	b.t.Helper()
	b.restart()
	p := b.prepare(r)
	if n := fill(b.t, p, s); n > fetch {
		b.t.Fatalf("%d spans were fetched again", n)
	}
	must(b.t, p.Install(b.t.Context()))
	b.same(p, s)
	p.Close()
	b.restart()
	b.same(b.prepare(r), s)
}

func TestCrashBetweenRepairSteps(t *testing.T) {
	for n := range len((&repair{}).steps()) + 1 {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			b := newBox(t)
			r := b.request(site(1))
			p := b.install(r, site(1))
			must(t, os.Remove(b.path("site/VERSION")))
			forge(t, b.path("site/big.db"))
			_, err := p.Check(t.Context(), false)
			must(t, err)
			fill(t, p, site(1))
			_, err = p.freeze()
			must(t, err)
			must(t, p.runSteps(t.Context(), (&repair{p: p}).steps()[:n]))
			crash(p)
			b.finishAfterCrash(r, site(1), 0)
		})
	}
}

func TestCrashDuringRemoval(t *testing.T) {
	b := newBox(t)
	r := b.request(site(1))
	crash(b.install(r, site(1)))
	p := b.open(r)
	_, err := p.arrive()
	must(t, err)
	s, err := p.openStaging(true)
	must(t, err)
	must(t, p.takeAway(s))
	s.close()
	crash(p)
	b.restart()
	list, err := b.m.Placements()
	must(t, err)
	if len(list) != 1 || list[0].Installed {
		t.Fatalf("%+v", list)
	}
	p, err = b.m.Reopen("web")
	must(t, err)
	must(t, p.Remove(t.Context()))
	b.clean()
	if list, _ := b.m.Placements(); len(list) != 0 {
		t.Fatalf("%+v", list)
	}
}

const crashRoot, crashState = "RACKSWARM_CRASH_ROOT", "RACKSWARM_CRASH_STATE"

// TestKillChild is the process that TestKill kills: it puts versions of a tree
// in place one after the other, for ever.
func TestKillChild(t *testing.T) {
	root := os.Getenv(crashRoot)
	if root == "" {
		return // this is not the child
	}
	b := &box{t: t, root: root, state: os.Getenv(crashState)}
	b.restart()
	fmt.Println("ready")
	for v := uint64(0); ; v++ {
		p := b.prepare(b.request(site(v % 2)))
		fill(t, p, site(v%2))
		must(t, p.Install(t.Context()))
		p.Close()
	}
}

// TestKill kills a process with SIGKILL at any moment, again and again on the
// same directories. Once a version stands, one always does.
func TestKill(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.install(b.request(site(0)), site(0)).Close()
	for range 10 {
		b.killChild(time.Duration(rand.IntN(200_000)) * time.Microsecond)
		if a, c := site(0).differs(b.path("site")), site(1).differs(b.path("site")); a != "" && c != "" {
			t.Fatalf("no whole version stands: %s; %s", a, c)
		}
	}
	b.finishAfterCrash(b.request(site(5)), site(5), 1000)
}

func (b *box) killChild(after time.Duration) {
	b.t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestKillChild$")
	cmd.Env = append(os.Environ(), crashRoot+"="+b.root, crashState+"="+b.state)
	out, err := cmd.StdoutPipe()
	must(b.t, err)
	must(b.t, cmd.Start())
	lines := bufio.NewReader(out)
	if line, err := lines.ReadString('\n'); line != "ready\n" {
		b.t.Fatalf("the child says %q (%v)", line, err)
	}
	time.Sleep(after)
	must(b.t, cmd.Process.Kill())
	rest, _ := io.ReadAll(lines)
	cmd.Wait()
	if len(rest) > 0 {
		b.t.Fatalf("the child failed: %s", rest)
	}
}

// Spans are written, processes die, machines reboot, records are damaged, the
// wanted version changes: what Have claims is on disk, and what was recorded is
// not lost by a mere crash.
func TestHaveIsTrue(t *testing.T) {
	t.Parallel()
	versions := []sample{site(1), site(2)}
	rapid.Check(t, func(rt *rapid.T) {
		b := memoryBox(t)
		defer os.RemoveAll(b.root)
		defer os.RemoveAll(b.state)
		version := 0
		recorded := map[int]bool{}
		p := b.prepare(b.request(versions[0]))
		reopen := func() {
			crash(p)
			boot := b.m.boot
			b.restart()
			b.m.boot = boot
		}
		verify := func() {
			have := p.Have()
			for i := have.NextSet(0); i >= 0; i = have.NextSet(i + 1) {
				data := make([]byte, p.mf.Span(i).Length)
				must(t, p.ReadAt(i, 0, data))
				must(t, p.verifySpan(i, data))
			}
			for i := range recorded {
				if !have.Has(i) {
					rt.Fatalf("span %d is lost", i)
				}
			}
		}
		for range rapid.IntRange(1, 12).Draw(rt, "actions") {
			switch rapid.SampledFrom([]string{"write", "write", "write", "tear", "crash", "reboot", "damage", "record", "version"}).Draw(rt, "action") {
			case "write":
				i := rapid.IntRange(0, p.mf.NumSpans()-1).Draw(rt, "span")
				must(t, p.WriteSpan(i, versions[version].span(p.mf, i)))
				recorded[i] = true
			case "tear": // the data is written in part, and then the process dies
				i := rapid.IntRange(0, p.mf.NumSpans()-1).Draw(rt, "span")
				if !p.has(i) {
					data := versions[version].span(p.mf, i)
					clear(data[len(data)/2:])
					must(t, p.stageSpan(i, data))
				}
				reopen()
				p = b.prepare(b.request(versions[version]))
			case "crash":
				reopen()
				p = b.prepare(b.request(versions[version]))
			case "reboot":
				reopen()
				b.m.boot[0]++
				p = b.prepare(b.request(versions[version]))
			case "damage": // a power failure: recorded bytes never reached the disk
				file := rapid.IntRange(0, len(p.mf.Files())-1).Draw(rt, "file")
				if c := p.stage.content; c.look(file) != nil && p.mf.Files()[file].Length > 0 {
					must(t, os.WriteFile(b.path(p.stage.name+"/tree/"+c.path(file)), make([]byte, p.mf.Files()[file].Length), 0o600))
					first, last, _ := p.mf.SpansOfFile(file)
					for s := first; s <= last; s++ {
						delete(recorded, s)
					}
				}
				reopen()
				b.m.boot[0]++
				p = b.prepare(b.request(versions[version]))
			case "record":
				name := b.path(p.stage.name + "/" + recordName)
				data, err := os.ReadFile(name)
				must(t, err)
				at := rapid.IntRange(0, len(data)-1).Draw(rt, "at")
				switch rapid.IntRange(0, 2).Draw(rt, "how") {
				case 0:
					data = data[:at]
				case 1:
					data[at] ^= 0x55
				case 2:
					data = nil
				}
				must(t, os.WriteFile(name, data, 0o600))
				reopen()
				p = b.prepare(b.request(versions[version]))
			case "version":
				reopen()
				version = 1 - version
				clear(recorded)
				p = b.prepare(b.request(versions[version]))
			}
			verify()
		}
		fill(t, p, versions[version])
		must(t, p.Install(t.Context()))
		b.same(p, versions[version])
		p.Close()
	})
}

// A staging of another version is a source, and then goes.
func TestAbandonedStagingIsReused(t *testing.T) {
	b := newBox(t)
	p := b.prepare(b.request(site(1)))
	fill(t, p, site(1))
	crash(p)
	b.restart()
	p = b.prepare(b.request(site(2)))
	if n := fill(t, p, site(2)); n > 5 {
		t.Fatalf("%d spans fetched", n)
	}
	if _, err := os.Stat(b.path(p.stage.name + "/" + shelfName)); err == nil {
		t.Fatal("the abandoned staging is still there")
	}
	must(t, p.Install(t.Context()))
	b.same(p, site(2))
}

// The record is right about what it was written for; that is no longer there.
func TestStagingLosesContent(t *testing.T) {
	for name, spoil := range map[string]func(tree string) error{
		"file removed":   func(tree string) error { return os.Remove(tree + "/big.db") },
		"file truncated": func(tree string) error { return os.Truncate(tree+"/bin/tool", 7) },
		"another tree": func(tree string) error {
			cp := exec.Command("cp", "-r", tree, tree+"2")
			return errors.Join(cp.Run(), os.RemoveAll(tree), os.Rename(tree+"2", tree), os.WriteFile(tree+"/VERSION", []byte("v0\n"), 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBox(t)
			p := b.prepare(b.request(site(1)))
			all := fill(t, p, site(1))
			crash(p)
			must(t, spoil(b.path(".rackswarm-web/tree")))
			b.restart()
			p = b.prepare(b.request(site(1)))
			readAll(t, p, site(1))
			if n := fill(t, p, site(1)); n == 0 || n == all {
				t.Fatalf("%d of %d spans were fetched again", n, all)
			}
			must(t, p.Install(t.Context()))
			b.same(p, site(1))
		})
	}
}

// What lies where staged content belongs is not written through.
func TestUnsuitedStaging(t *testing.T) {
	for name, put := range map[string]func(at string) error{
		"link":       func(at string) error { return os.Symlink("../precious", at) },
		"other name": func(at string) error { return os.Link(filepath.Dir(filepath.Dir(at))+"/precious", at) },
		"fifo":       func(at string) error { return syscall.Mkfifo(at, 0o600) },
		"directory":  func(at string) error { return os.Mkdir(at, 0o700) },
	} {
		t.Run(name, func(t *testing.T) {
			both(t, func(t *testing.T, make func(uint64) sample) {
				b := newBox(t)
				must(t, os.WriteFile(b.path("precious"), []byte("precious"), 0o600))
				must(t, os.Mkdir(b.path(".rackswarm-web"), 0o700))
				must(t, put(b.path(".rackswarm-web/"+stagedName(make(1).kind))))
				b.install(b.request(make(1)), make(1))
				if got, err := os.ReadFile(b.path("precious")); err != nil || string(got) != "precious" {
					t.Fatal("a file outside the staging was written to")
				}
			})
		})
	}
}

// Somebody else could change what is verified before it is installed.
func TestForeignStagingIsRefused(t *testing.T) {
	b := newBox(t)
	must(t, os.Mkdir(b.path(".rackswarm-web"), 0o777))
	must(t, os.Chmod(b.path(".rackswarm-web"), 0o777))
	e := wantCode(t, b.open(b.request(site(1))).Prepare(t.Context(), nil), api.CodeConflict)
	if e.Subject != b.path(".rackswarm-web") {
		t.Fatalf("%+v", e)
	}
}

// A staged tree that the record is not of may hold anything: links, files with
// other names elsewhere, more than the artifact.
func TestUnknownStagingIsPurged(t *testing.T) {
	b := newBox(t)
	precious := b.path("precious")
	must(t, os.WriteFile(precious, blob(5, testPieceLength), 0o600))
	tree := b.path(".rackswarm-web/tree")
	must(t, os.Mkdir(b.path(".rackswarm-web"), 0o700))
	must(t, os.MkdirAll(tree+"/bin", 0o700))
	must(t, os.MkdirAll(tree+"/VERSION", 0o700))
	must(t, os.Link(precious, tree+"/bin/tool"))
	must(t, os.Symlink(precious, tree+"/big.db"))
	must(t, os.WriteFile(tree+"/extra", nil, 0o600))
	b.install(b.request(site(1)), site(1))
	if got, err := os.ReadFile(precious); err != nil || string(got) != string(blob(5, testPieceLength)) {
		t.Fatal("a file outside the staging was written to")
	}
}
