package acceptance

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/rackswarm/rackswarm/acceptance/fleet"
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/store"
)

// A configuration that is wrong is refused with the place, the setting and the
// fix; so is what would have two agents in one place.
func TestBadConfiguration(t *testing.T) {
	t.Parallel()
	f := fleet.New(t, fleet.Options{Nodes: fleet.Racks("ams1/r1", 2)})
	a := f.Agents()[1]
	good, err := os.ReadFile(a.Config)
	must(t, err)
	other := filepath.Join(t.TempDir(), "pki")
	f.CLI("pki", "init", "--dir", other)
	f.CLI("pki", "issue", "--dir", other, "--role", "node", "--name", a.Name)
	pki := func(name string) string { return filepath.Join(f.PKI, name) }
	for name, c := range map[string]struct {
		change map[string]any
		parts  []string
	}{
		"unknown key":       {map[string]any{"node": map[string]any{"colour": "red"}}, []string{a.Config + ":", "colour"}},
		"unknown section":   {map[string]any{"nod": map[string]any{"name": "x"}}, []string{a.Config + ":", "nod", "node"}},
		"bad location":      {map[string]any{"node": map[string]any{"location": "ams1//rack 7"}}, []string{"node.location", "ams1//rack 7"}},
		"bad name":          {map[string]any{"node": map[string]any{"name": "web 17!"}}, []string{"node.name", "web 17!"}},
		"relative root":     {map[string]any{"roots": []string{"srv"}}, []string{"roots", "srv"}},
		"no root":           {map[string]any{"roots": nil}, []string{"roots"}},
		"bad limit":         {map[string]any{"limits": map[string]any{"upload": "fast"}}, []string{"limits.upload", "fast"}},
		"missing key file":  {map[string]any{"tls": map[string]any{"key": pki("absent.key")}}, []string{pki("absent.key")}},
		"key of another":    {map[string]any{"tls": map[string]any{"key": pki("operator.key")}}, []string{pki(a.Name + ".crt")}},
		"operator's":        {map[string]any{"tls": map[string]any{"cert": pki("operator.crt"), "key": pki("operator.key")}}, []string{"operator", a.Name}},
		"other node's":      {map[string]any{"tls": map[string]any{"cert": pki("ams1-r1-1.crt"), "key": pki("ams1-r1-1.key")}}, []string{"ams1-r1-1", a.Name}},
		"no publisher key":  {map[string]any{"trust": []string{pki("ca.key")}}, []string{pki("ca.key")}},
		"other authority's": {map[string]any{"tls": map[string]any{"cert": filepath.Join(other, a.Name+".crt"), "key": filepath.Join(other, a.Name+".key")}}, []string{a.Name + ".crt", "ca.crt"}},
	} {
		t.Run(name, func(t *testing.T) {
			must(t, os.WriteFile(a.Config, good, 0o600))
			a.Configure(c.change)
			r := f.TryCLI("agent", "--config", a.Config)
			wantError(t, r, c.parts...)
			if r.Code != 1 {
				t.Errorf("exit code %d", r.Code)
			}
		})
	}
	must(t, os.WriteFile(a.Config, good, 0o600))

	f.Agents()[0].Start()
	f.WaitRegistered()
	t.Run("a state directory for two", func(t *testing.T) {
		a.Configure(map[string]any{"state_dir": f.Agents()[0].StateDir})
		wantError(t, f.TryCLI("agent", "--config", a.Config), "state_dir", f.Agents()[0].StateDir)
	})
	must(t, os.WriteFile(a.Config, good, 0o600))
	t.Run("an address for two", func(t *testing.T) {
		a.Configure(map[string]any{"data": map[string]any{"listen": f.Agents()[0].DataAddr}})
		wantError(t, f.TryCLI("agent", "--config", a.Config), f.Agents()[0].DataAddr)
	})
	must(t, os.WriteFile(a.Config, good, 0o600))
	t.Run("a socket for two", func(t *testing.T) {
		a.Configure(map[string]any{"api": map[string]any{"socket": f.Agents()[0].Socket}})
		wantError(t, f.TryCLI("agent", "--config", a.Config), f.Agents()[0].Socket)
	})
	must(t, os.WriteFile(a.Config, good, 0o600))
	t.Run("a name for two", func(t *testing.T) {
		first := f.Agents()[0]
		a.Configure(map[string]any{
			"node": map[string]any{"name": first.Name},
			"tls":  map[string]any{"cert": pki(first.Name + ".crt"), "key": pki(first.Name + ".key")},
		})
		wantError(t, f.TryCLI("agent", "--config", a.Config), first.Name, first.DataAddr, "name of its own")
	})
	f.CLI("nodes") // the first agent does not mind
}

// What cannot be distributed as asked is refused, by the API at once where it
// can know, else by the nodes; nothing is written anywhere.
func TestBadDistributions(t *testing.T) {
	t.Parallel()
	f := fleet.Start(t, fleet.Options{Nodes: fleet.Racks("ams1/r1", 2)})
	src := filepath.Join(t.TempDir(), "site")
	random(t, filepath.Join(src, "file"), 100_000, 0o644)
	digest := strings.TrimSpace(f.CLI("publish", src, "--quiet"))
	dist := func(name, path string, more ...string) fleet.Result {
		return f.TryCLI(slices.Concat([]string{"distribute", name, "--artifact", digest, "--path", path, "--wait"}, more)...)
	}
	in := func(path string) string { return filepath.Join(f.Root, path) }

	wantError(t, dist("dots", f.Root+"/a/../b"), "path", "..")
	wantError(t, dist("relative", "srv/a"), "path", "srv/a")
	wantError(t, dist("nobody", in("a"), "--location", "esy"), "selector", "esy", "ams1/r1")
	wantError(t, dist("nobody", in("a"), "--node", "ams1-r1-9"), "selector", "ams1-r1-9")
	wantError(t, dist("nobody", in("a"), "--label", "role=web"), "selector", "role=web")
	wantError(t, dist("mode", in("a"), "--mode", "rwxr-x"), "mode", "rwxr-x")
	wantError(t, dist("outside", "/nowhere/x"), "/nowhere/x", "inside no allowed root of ams1-r1-1, ams1-r1-2", f.Root, "roots in agent.yaml")
	wantError(t, dist("the-root", f.Root), f.Root, "inside no allowed root")
	wantError(t, f.TryCLI("distribute", "unknown", "--artifact", "sha256:"+strings.Repeat("0", 64), "--path", in("a")), "sha256:000")
	wantError(t, f.TryCLI("distribute", "no-digest", "--artifact", "site", "--path", in("a")), "digest", "site")
	wantError(t, f.TryCLI("publish", filepath.Join(src, "absent")), filepath.Join(src, "absent"))
	must(t, syscall.Mkfifo(filepath.Join(src, "pipe"), 0o600))
	wantError(t, f.TryCLI("publish", src), filepath.Join(src, "pipe"))
	must(t, os.Remove(filepath.Join(src, "pipe")))

	outside := t.TempDir()
	for _, a := range f.Agents() {
		must(t, os.Symlink(outside, filepath.Join(a.Root, "way-out")))
		must(t, os.MkdirAll(filepath.Join(a.Root, "foreign"), 0o755))
		write(t, filepath.Join(a.Root, "foreign", "precious"), "not yours")
		write(t, filepath.Join(a.Root, "file"), "not a directory")
	}
	bad := map[string]struct{ path, code, subject string }{
		"link":      {in("way-out/x"), api.CodeOutsideRoots, "way-out"},
		"foreign":   {in("foreign"), api.CodeForeignContent, in("foreign")},
		"under-a":   {in("file/x"), "", "file"},
		"link-self": {in("way-out"), "", "way-out"},
	}
	for name, c := range bad {
		// Some paths lie inside others: so they are asked of different nodes.
		node := f.Agents()[0]
		if name == "link-self" {
			node = f.Agents()[1]
		}
		if r := f.TryCLI("distribute", name, "--artifact", digest, "--path", c.path, "--node", node.Name); r.Code != 0 {
			t.Fatalf("%s: exit code %d\n%s", name, r.Code, r.Stderr)
		}
		n := awaitOn(t, f, name, node, "refuses "+c.path, func(n api.NodeStatus) bool { return n.Phase == api.PhaseFailed })
		if n.Error == nil || c.code != "" && n.Error.Code != c.code ||
			!strings.Contains(n.Error.Subject, c.subject) || n.Error.Message == "" || n.Error.Fix == "" {
			t.Errorf("%s: node %s reports %s, %#v", name, n.Node, n.Phase, n.Error)
		}
		f.CLI("rm", name, "--content", "remove", "--wait")
	}
	wantNothing(t, outside)
	for _, a := range f.Agents() {
		if got, err := fingerprint(a.Root); err != nil || len(got) != 5 {
			t.Errorf("%s holds %v (%v)", a.Name, got, err)
		}
	}

	// Two distributions for one path, and one inside the other.
	if r := dist("first", in("apps/site")); r.Code != 0 {
		t.Fatal(r.Stderr)
	}
	wantError(t, dist("second", in("apps/site")), "path", in("apps/site"), "first")
	wantError(t, dist("below", in("apps/site/plugins")), "path", in("apps/site"), "first", "inside")
	wantError(t, dist("above", in("apps")), "path", in("apps/site"), "first", "contains")
	for _, a := range f.Agents() {
		if err := differs(src, a.Path(in("apps/site"))); err != nil {
			t.Error(err)
		}
	}
}

// Space is looked at before the first byte, and the version that stands counts.
func TestNoSpace(t *testing.T) {
	needRoot(t)
	t.Parallel()
	f := fleet.Start(t, fleet.Options{Nodes: fleet.Racks("ams1/r1", 2)})
	a := f.Agents()[1]
	disk := a.Path(filepath.Join(f.Root, "disk"))
	must(t, os.Mkdir(disk, 0o755))
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=8m"); err != nil {
		t.Skipf("needs the right to mount: %v", err)
	}
	t.Cleanup(func() {
		a.Stop()
		must(t, syscall.Unmount(disk, 0))
	})
	dest := filepath.Join(f.Root, "disk", "data")
	version := func(size int) string {
		src := filepath.Join(t.TempDir(), fmt.Sprint("v", size))
		random(t, filepath.Join(src, fmt.Sprint("file-", size)), size, 0o644)
		return src
	}
	full := func(src string) {
		t.Helper()
		var d api.Distribution
		f.JSON(&d, "distribute", "data", "--source", src, "--path", dest, "--node", a.Name)
		n := awaitOn(t, f, "data", a, "fails", func(n api.NodeStatus) bool {
			return n.Phase == api.PhaseFailed && n.Generation == d.Generation
		})
		if n.Error == nil || n.Error.Code != api.CodeNoSpace || !strings.Contains(n.Error.Subject, dest) || n.Error.Fix == "" {
			t.Errorf("the node reports %#v", n.Error)
		}
		if received(n) != 0 {
			t.Errorf("%d bytes were fetched for nothing", received(n))
		}
	}
	full(version(9 << 20))
	wantNothing(t, disk)
	first := version(5 << 20)
	f.CLI("distribute", "data", "--source", first, "--path", dest, "--node", a.Name, "--wait")
	full(version(5<<20 + 1))
	wantSame(t, first, dest, a)
	second := version(2 << 20)
	f.CLI("distribute", "data", "--source", second, "--path", dest, "--node", a.Name, "--wait")
	wantSame(t, second, dest, a)
}

// Nodes take only what a publisher signed whom they trust.
func TestUntrusted(t *testing.T) {
	t.Parallel()
	f := fleet.New(t, fleet.Options{Nodes: fleet.Racks("ams1/r1", 3), Redis: true})
	foreign := filepath.Join(t.TempDir(), "pki")
	f.CLI("pki", "init", "--dir", foreign)
	publisher, mute := f.Agents()[0], f.Agents()[2]
	publisher.Configure(map[string]any{"publish": map[string]any{"key": filepath.Join(foreign, "publisher.key")}})
	mute.Configure(map[string]any{"publish": nil})
	for _, a := range f.Agents() {
		a.Start()
	}
	f.WaitRegistered()
	src, dest := makeTree(t), filepath.Join(f.Root, "tree")

	wantError(t, f.TryCLI("publish", src, "--endpoint", mute.Endpoint()), "publish")

	r := f.TryCLI("distribute", "foreign", "--source", src, "--path", dest, "--wait")
	if r.Code != 1 {
		t.Errorf("exit code %d\n%s", r.Code, r.Stderr)
	}
	wantUntrusted(t, f, "foreign", dest)

	// The same artifact, its record without a signature.
	var list api.ArtifactList
	f.JSON(&list, "artifacts")
	unsigned := list.Artifacts[0]
	unsigned.Publisher, unsigned.Signature = "", ""
	s, err := store.Open(context.Background(), store.Config{URL: f.Redis.URL, Prefix: "rackswarm"})
	must(t, err)
	defer s.Close()
	must(t, s.PutArtifact(t.Context(), unsigned))
	f.CLI("rm", "foreign")
	f.CLI("distribute", "unsigned", "--artifact", unsigned.Digest, "--path", dest)
	wantUntrusted(t, f, "unsigned", dest)

	// A record that claims a trusted publisher does not help.
	other := filepath.Join(t.TempDir(), "other")
	write(t, other, "signed by a trusted one")
	f.CLI("publish", other, "--endpoint", f.Agents()[1].Endpoint())
	f.JSON(&list, "artifacts")
	for _, a := range list.Artifacts {
		if a.Digest != unsigned.Digest {
			unsigned.Publisher, unsigned.Signature = a.Publisher, a.Signature
		}
	}
	must(t, s.PutArtifact(t.Context(), unsigned))
	f.CLI("rm", "unsigned")
	f.CLI("distribute", "borrowed", "--artifact", unsigned.Digest, "--path", dest)
	wantUntrusted(t, f, "borrowed", dest)
}

func wantUntrusted(t *testing.T, f *fleet.Fleet, name, dest string) {
	t.Helper()
	for _, a := range f.Agents() {
		n := awaitOn(t, f, name, a, "refuses "+name, func(n api.NodeStatus) bool { return n.Phase == api.PhaseFailed })
		if n.Error == nil || n.Error.Code != api.CodeUntrusted || n.Error.Subject != n.Digest || n.Error.Fix == "" {
			t.Errorf("%s: node %s reports %s, %#v", name, n.Node, n.Phase, n.Error)
		}
		wantNothing(t, f.Agent(n.Node).Path(filepath.Dir(dest)))
	}
}

// What a certificate allows is what its role allows, and without one there is
// no answer.
func TestRoles(t *testing.T) {
	t.Parallel()
	f := fleet.Start(t, fleet.Options{Nodes: fleet.Racks("ams1/r1", 2)})
	src, dest := makeTree(t), filepath.Join(f.Root, "tree")
	f.CLI("distribute", "tree", "--source", src, "--path", dest, "--wait")
	foreign := filepath.Join(t.TempDir(), "pki")
	f.CLI("pki", "init", "--dir", foreign)
	f.CLI("pki", "issue", "--dir", foreign, "--role", "operator", "--name", "operator")
	as := func(dir, name string, args ...string) fleet.Result {
		file := func(s string) string { return filepath.Join(dir, s) }
		return f.TryCLI(append(args, "--endpoint", "https://"+f.Agents()[1].APIAddr,
			"--ca", filepath.Join(f.PKI, "ca.crt"), "--cert", file(name+".crt"), "--key", file(name+".key"))...)
	}
	for _, name := range []string{"reader", "ams1-r1-1"} {
		if r := as(f.PKI, name, "status", "tree"); r.Code != 0 {
			t.Errorf("%s may not read: %s", name, r.Stderr)
		}
		for _, args := range [][]string{
			{"rm", "tree"}, {"verify", "tree"}, {"publish", src}, {"rm", "--node", "ams1-r1-2"},
			{"distribute", "more", "--artifact", status(f, "tree").Distribution.Digest, "--path", dest + "2"},
		} {
			wantError(t, as(f.PKI, name, args...), "operator")
		}
	}
	if r := as(f.PKI, "operator", "verify", "tree", "--wait"); r.Code != 0 {
		t.Errorf("an operator may not write: %s", r.Stderr)
	}
	wantError(t, as(foreign, "operator", "status", "tree"), f.Agents()[1].APIAddr)
	wantError(t, f.TryCLI("status", "tree", "--endpoint", "https://"+f.Agents()[1].APIAddr), "cert")
	if got := status(f, "tree"); !got.Summary.Done || got.Distribution.State != api.StatePresent {
		t.Errorf("after all this the distribution is %+v", got)
	}
}
