package publisher_test

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rackswarm/rackswarm/agent/internal/publisher"
	"github.com/rackswarm/rackswarm/core/api"
)

// open lays out a directory that is open to the nodes, and one that is not.
func open(b *bench) (root, secret string) {
	b.Helper()
	root, secret = filepath.Join(b.TempDir(), "open"), filepath.Join(b.TempDir(), "secret")
	must(b.T, os.MkdirAll(filepath.Join(root, "v2", "bin"), 0o755))
	must(b.T, os.MkdirAll(secret, 0o755))
	must(b.T, os.WriteFile(filepath.Join(root, "v2", "bin", "run"), []byte("run"), 0o755))
	must(b.T, os.WriteFile(filepath.Join(root, "image"), []byte("image"), 0o644))
	must(b.T, os.WriteFile(filepath.Join(secret, "shadow"), []byte("root:x"), 0o600))
	must(b.T, os.WriteFile(root+"-closed", []byte("closed"), 0o644))
	for link, target := range map[string]string{"current": "v2", "out": secret, "up": "../" + filepath.Base(secret), "v2/out": secret, "file-out": secret + "/shadow", "absolute": root + "/image"} {
		must(b.T, os.Symlink(target, filepath.Join(root, link)))
	}
	must(b.T, unix.Mkfifo(filepath.Join(root, "fifo"), 0o600))
	b.roots = []string{root}
	b.restart()
	return root, secret
}

func TestPublishForNode(t *testing.T) {
	b := newBench(t)
	root, secret := open(b)
	for _, c := range []struct {
		path, real string // real is "" for an error
		code       string
	}{
		{root + "/image", root + "/image", ""},
		{root + "/v2/../image", root + "/image", ""},
		{root + "/v2", root + "/v2", ""},
		{root + "/current", root + "/v2", ""},
		{root + "/current/bin/run", root + "/v2/bin/run", ""},
		{root + "/none", "", api.CodeNotFound},
		{root + "/image/below", "", api.CodeIO},
		{root + "/out/shadow", "", api.CodeForbidden},
		{root + "/out", "", api.CodeForbidden},
		{root + "/up", "", api.CodeForbidden},
		{root + "/file-out", "", api.CodeForbidden},
		{root + "/absolute", "", api.CodeForbidden}, // it might lead elsewhere the next time
		{root + "/v2/out/shadow", "", api.CodeForbidden},
		{root + "/../secret/shadow", "", api.CodeForbidden},
		{root + "-closed", "", api.CodeForbidden},
		{secret + "/shadow", "", api.CodeForbidden},
		{secret + "/none", "", api.CodeForbidden}, // whether it is there is nobody's business
		{"/etc/shadow", "", api.CodeForbidden},
		{filepath.Dir(root), "", api.CodeForbidden},
		{root + "/fifo", "", api.CodeSourceUnsuited},
		{"https://127.0.0.1:1/x", "", api.CodeInvalid},
		{"node://web1" + root + "/image", "", api.CodeInvalid},
	} {
		t.Run(strings.TrimPrefix(c.path, root), func(t *testing.T) {
			a, err := b.PublishForNode(t.Context(), api.PublishRequest{Source: c.path}, nil)
			state, looked := b.InspectForNode(t.Context(), api.PublishRequest{Source: c.path})
			if c.real == "" {
				wantCode(t, err, c.code)
				wantCode(t, looked, c.code)
				return
			}
			must(t, err)
			must(t, looked)
			if a.Name != filepath.Base(c.path) || a.Source != c.real || b.pathOf(a) != c.real || a.SourceVersion == "" ||
				state != (api.SourceState{Source: a.Source, Version: a.SourceVersion, SizeBytes: a.SizeBytes}) {
				t.Errorf("%+v, inspected %+v", a, state)
			}
		})
	}
}

func TestNothingIsOpenByDefault(t *testing.T) {
	b := newBench(t)
	path := program(t)
	_, err := b.PublishForNode(t.Context(), api.PublishRequest{Source: path}, nil)
	wantCode(t, err, api.CodeForbidden)
	if !strings.Contains(err.Error(), "publish.roots in the configuration of node web1") {
		t.Error(err)
	}
	// To an operator, all of the machine is open, by whatever name.
	a, err := b.Publish(t.Context(), api.PublishRequest{Source: "node://web1" + path}, nil)
	must(t, err)
	state, err := b.Inspect(t.Context(), api.PublishRequest{Source: "node://web1" + path})
	must(t, err)
	if a.Source != path || a.SourceVersion == "" || a.SourceVersion != state.Version {
		t.Errorf("%+v, inspected %+v", a, state)
	}
	must(t, os.WriteFile(path, []byte("changed"), 0o755))
	if state, err = b.Inspect(t.Context(), api.PublishRequest{Source: "node://web1" + path}); err != nil || state.Version == a.SourceVersion {
		t.Errorf("after a change: %+v, %v", state, err)
	}
}

func TestNodesThatCannotBeAsked(t *testing.T) {
	b := newBench(t)
	for name, n := range map[string]api.Node{"web2": {APIAddr: "127.0.0.1:1"}, "web3": {}, "web4": {APIAddr: "127.0.0.1:1"}} {
		n.Name = name
		must(t, b.store.PutNode(t.Context(), n, time.Hour))
	}
	must(t, b.store.RemoveNode(t.Context(), "web4"))
	for _, c := range []struct {
		node, code, says string
		plain            bool
	}{
		{"web9", api.CodeNotFound, "no such node", false},
		{"web4", api.CodeSourceDown, "is down", false},
		{"web3", api.CodeSourceDown, "set api.listen in the configuration of node web3", false},
		{"web2", api.CodeSourceDown, "connection refused", false},
		{"web2", api.CodeSourceDown, "tls.enabled", true},
	} {
		cfg := b.config(nil) // who passes a request on needs no key
		if !c.plain {
			cfg.NodeTLS = func(string) *tls.Config { return &tls.Config{MinVersion: tls.VersionTLS13} }
		}
		p, err := publisher.New(cfg)
		must(t, err)
		source := "node://" + c.node + "/srv/x"
		_, err = p.Publish(t.Context(), api.PublishRequest{Source: source}, nil)
		wantCode(t, err, c.code)
		_, looked := p.Inspect(t.Context(), api.PublishRequest{Source: source})
		wantCode(t, looked, c.code)
		for _, word := range []string{source, c.node, c.says} {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("%q is not in %v", word, err)
			}
		}
	}
}
