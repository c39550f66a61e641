package publisher_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/rackswarm/rackswarm/agent/internal/publisher"
	"github.com/rackswarm/rackswarm/core/api"
)

func TestReceiveKeepsOneCopy(t *testing.T) {
	b := newBench(t)
	req := api.StreamRequest{Name: "motd", Kind: "file", Mode: 0o600}
	send := func() api.Artifact {
		t.Helper()
		a, err := b.Receive(t.Context(), req, strings.NewReader("hello\n"), nil)
		must(t, err)
		return a
	}
	a := send()
	if again := send(); !reflect.DeepEqual(a, again) {
		t.Errorf("sent again\n%+v\n%+v", again, a)
	}
	path := b.pathOf(a)
	text, err := os.ReadFile(path)
	must(t, err)
	info, err := os.Stat(path)
	must(t, err)
	if string(text) != "hello\n" || info.Mode().Perm() != 0o600 || a.Source != "" || len(b.kept()) != 1 {
		t.Errorf("%q with mode %v, source %q, kept %v", text, info.Mode(), a.Source, b.kept())
	}
	must(t, b.Unpublish(t.Context(), a.Digest))
	must(t, b.Unpublish(t.Context(), a.Digest))
	if len(b.kept()) != 0 {
		t.Errorf("after Unpublish: %v", b.kept())
	}
}

// A damaged copy is replaced by what is sent again.
func TestReceiveRepairs(t *testing.T) {
	b := newBench(t)
	req := api.StreamRequest{Name: "motd", Kind: "file", Mode: 0o644}
	a, err := b.Receive(t.Context(), req, strings.NewReader("hello\n"), nil)
	must(t, err)
	must(t, os.WriteFile(b.pathOf(a), []byte("damage"), 0o644))
	_, err = b.Receive(t.Context(), req, strings.NewReader("hello\n"), nil)
	must(t, err)
	if text, _ := os.ReadFile(b.pathOf(a)); string(text) != "hello\n" || len(b.kept()) != 1 {
		t.Errorf("%q, kept %v", text, b.kept())
	}
}

// A copy is not needed when the same content is published in place.
func TestInPlaceReplacesCopy(t *testing.T) {
	b := newBench(t)
	path := filepath.Join(t.TempDir(), "motd")
	must(t, os.WriteFile(path, []byte("hello\n"), 0o644))
	a, err := b.Receive(t.Context(), api.StreamRequest{Name: "motd", Kind: "file", Mode: 0o644}, strings.NewReader("hello\n"), nil)
	must(t, err)
	copied := b.pathOf(a)
	if _, err := b.Publish(t.Context(), api.PublishRequest{Source: copied, Name: "motd"}, nil); err != nil || len(b.kept()) != 1 {
		t.Fatalf("publishing the copy itself: %v, kept %v", err, b.kept())
	}
	same, err := b.Publish(t.Context(), api.PublishRequest{Source: path}, nil)
	must(t, err)
	if same.Digest != a.Digest || b.pathOf(a) != path || len(b.kept()) != 0 {
		t.Errorf("%s, then %s served from %s, kept %v", a.Digest, same.Digest, b.pathOf(a), b.kept())
	}
}

func TestReceiveLeavesNothingBehind(t *testing.T) {
	torn := errors.New("torn")
	for _, c := range []struct {
		name string
		body func() io.Reader
		with func(b *bench)
	}{
		{"the stream breaks", func() io.Reader { return io.MultiReader(strings.NewReader("hel"), failing{torn}) }, func(*bench) {}},
		{"the source is refused", func() io.Reader { return strings.NewReader("hello") }, func(b *bench) { b.served.fail = torn }},
		{"the store goes", func() io.Reader { return strings.NewReader("hello") }, func(b *bench) { _ = b.redis.Close() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			c.with(b)
			if _, err := b.Receive(t.Context(), api.StreamRequest{Name: "x", Kind: "file"}, c.body(), nil); err == nil {
				t.Fatal("no error")
			}
			if len(b.kept()) != 0 || len(b.served.paths) != 0 {
				t.Errorf("kept %v, served %v", b.kept(), b.served.paths)
			}
		})
	}
}

func TestReceiveIsCanceled(t *testing.T) {
	b := newBench(t)
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	go func() {
		_, _ = w.Write([]byte("begin"))
		cancel()
		_, _ = w.Write([]byte("more"))
		w.Close()
	}()
	_, err := b.Receive(ctx, api.StreamRequest{Name: "x", Kind: "file"}, r, nil)
	r.Close()
	if !errors.Is(err, context.Canceled) || len(b.kept()) != 0 {
		t.Errorf("%v, kept %v", err, b.kept())
	}
}

func TestHostileTar(t *testing.T) {
	b := newBench(t)
	var stream bytes.Buffer
	tw := tar.NewWriter(&stream)
	must(t, tw.WriteHeader(&tar.Header{Name: "../../evil", Size: 1, Mode: 0o644, Typeflag: tar.TypeReg}))
	_, err := tw.Write([]byte("x"))
	must(t, err)
	must(t, tw.Close())
	_, err = b.Receive(t.Context(), api.StreamRequest{Name: "x", Kind: "tree"}, &stream, nil)
	wantCode(t, err, api.CodeInvalid)
	if _, err := os.Stat(filepath.Join(b.state, "evil")); err == nil || len(b.kept()) != 0 {
		t.Errorf("%v, kept %v", err, b.kept())
	}
}

func TestRestartClearsLeftovers(t *testing.T) {
	b := newBench(t)
	must(t, os.MkdirAll(filepath.Join(b.state, "artifacts", "incoming-1", "content"), 0o700))
	must(t, os.MkdirAll(filepath.Join(b.state, "artifacts", "abcd", "content"), 0o700))
	_, err := publisher.New(b.config(nil))
	must(t, err)
	if kept := b.kept(); !reflect.DeepEqual(kept, []string{"abcd"}) {
		t.Errorf("kept %v", kept)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
