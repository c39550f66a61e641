package publisher_test

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/agent/internal/publisher"
	"github.com/rackswarm/rackswarm/agent/internal/quota"
	"github.com/rackswarm/rackswarm/core/api"
)

// limited is a bench that may hold 100,000 bytes.
func limited(t *testing.T) (*bench, *quota.Budget) {
	t.Helper()
	b, budget := newBench(t), quota.New(100_000)
	budget.OnFull(func(ctx context.Context) {
		_, err := b.Collect(ctx, false)
		must(t, err)
	})
	c := b.config(b.key)
	c.Budget = budget
	var err error
	b.Publisher, err = publisher.New(c)
	must(t, err)
	return b, budget
}

// What does not fit is not kept, and what was is counted over a restart.
func TestQuotaOfCopies(t *testing.T) {
	b, budget := limited(t)
	a := b.receive("small")
	held := budget.Used()
	if held == 0 {
		t.Fatal("a copy is not counted")
	}
	_, err := b.Receive(t.Context(), api.StreamRequest{Name: "big", Kind: "file", Mode: 0o644}, bytes.NewReader(make([]byte, 2<<20)), nil)
	wantCode(t, err, api.CodeQuota)
	if len(b.kept()) != 1 || budget.Used() != held {
		t.Errorf("kept %v, %d bytes held", b.kept(), budget.Used())
	}
	again := quota.New(100_000)
	c := b.config(b.key)
	c.Budget = again
	p, err := publisher.New(c)
	must(t, err)
	if again.Used() != held {
		t.Errorf("%d bytes held after a restart, not %d", again.Used(), held)
	}
	must(t, p.Unpublish(t.Context(), a.Digest))
	if again.Used() != 0 {
		t.Errorf("%d bytes held of nothing", again.Used())
	}
}

// A download of known size does not begin if it does not fit.
func TestQuotaOfDownloads(t *testing.T) {
	b, budget := limited(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "image", time.Unix(1e9, 0), bytes.NewReader(make([]byte, 8<<20)))
	}))
	defer server.Close()
	_, err := b.Publish(t.Context(), api.PublishRequest{Source: server.URL + "/image"}, nil)
	wantCode(t, err, api.CodeQuota)
	if budget.Used() > 8<<20 {
		t.Errorf("%d bytes held", budget.Used())
	}
}

// Copies of what is not published any more, and downloads that were given up, make
// room; asked for a dry run they stay.
func TestCollect(t *testing.T) {
	b, budget := limited(t)
	gone, stays := b.receive("gone"), b.receive("stays")
	must(t, b.store.DeleteArtifact(t.Context(), gone.Digest))
	part := filepath.Join(b.state, "artifacts", "download-abc")
	must(t, os.Mkdir(part, 0o700))
	must(t, os.WriteFile(filepath.Join(part, "content"), make([]byte, 1000), 0o600))
	if items, err := b.Collect(t.Context(), true); err != nil || len(items) != 1 || items[0].Bytes == 0 {
		t.Errorf("fresh: %+v, %v", items, err)
	}
	old := time.Now().Add(-2 * time.Hour)
	must(t, os.Chtimes(part, old, old))
	if items, err := b.Collect(t.Context(), true); err != nil || len(items) != 2 || len(b.kept()) != 3 {
		t.Errorf("a dry run: %+v, %v; kept %v", items, err, b.kept())
	}
	if err := budget.Reserve(t.Context(), "other", "other", 99_900); err != nil {
		t.Error(err)
	}
	if left := b.kept(); len(left) != 1 || !strings.HasSuffix(stays.Digest, left[0]) {
		t.Errorf("kept %v", left)
	}
	must(t, b.redis.Close())
	if _, err := b.Collect(t.Context(), false); err == nil || len(b.kept()) != 1 {
		t.Errorf("without a store: %v; kept %v", err, b.kept())
	}
}
