package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
)

func TestVerify(t *testing.T) {
	f := watched(t)
	f.report("site", "web2", api.PhaseInstalled)
	if d := decode[api.Distribution](f, f.ok("verify", "site", "--json")); d.VerifyGeneration != 1 {
		t.Errorf("got %+v", d)
	}
	c := f.start("verify", "site", "--wait")
	f.eventually("a second verification", func() bool { return f.distribution("site").VerifyGeneration == 2 })
	// Content that stands is not enough: it must have been hashed since.
	f.report("site", "web1", api.PhaseInstalled, func(s *api.NodeStatus) { s.Verified = 1 })
	f.report("site", "web2", api.PhaseInstalled)
	f.says(c, "web2 ams1/r1: installed")
	select {
	case code := <-c.ended:
		t.Fatalf("ended with %d before web1 has verified", code)
	default:
	}
	f.report("site", "web1", api.PhaseInstalled)
	if r := f.wait(c); r.code != exitOK {
		t.Errorf("got %+v", r)
	}
	f.fails(exitFailed, []string{"nothing"}, "verify", "nothing")
}

func TestRemoveAndRetain(t *testing.T) {
	f := watched(t)
	f.ok("rm", "site")
	f.fails(exitFailed, []string{"site"}, "status", "site")
	f.fails(exitFailed, []string{"site"}, "rm", "site")
}

func TestRemoveContentAndWait(t *testing.T) {
	f := watched(t)
	c := f.start("rm", "site", "--content=remove", "--wait", "--json")
	f.eventually("the removal", func() bool { return f.distribution("site").State == api.StateAbsent })
	f.report("site", "web1", api.PhaseRemoved)
	f.report("site", "web2", api.PhaseRemoved)
	r := f.wait(c)
	if got := decode[removal](f, r.out); r.code != exitOK || got.Subject != "site" || got.Outcome != "removed" || len(got.Down) != 0 {
		t.Errorf("got %+v", r)
	}
}

func TestRemovalNamesNodesThatWereDown(t *testing.T) {
	st := api.Status{Nodes: []api.NodeStatus{
		{Node: "web1", Phase: api.PhaseRemoved},
		{Node: "web2", Phase: api.PhaseInstalled, Unreachable: true},
		{Node: "web3", Phase: api.PhaseRemoved, Unreachable: true},
	}}
	var out strings.Builder
	r := &run{App: App{Stdout: &out}}
	if err := r.removedBut("site", down(st)); err != nil || out.String() != "site: removed\nDown, what is there stays: web2\n" {
		t.Errorf("got %q, %v", out.String(), err)
	}
}

func TestRemoveTimesOut(t *testing.T) {
	f := watched(t)
	c := f.start("rm", "site", "--content=remove", "--wait", "--timeout=2s")
	f.eventually("the removal", func() bool { return f.distribution("site").State == api.StateAbsent })
	f.report("site", "web1", api.PhaseRemoved)
	f.failed(f.wait(c), exitPartial, "1 of 2 nodes are done")
}

func TestRemoveArtifactsAndNodes(t *testing.T) {
	f := watched(t)
	digest := f.distribution("site").Digest
	f.fails(exitFailed, []string{digest}, "rm", "--artifact", digest)
	f.ok("rm", "site")
	f.ok("rm", "--artifact", digest)
	f.fails(exitFailed, []string{digest}, "rm", "--artifact", digest)

	f.fails(exitFailed, []string{"web1"}, "rm", "--node", "web1")
	f.must(f.store.RemoveNode(t.Context(), "web1"))
	f.ok("rm", "--node", "web1")
	if out := f.ok("nodes"); strings.Contains(out, "web1") {
		t.Errorf("web1 is not forgotten:\n%s", out)
	}
}

func TestRemoveUsage(t *testing.T) {
	f := newFleet(t)
	for _, args := range []string{"", "a b", "a --artifact d", "--artifact d --node n", "a --content=burn"} {
		f.fails(exitUsage, nil, append([]string{"rm"}, strings.Fields(args)...)...)
	}
}

func TestPublish(t *testing.T) {
	f := newFleet(t)
	dir := filepath.Join(t.TempDir(), "local")
	f.must(os.Mkdir(dir, 0o755))
	here, away := filepath.Join(dir, "data"), filepath.Join(t.TempDir(), "data")
	for _, file := range []string{here, away} {
		f.must(os.WriteFile(file, []byte("content"), 0o600))
	}
	digest := digestOf([]byte("content"))

	served := decode[api.Artifact](f, f.ok("publish", here, "--json", "--piece-size", "1MiB"))
	if served.Digest != digest || served.Source != here || served.Name != "data" || served.PieceLength != 1<<20 {
		t.Errorf("published in place: %+v", served)
	}
	sent := decode[api.Artifact](f, f.ok("publish", away, "--json", "--name", "mine"))
	if sent.Digest != digest || sent.Source != "" || sent.Name != "mine" || sent.Kind != "file" {
		t.Errorf("published by sending: %+v", sent)
	}
	if out := f.ok("publish", away, "-q"); out != digest+"\n" {
		t.Errorf("quietly: %q", out)
	}
	if out := f.ok("publish", away); !strings.Contains(out, digest) || !strings.Contains(out, "data (file, 7 B)") {
		t.Errorf("for people: %q", out)
	}
}

func TestPublishErrors(t *testing.T) {
	f := newFleet(t)
	refused := filepath.Join(t.TempDir(), "refused")
	f.must(os.WriteFile(refused, nil, 0o600))
	for _, test := range []struct {
		code  int
		words string
		args  []string
	}{
		{exitUsage, "takes one ", nil},
		{exitUsage, "--piece-size", []string{"/etc/hostname", "--piece-size", "3MiB"}},
		{exitUsage, "--piece-size", []string{"/etc/hostname", "--piece-size", "big"}},
		{exitFailed, "/nonexistent", []string{"/nonexistent"}},
		{exitFailed, "/dev/null", []string{"/dev/null"}},
	} {
		f.fails(test.code, []string{test.words}, append([]string{"publish"}, test.args...)...)
	}
	if r := f.run("publish", refused); r.code != exitFailed || !strings.HasPrefix(r.errOut, "Error: ") {
		t.Errorf("got %+v", r)
	}
}

func TestPublishLinesSayHowFarItIs(t *testing.T) {
	var out strings.Builder
	now := noon
	l := &publishLines{w: &out, last: now}
	for _, done := range []int64{10, 20} {
		now = now.Add(lineInterval)
		l.now = func() time.Time { return now }
		l.show(api.Progress{Stage: "hashing", Done: done, Total: 40, Files: 2})
	}
	if want := "hashing: 25% of 40 B, 2 files\nhashing: 50% of 40 B, 2 files\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

func TestPublishBars(t *testing.T) {
	var out buffer
	b := &publishBar{bars: newBars(&out, 24)}
	b.show(api.Progress{Stage: "receiving", Done: 10, Total: 20})
	b.show(api.Progress{Stage: "receiving", Done: 20, Total: 20})
	b.show(api.Progress{Stage: "hashing", Done: 5, Total: 20, Files: 1})
	b.close(false)
	for _, want := range []string{"receiving", "100% of 20 B", "hashing", "25% of 20 B"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not drawn in:\n%s", want, out.String())
		}
	}
}
