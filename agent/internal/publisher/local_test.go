package publisher_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/rackswarm/rackswarm/agent/internal/publisher"
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/client"
)

func TestPublishInPlace(t *testing.T) {
	b := newBench(t)
	path := program(t)
	a, err := b.Publish(t.Context(), api.PublishRequest{Source: path}, nil)
	must(t, err)
	content, err := os.ReadFile(path)
	must(t, err)
	sum := sha256.Sum256(content)
	if a.Name != "program" || a.Kind != "file" || a.SizeBytes != 300_000 || a.Files != 1 || a.Source != path ||
		a.Checksum != "sha256:"+hex.EncodeToString(sum[:]) || !reflect.DeepEqual(a.Seeds, []string{"web1"}) ||
		a.ManifestSize == 0 || a.PieceLength == 0 || a.CreatedAt.IsZero() {
		t.Errorf("%+v", a)
	}
	d, err := artifact.ParseDigest(a.Digest)
	must(t, err)
	signature, err := base64.StdEncoding.DecodeString(a.Signature)
	must(t, err)
	if a.Publisher != base64.StdEncoding.EncodeToString(b.public) || !artifact.VerifyDigest(d, b.public, signature) {
		t.Error("the signature does not verify")
	}
	if b.pathOf(a) != path || len(b.kept()) != 0 {
		t.Errorf("served from %s, kept %v", b.pathOf(a), b.kept())
	}
	again, err := b.Publish(t.Context(), api.PublishRequest{Source: path}, nil)
	must(t, err)
	if !reflect.DeepEqual(again, a) {
		t.Errorf("published again\n%+v\n%+v", again, a)
	}
	must(t, b.Unpublish(t.Context(), a.Digest))
	if _, err := os.Stat(path); err != nil || b.pathOf(a) != "" {
		t.Errorf("after Unpublish: %v, served from %q", err, b.pathOf(a))
	}
}

// What is served does not move on with a symbolic link.
func TestPublishThroughLink(t *testing.T) {
	b := newBench(t)
	dir := tree(t)
	link := filepath.Join(t.TempDir(), "current")
	must(t, os.Symlink(dir, link))
	a, err := b.Publish(t.Context(), api.PublishRequest{Source: link}, nil)
	must(t, err)
	if a.Name != "current" || b.pathOf(a) != dir {
		t.Errorf("%s served from %s", a.Name, b.pathOf(a))
	}
}

func TestPublishRefuses(t *testing.T) {
	b := newBench(t)
	path := program(t)
	here, err := client.Identify(path)
	must(t, err)
	other := func(change func(*api.SourceIdentity)) *api.SourceIdentity {
		id := here
		change(&id)
		return &id
	}
	socket := filepath.Join(t.TempDir(), "fifo")
	must(t, os.Symlink("/dev/null", socket))
	for _, c := range []struct {
		name string
		req  api.PublishRequest
		code string
	}{
		{"another boot", api.PublishRequest{Source: path, Expect: other(func(i *api.SourceIdentity) { i.BootID = "x" })}, api.CodeSourceNotLocal},
		{"another device", api.PublishRequest{Source: path, Expect: other(func(i *api.SourceIdentity) { i.Device++ })}, api.CodeSourceNotLocal},
		{"another inode", api.PublishRequest{Source: path, Expect: other(func(i *api.SourceIdentity) { i.Inode++ })}, api.CodeSourceNotLocal},
		{"not here", api.PublishRequest{Source: path + "x", Expect: &here}, api.CodeSourceNotLocal},
		{"not there", api.PublishRequest{Source: path + "x"}, api.CodeNotFound},
		{"a device", api.PublishRequest{Source: socket}, api.CodeSourceUnsuited},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := b.Publish(t.Context(), c.req, nil)
			wantCode(t, err, c.code)
		})
	}
	_, err = b.Publish(t.Context(), api.PublishRequest{Source: path, Expect: &here}, nil)
	must(t, err)
}

func TestWithoutKey(t *testing.T) {
	b := newBench(t)
	p, err := publisher.New(b.config(nil))
	must(t, err)
	_, err = p.Publish(t.Context(), api.PublishRequest{Source: "/"}, nil)
	wantCode(t, err, api.CodeCannotPublish)
	_, err = p.Receive(t.Context(), api.StreamRequest{Name: "x", Kind: "file"}, strings.NewReader("x"), nil)
	wantCode(t, err, api.CodeCannotPublish)
}
