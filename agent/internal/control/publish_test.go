package control_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/agent/internal/control"
	"github.com/rackswarm/rackswarm/core/api"
)

type script = func(ctx context.Context, body io.Reader, progress func(api.Progress)) (api.Artifact, error)

func publishing(t *testing.T, run script) *fleet {
	t.Helper()
	return serve(t, func(c *control.Config) { c.Publisher = scripted{run: run} })
}

func TestPublishTellsProgress(t *testing.T) {
	seen := make(chan struct{})
	f := publishing(t, func(_ context.Context, _ io.Reader, progress func(api.Progress)) (api.Artifact, error) {
		progress(api.Progress{Stage: "hashing", Done: 5, Total: 10})
		<-seen
		return api.Artifact{Digest: "d"}, nil
	})
	var got api.Progress
	a, err := f.client.Publish(f.ctx, api.PublishRequest{Source: "/srv/x"}, func(p api.Progress) {
		got = p
		close(seen)
	})
	f.must(err)
	if a.Digest != "d" || a.Source != "/srv/x" || got.Done != 5 {
		t.Fatalf("%+v after %+v", a, got)
	}
}

// An error comes through early as a status and late as an event.
func TestPublishFails(t *testing.T) {
	late := make(chan struct{})
	refusal := &api.Error{Code: api.CodeSourceNotLocal, Subject: "/srv/x", Message: "not here", Fix: "stream it"}
	f := publishing(t, func(_ context.Context, _ io.Reader, progress func(api.Progress)) (api.Artifact, error) {
		progress(api.Progress{Done: 1})
		<-late
		return api.Artifact{}, refusal
	})
	_, err := f.client.Publish(f.ctx, api.PublishRequest{Source: "/srv/x"}, func(api.Progress) { close(late) })
	wantError(t, err, api.CodeSourceNotLocal, "/srv/x")
	status, body := exchange(t, socketHTTP(f.socket), "POST", "/v1/artifacts", `{"source": "/srv/x"}`)
	if status != http.StatusUnprocessableEntity || !strings.Contains(body, "stream it") {
		t.Fatalf("%d %s", status, body)
	}
}

// The publisher stops when the client goes away.
func TestPublishIsCanceled(t *testing.T) {
	started, ended := make(chan struct{}), make(chan struct{})
	f := publishing(t, func(ctx context.Context, _ io.Reader, _ func(api.Progress)) (api.Artifact, error) {
		close(started)
		<-ctx.Done()
		close(ended)
		return api.Artifact{}, ctx.Err()
	})
	ctx, cancel := context.WithCancel(f.ctx)
	go func() { <-started; cancel() }()
	_, err := f.client.Publish(ctx, api.PublishRequest{Source: "/srv/x"}, nil)
	if code(err) != api.CodeCanceled || !errors.Is(err, context.Canceled) {
		t.Errorf("client: %v", err)
	}
	<-ended
}

func TestStreamCarriesContent(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789abcdef"), 1<<18) // 4 MiB
	f := publishing(t, func(_ context.Context, body io.Reader, progress func(api.Progress)) (api.Artifact, error) {
		got, err := io.ReadAll(body)
		if err == nil && !bytes.Equal(got, content) {
			err = errors.New("other content")
		}
		return api.Artifact{Digest: "d", SizeBytes: int64(len(got))}, err
	})
	// A plain reader: the transport must not learn its length.
	a, err := f.client.PublishStream(f.ctx, "app", "tree", 1<<20, io.LimitReader(bytes.NewReader(content), 1<<40), nil)
	f.must(err)
	if a.Name != "app" || a.Kind != "tree" || a.PieceLength != 1<<20 || a.SizeBytes != int64(len(content)) {
		t.Fatalf("%+v", a)
	}
}

func TestStreamOfNothing(t *testing.T) {
	f := publishing(t, func(_ context.Context, body io.Reader, _ func(api.Progress)) (api.Artifact, error) {
		got, err := io.ReadAll(body)
		return api.Artifact{Digest: "d", SizeBytes: int64(len(got))}, err
	})
	a, err := f.client.PublishStream(f.ctx, "empty", "file", 0, strings.NewReader(""), nil)
	f.must(err)
	if a.SizeBytes != 0 || a.Digest != "d" {
		t.Fatalf("%+v", a)
	}
}

// Progress is told while the content is still on its way.
func TestStreamTellsProgressMeanwhile(t *testing.T) {
	f := publishing(t, func(_ context.Context, body io.Reader, progress func(api.Progress)) (api.Artifact, error) {
		if _, err := io.ReadFull(body, make([]byte, 5)); err != nil {
			return api.Artifact{}, err
		}
		progress(api.Progress{Stage: "receiving", Done: 5})
		rest, err := io.ReadAll(body)
		return api.Artifact{Digest: string(rest)}, err
	})
	r, w := io.Pipe()
	go func() { _, _ = w.Write([]byte("first")) }()
	a, err := f.client.PublishStream(f.ctx, "app", "file", 0, r, func(p api.Progress) {
		if p.Done == 5 {
			go func() {
				_, _ = w.Write([]byte("second"))
				w.Close()
			}()
		}
	})
	f.must(err)
	if a.Digest != "second" {
		t.Fatalf("%+v", a)
	}
}

// A refusal in the middle reaches the client that is still sending, whether it
// comes as a status, at once, or as an event.
func TestStreamRefusedInTheMiddle(t *testing.T) {
	for _, pause := range []time.Duration{0, 300 * time.Millisecond} {
		f := publishing(t, func(_ context.Context, body io.Reader, _ func(api.Progress)) (api.Artifact, error) {
			_, _ = io.CopyN(io.Discard, body, 1<<20)
			time.Sleep(pause)
			return api.Artifact{}, &api.Error{Code: api.CodeNoSpace, Subject: "/var", Message: "full", Fix: "make space"}
		})
		for range 5 {
			_, err := f.client.PublishStream(f.ctx, "app", "file", 0, endless{}, nil)
			wantError(t, err, api.CodeNoSpace, "/var")
		}
	}
}

// What the agent refuses at once costs no byte of content.
func TestStreamRefusedBeforeContent(t *testing.T) {
	f := serve(t, nil)
	body := &countingReader{r: endless{}}
	_, err := f.client.PublishStream(f.ctx, "app", "file", 0, body, nil)
	wantError(t, err, api.CodeCannotPublish, "publish.key")
	if body.n != 0 {
		t.Errorf("%d bytes were read", body.n)
	}
}

// The reason of a source that breaks off is the client's, and the agent sees
// that the content is not whole.
func TestStreamSourceBreaks(t *testing.T) {
	agent := make(chan error, 1)
	f := publishing(t, func(_ context.Context, body io.Reader, _ func(api.Progress)) (api.Artifact, error) {
		_, err := io.Copy(io.Discard, body)
		agent <- err
		return api.Artifact{}, err
	})
	torn := errors.New("the disk is gone")
	r := io.MultiReader(strings.NewReader("begin"), failing{torn})
	_, err := f.client.PublishStream(f.ctx, "app", "file", 0, r, nil)
	if !errors.Is(err, torn) || code(err) != api.CodeIO {
		t.Errorf("client: %v", err)
	}
	if err := <-agent; err == nil {
		t.Error("the agent took the torn content for whole")
	}
}

// Without Accept: text/event-stream the answer is plain JSON.
func TestStreamWithoutEvents(t *testing.T) {
	f := publishing(t, func(_ context.Context, body io.Reader, _ func(api.Progress)) (api.Artifact, error) {
		got, err := io.ReadAll(body)
		return api.Artifact{Digest: string(got)}, err
	})
	status, body := exchange(t, socketHTTP(f.socket), "POST", "/v1/artifacts/stream?name=app&kind=file", "content")
	if status != http.StatusOK || !strings.Contains(body, `"digest":"content"`) {
		t.Fatalf("%d %s", status, body)
	}
}

// A server that stops ends the publications.
func TestStopEndsPublications(t *testing.T) {
	started := make(chan struct{})
	f := publishing(t, func(ctx context.Context, _ io.Reader, _ func(api.Progress)) (api.Artifact, error) {
		close(started)
		<-ctx.Done()
		return api.Artifact{}, ctx.Err()
	})
	go func() { <-started; f.stop() }()
	_, err := f.client.Publish(f.ctx, api.PublishRequest{Source: "/srv/x"}, nil)
	wantError(t, err, api.CodeUnreachable, "agent")
}

func TestPublisherPanics(t *testing.T) {
	f := publishing(t, func(context.Context, io.Reader, func(api.Progress)) (api.Artifact, error) { panic("bug") })
	_, err := f.client.Publish(f.ctx, api.PublishRequest{Source: "/srv/x"}, nil)
	if code(err) != api.CodeInternal {
		t.Errorf("%v", err)
	}
	_, err = f.client.Info(f.ctx)
	f.must(err)
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

type countingReader struct {
	r io.Reader
	n int
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += n
	return n, err
}
