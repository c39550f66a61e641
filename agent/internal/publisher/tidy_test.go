package publisher_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rackswarm/rackswarm/agent/internal/publisher"
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/store"
)

func (b *bench) receive(name string) api.Artifact {
	b.Helper()
	a, err := b.Receive(b.Context(), api.StreamRequest{Name: name, Kind: "file", Mode: 0o644}, strings.NewReader("content of "+name), nil)
	must(b.T, err)
	return a
}

// Deleted through another agent, which knows nothing of this one's copies.
func TestTidyDeletesCopiesOfDeletedArtifacts(t *testing.T) {
	b := newBench(t)
	gone, stays := b.receive("gone"), b.receive("stays")
	path := program(t)
	inPlace, err := b.Publish(t.Context(), api.PublishRequest{Source: path}, nil)
	must(t, err)
	must(t, b.Tidy(t.Context()))
	if len(b.kept()) != 2 {
		t.Fatalf("kept %v of two artifacts that stand", b.kept())
	}
	for _, a := range []api.Artifact{gone, inPlace} {
		must(t, b.store.DeleteArtifact(t.Context(), a.Digest))
	}
	must(t, b.Tidy(t.Context()))
	if len(b.kept()) != 1 || b.pathOf(gone) != "" || b.pathOf(stays) == "" || b.pathOf(inPlace) != path {
		t.Errorf("kept %v, served %v", b.kept(), b.served.paths)
	}
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}

// The process dies when a copy has its place and no record yet: nothing needs it.
func TestTidyDeletesCopiesThatWereNeverRecorded(t *testing.T) {
	b := newBench(t)
	b.served.dies = true
	dead := make(chan struct{})
	go func() {
		defer close(dead)
		_, err := b.Receive(b.Context(), api.StreamRequest{Name: "motd", Kind: "file", Mode: 0o644}, strings.NewReader("content"), nil)
		t.Errorf("it lives: %v", err)
	}()
	<-dead
	if len(b.kept()) != 1 {
		t.Fatalf("kept %v", b.kept())
	}
	var err error
	b.Publisher, err = publisher.New(b.config(b.key))
	must(t, err)
	must(t, b.Tidy(t.Context()))
	if len(b.kept()) != 0 {
		t.Errorf("kept %v", b.kept())
	}
}

// What was recorded by another store, and cannot be recorded by this one, is not
// this one's.
func TestTidyLeavesCopiesThatCouldNotBeRecordedAgain(t *testing.T) {
	b := newBench(t)
	b.receive("motd")
	must(t, b.restartRedis())
	b.served.fail = errors.New("no")
	if _, err := b.Receive(b.Context(), api.StreamRequest{Name: "motd", Kind: "file", Mode: 0o644}, strings.NewReader("content of motd"), nil); !errors.Is(err, b.served.fail) {
		t.Fatal(err)
	}
	must(t, b.Tidy(t.Context()))
	if len(b.kept()) != 1 {
		t.Errorf("kept %v", b.kept())
	}
}

func TestTidyDeletesNothingForALostStore(t *testing.T) {
	for _, c := range []struct {
		name string
		lose func(b *bench) error
	}{
		{"it is down", func(b *bench) error { return b.redis.Close() }},
		{"it is empty", func(b *bench) error { return b.restartRedis() }},
		{"it is empty but for a new artifact", func(b *bench) error {
			if err := b.restartRedis(); err != nil {
				return err
			}
			return b.store.PutArtifact(b.Context(), api.Artifact{Digest: "sha256:" + strings.Repeat("00", 32)})
		}},
		{"the note is lost", func(b *bench) error {
			notes, err := filepath.Glob(filepath.Join(b.state, "artifacts", "*", "store"))
			if err != nil || len(notes) != 1 {
				b.Fatalf("notes %v, %v", notes, err)
			}
			must(b.T, b.store.DeleteArtifact(b.Context(), "sha256:"+filepath.Base(filepath.Dir(notes[0]))))
			return os.Remove(notes[0])
		}},
		{"a record is lost, and a distribution wants it", func(b *bench) error {
			return b.loseRecord(func(d *api.Distribution, digest string) { d.Digest = digest })
		}},
		{"a record is lost, and a distribution can return to it", func(b *bench) error {
			return b.loseRecord(func(d *api.Distribution, digest string) { d.Previous, d.KeepPrevious = digest, true })
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			a := b.receive("motd")
			must(t, c.lose(b))
			_ = b.Tidy(t.Context()) // fails where the store is down
			if len(b.kept()) != 1 || b.pathOf(a) == "" {
				t.Errorf("kept %v, served from %q", b.kept(), b.pathOf(a))
			}
		})
	}
}

// loseRecord deletes the record of the only copy, which a distribution needs.
func (b *bench) loseRecord(speak func(d *api.Distribution, digest string)) error {
	digest := "sha256:" + b.kept()[0]
	d := api.Distribution{Name: "site", State: api.StatePresent, Generation: 1}
	speak(&d, digest)
	err := b.store.UpdateDistributions(b.Context(), func(map[string]api.Distribution) ([]api.Distribution, []string, error) {
		return []api.Distribution{d}, nil, nil
	})
	return errors.Join(err, b.store.DeleteArtifact(b.Context(), digest))
}

// restartRedis starts an empty one at the same address.
func (b *bench) restartRedis() (err error) {
	addr := b.redis.Addr()
	must(b.T, b.redis.Close())
	b.redis, err = store.StartEmbedded(store.EmbeddedConfig{Listen: addr})
	return err
}
