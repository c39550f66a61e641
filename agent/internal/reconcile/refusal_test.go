package reconcile

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/artifact"
)

func TestUntrustedPublisherIsRefusedBeforeAnythingIsFetched(t *testing.T) {
	f := newFleet(t)
	seed, web := f.add("seed"), f.add("web")
	m := seed.publish(bigFiles(1, "content"), "site", stranger)
	d := f.want(web.on("site", m.Digest().String()))
	e := web.untilFailed("site", api.CodeUntrusted)
	if want := recordOf(m).Publisher; !strings.Contains(e.Message, want) || e.Fix == "" {
		t.Errorf("error %+v does not name the publisher %s and a fix", e, want)
	}
	if web.swarm.joined(m.Digest()) {
		t.Error("the node joined the transfer of an artifact that it does not trust")
	}
	mustStand(t, web, d.Path, nil)

	signed := bigFiles(1, "content").manifest(t, "site", publisher)
	if err := f.store.PutArtifact(context.Background(), recordOf(signed)); err != nil {
		t.Fatal(err)
	}
	// The record is signed by a trusted publisher now, the manifest of the peer
	// is not: what was signed is the digest, which it has.
	d = f.want(d)
	web.untilInstalled(d)
	kept, err := web.storage.Manifest(m.Digest())
	if err != nil || kept.Verify(web.trust) != nil {
		t.Errorf("the manifest that others fetch from here: %v", errors.Join(err, kept.Verify(web.trust)))
	}
}

func TestConflictNamesTheOther(t *testing.T) {
	f := newFleet(t)
	seed, web := f.add("seed"), f.add("web")
	tree := bigFiles(1, "content")
	m := seed.publish(tree, "site", publisher)
	first := f.want(web.on("first", m.Digest().String()))
	web.untilInstalled(first)
	second := web.on("second", m.Digest().String())
	second.Path = filepath.Join(first.Path, "dir0")
	second = f.want(second)
	if e := web.untilFailed("second", api.CodeConflict); !strings.Contains(e.Message, "first") || e.Subject != second.Path {
		t.Errorf("error %+v does not name the other distribution and the path", e)
	}
	mustStand(t, web, first.Path, tree)
	f.deleteRecord("first")
	second.Path = web.path("second")
	web.untilInstalled(f.want(second))
}

func TestForeignContentStays(t *testing.T) {
	f := newFleet(t)
	seed, web := f.add("seed"), f.add("web")
	tree := bigFiles(2, "content")
	m := seed.publish(tree, "site", publisher)
	foreign := files{"precious": "not ours"}
	d := web.on("site", m.Digest().String())
	foreign.write(t, d.Path)
	d = f.want(d)
	web.untilFailed("site", api.CodeForeignContent)
	mustStand(t, web, d.Path, foreign)
	d.Overwrite = true
	d = f.want(d)
	web.untilInstalled(d)
	mustStand(t, web, d.Path, tree)
}

func TestOutsideRootsIsRefused(t *testing.T) {
	f := newFleet(t)
	seed, web := f.add("seed"), f.add("web")
	m := seed.publish(bigFiles(1, "content"), "site", publisher)
	d := web.on("site", m.Digest().String())
	d.Path = filepath.Join(t.TempDir(), "site")
	f.want(d)
	if e := web.untilFailed("site", api.CodeOutsideRoots); e.Fix == "" {
		t.Errorf("error %+v names no fix", e)
	}
	mustStand(t, web, d.Path, nil)
}

func TestNoSpaceIsSaidBeforeTheFirstByte(t *testing.T) {
	f := newFleet(t)
	seed, web := f.add("seed"), f.add("web")
	// Eight TiB: its manifest is on the node, so nothing has to be served.
	const pieces = 8 << 40 / artifact.MaxPieceLength
	b := artifact.NewBuilder("huge", artifact.KindFile, artifact.MaxPieceLength)
	layer := slices.Repeat([][32]byte{artifact.PieceHash(bytes.Repeat([]byte{1}, artifact.MaxPieceLength), artifact.MaxPieceLength, false)}, pieces)
	b.AddFile("huge", 0o644, 8<<40, layer)
	huge, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	huge = artifact.Sign(huge, publisher)
	if err := errors.Join(web.storage.SaveManifest(huge), f.store.PutArtifact(context.Background(), recordOf(huge))); err != nil {
		t.Fatal(err)
	}
	d := f.want(web.on("site", huge.Digest().String()))
	if e := web.untilFailed("site", api.CodeNoSpace); e.Fix == "" {
		t.Errorf("error %+v names no fix", e)
	}
	if _, err := os.Lstat(d.Path); !os.IsNotExist(err) {
		t.Errorf("something stands at the destination: %v", err)
	}
	// A smaller one is tried at once, not after the wait for space.
	tree := bigFiles(1, "small")
	d.Digest = seed.publish(tree, "site", publisher).Digest().String()
	web.untilInstalled(f.want(d))
}
