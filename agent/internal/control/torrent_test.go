package control_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/rackswarm/rackswarm/agent/internal/control"
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/artifact"
)

func TestTorrentIsTheKeptManifest(t *testing.T) {
	held, manifest := artifact.Digest{7}, []byte("d4:infode")
	f := serve(t, func(c *control.Config) {
		c.Torrent = func(d artifact.Digest) ([]byte, error) {
			if d != held {
				return nil, &api.Error{Code: api.CodeNotFound, Subject: d.String(), Message: "not kept"}
			}
			return manifest, nil
		}
	})
	var got bytes.Buffer
	if err := f.client.Torrent(f.ctx, held.String(), &got); err != nil || !bytes.Equal(got.Bytes(), manifest) {
		t.Errorf("got %q, %v", got.Bytes(), err)
	}

	elsewhere, unknown := artifact.Digest{8}, artifact.Digest{9}
	a := api.Artifact{Digest: elsewhere.String(), Name: "x", Kind: "file", Seeds: []string{"web2"}, Publisher: "p", Signature: "s"}
	if err := f.store.PutArtifact(f.ctx, a); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ digest, code, says string }{
		{elsewhere.String(), api.CodeNotFound, "published on web2"},
		{unknown.String(), api.CodeNotFound, "no such artifact"},
		{"sha256:7", api.CodeInvalid, "64 lowercase"},
	} {
		err := f.client.Torrent(f.ctx, c.digest, &got)
		var e *api.Error
		if !errors.As(err, &e) || e.Code != c.code || !strings.Contains(e.Message+e.Fix, c.says) {
			t.Errorf("%s: %v; want %s, %q", c.digest, err, c.code, c.says)
		}
	}
}
