package cli

import (
	"context"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/rackswarm/rackswarm/agent/internal/control"
	"github.com/rackswarm/rackswarm/core/api"
)

// fetching is an agent that publishes whatever source it is asked for.
type fetching struct {
	hasher
	asked chan api.PublishRequest
	stuck bool
}

func (p fetching) Publish(ctx context.Context, req api.PublishRequest, progress func(api.Progress)) (api.Artifact, error) {
	p.asked <- req
	progress(api.Progress{Stage: "downloading", Done: 1 << 20, Total: 3 << 20})
	if p.stuck {
		<-ctx.Done()
		return api.Artifact{}, ctx.Err()
	}
	return api.Artifact{Digest: digestOf(nil), Name: "app.tar", Kind: "file", SizeBytes: 3 << 20, Files: 1,
		Checksum: digestOf([]byte("content")), Source: api.ShowSource(req.Source)}, nil
}

func newFetching(t *testing.T, stuck bool) (*fleet, chan api.PublishRequest) {
	asked := make(chan api.PublishRequest, 1)
	return newFleet(t, func(c *control.Config) { c.Publisher = fetching{asked: asked, stuck: stuck} }), asked
}

func TestPublishURL(t *testing.T) {
	f, asked := newFetching(t, false)
	file := filepath.Join(t.TempDir(), "headers")
	f.must(os.WriteFile(file, []byte("# of the build\n\n authorization:  Bearer hunter2 \n"), 0o600))
	sum := digestOf([]byte("content"))
	const source = "https://me:hunter2@get.example/app.tar?sig=hunter2"
	r := f.run("publish", source, "--checksum", sum, "--header", "X-Key: hunter2", "--header-file", file)
	if r.code != 0 || strings.Contains(r.out+r.errOut, "hunter2") {
		t.Fatalf("%+v", r)
	}
	f.golden("publish-url", r.out)
	want := api.PublishRequest{Source: source, Checksum: sum, Headers: map[string]string{"Authorization": "Bearer hunter2", "X-Key": "hunter2"}}
	if got := <-asked; !reflect.DeepEqual(got, want) {
		t.Errorf("asked for %+v", got)
	}
	f.ok("publish", "node://db1/srv/app.tar", "--name", "app")
	if got := <-asked; !reflect.DeepEqual(got, api.PublishRequest{Source: "node://db1/srv/app.tar", Name: "app"}) {
		t.Errorf("asked for %+v", got)
	}
	f.nodes()
	f.must(f.store.PutArtifact(f.Context(), api.Artifact{Digest: digestOf(nil), Name: "app.tar", Kind: "file"}))
	f.ok("distribute", "app", "--source", "https://get.example/app.tar", "--path", "/srv/app")
	if got := <-asked; got.Source != "https://get.example/app.tar" {
		t.Errorf("asked for %+v", got)
	}
}

func TestPublishSourceRefused(t *testing.T) {
	f, _ := newFetching(t, false)
	twice := filepath.Join(t.TempDir(), "headers")
	f.must(os.WriteFile(twice, []byte("A: hunter2\na: hunter2\n"), 0o600))
	for _, c := range []struct {
		words string
		args  []string
	}{
		{"scheme \"s3\" is not known", []string{"s3://bucket/x"}},
		{"names no host", []string{"https:///x"}},
		{"names no path", []string{"node://db1"}},
		{"is not a checksum", []string{"https://h/x", "--checksum", "abc"}},
		{"no colon", []string{"https://h/x", "--header", "hunter2"}},
		{"given twice", []string{"https://h/x", "--header-file", twice}},
		{"no such file", []string{"https://h/x", "--header-file", twice + "x"}},
		{"control characters", []string{"https://h/x", "--header", "A: hunter2\x00"}},
		{"for an http or https URL only", []string{"/srv/x", "--header", "A: hunter2"}},
		{"Range is set by the agent", []string{"https://h/x", "--header", "range: bytes=1-"}},
	} {
		r := f.run(append([]string{"publish"}, c.args...)...)
		f.failed(r, exitUsage, c.words)
		if strings.Contains(r.errOut, "hunter2") {
			t.Errorf("a secret is told: %s", r.errOut)
		}
	}
}

func TestPublishInterrupted(t *testing.T) {
	f, asked := newFetching(t, true)
	c := f.start("publish", "https://get.example/app.tar?sig=hunter2")
	<-asked
	c.interrupt()
	r := f.wait(c)
	f.failed(r, exitInterrupted, "https://get.example/app.tar: canceled", "goes on where it stopped")
	if strings.Contains(r.errOut, "hunter2") {
		t.Errorf("a secret is told: %s", r.errOut)
	}
}

func TestCompleteSource(t *testing.T) {
	f := newFleet(t)
	f.nodes()
	if out := f.ok("__complete", "publish", "node://"); !strings.HasPrefix(out, "node://db1/\tams1/r2\nnode://web1/\tams1/r1\n") || !strings.Contains(out, ":6\n") {
		t.Errorf("nodes: %q", out)
	}
	if out := f.ok("__complete", "publish", "no"); out != ":0\n" {
		t.Errorf("files: %q", out)
	}
	if out := f.ok("__complete", "publish", "x", ""); out != ":4\n" {
		t.Errorf("a second source: %q", out)
	}
}
