package publisher_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/rackswarm/rackswarm/agent/internal/control"
	"github.com/rackswarm/rackswarm/agent/internal/publisher"
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/client"
)

// elsewhere is the agent of a machine that has none of the client's files.
type elsewhere struct{ *publisher.Publisher }

func (e elsewhere) Publish(context.Context, api.PublishRequest, func(api.Progress)) (api.Artifact, error) {
	return api.Artifact{}, &api.Error{Code: api.CodeSourceNotLocal, Subject: "x", Message: "not here", Fix: "stream it"}
}

func (b *bench) serve(p control.Publisher) *client.Client {
	b.Helper()
	socket := filepath.Join(b.TempDir(), "agent.sock")
	s, err := control.New(control.Config{Store: b.store, Socket: socket, Publisher: p,
		Self: func() api.Info { return api.Info{CanPublish: true} }})
	must(b.T, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	b.Cleanup(func() {
		cancel()
		must(b.T, <-ended)
	})
	c, err := client.New(client.Config{Endpoints: []string{"unix://" + socket}})
	must(b.T, err)
	b.Cleanup(c.Close)
	return c
}

// Whether the agent reads a path itself or has it streamed, the artifact is the
// same, modes and all.
func TestPublishPathHereAndElsewhere(t *testing.T) {
	for name, make := range map[string]func(*testing.T) string{"tree": tree, "file": program} {
		t.Run(name, func(t *testing.T) {
			path := make(t)
			near, far := newBench(t), newBench(t)
			var stages []string
			note := func(p api.Progress) { stages = append(stages, p.Stage) }
			here, err := near.serve(near.Publisher).PublishPath(t.Context(), path, "", 0, nil)
			must(t, err)
			there, err := far.serve(elsewhere{far.Publisher}).PublishPath(t.Context(), path, "", 0, note)
			must(t, err)
			if here.Digest != there.Digest || here.Checksum != there.Checksum || here.Kind != name {
				t.Errorf("here %+v\nthere %+v", here, there)
			}
			if near.pathOf(here) != path || !strings.HasPrefix(far.pathOf(there), far.state) {
				t.Errorf("served from %s and %s", near.pathOf(here), far.pathOf(there))
			}
			if len(stages) == 0 || stages[0] != "sending" {
				t.Errorf("stages %v", stages)
			}
		})
	}
}

// The client's own trouble with its files is what the client hears.
func TestPublishPathUnsuited(t *testing.T) {
	b := newBench(t)
	c := b.serve(elsewhere{b.Publisher})
	_, err := c.PublishPath(t.Context(), filepath.Join(t.TempDir(), "none"), "", 0, nil)
	wantCode(t, err, api.CodeNotFound)
	dir := tree(t)
	must(t, os.Symlink("/x", filepath.Join(dir, "fine")))
	fifo := filepath.Join(dir, "fifo")
	must(t, unix.Mkfifo(fifo, 0o600))
	_, err = c.PublishPath(t.Context(), dir, "", 0, nil)
	wantCode(t, err, api.CodeSourceUnsuited)
	if !strings.Contains(err.Error(), fifo) || len(b.kept()) != 0 {
		t.Errorf("%v, kept %v", err, b.kept())
	}
}

// What only the agent can reach is not looked for on the client's side.
func TestRemoteSourcesAreNotStreamed(t *testing.T) {
	b := newBench(t)
	c := b.serve(elsewhere{b.Publisher})
	for _, source := range []string{"https://me:hunter2@h/x?sig=hunter2", "node://web2/srv/x"} {
		_, err := c.PublishSource(t.Context(), api.PublishRequest{Source: source}, nil)
		wantCode(t, err, api.CodeSourceNotLocal)
	}
}

func TestManyAtOnce(t *testing.T) {
	b := newBench(t)
	c := b.serve(elsewhere{b.Publisher})
	digests := make([]string, 12)
	var wg sync.WaitGroup
	for i := range digests {
		wg.Go(func() {
			a, err := c.PublishStream(t.Context(), "same", "file", 0, strings.NewReader(strings.Repeat("x", 1+i%3)), nil)
			if err != nil {
				t.Error(err)
			}
			digests[i] = a.Digest
		})
	}
	wg.Wait()
	all, err := c.Artifacts(t.Context())
	must(t, err)
	if len(all) != 3 || len(b.kept()) != 3 || digests[0] != digests[3] || digests[0] == digests[1] {
		t.Errorf("%d artifacts, kept %v", len(all), b.kept())
	}
}
