package quota_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/rackswarm/rackswarm/agent/internal/quota"
	"github.com/rackswarm/rackswarm/core/api"
)

func TestBudget(t *testing.T) {
	b := quota.New(100)
	ctx := t.Context()
	b.Set("site", 60)
	if err := b.Reserve(ctx, "next", "/srv/site", 40); err != nil {
		t.Fatal(err)
	}
	if err := b.Reserve(ctx, "next", "/srv/site", 40); err != nil {
		t.Fatalf("the same again: %v", err)
	}
	err := b.Reserve(ctx, "next", "/srv/site", 41)
	var e *api.Error
	if !errors.As(err, &e) || e.Code != api.CodeQuota || e.Subject != "/srv/site" ||
		!strings.Contains(e.Message, "(41 bytes)") || !strings.Contains(e.Message, "(60 bytes)") || !strings.Contains(e.Fix, "1 B") {
		t.Errorf("too much: %+v", err)
	}
	if b.Used() != 100 {
		t.Errorf("%d bytes in use", b.Used())
	}
	b.Set("site", 0)
	if err := b.Reserve(ctx, "next", "/srv/site", 100); err != nil || b.Used() != 100 {
		t.Errorf("%v, %d bytes in use", err, b.Used())
	}
	b.Set("site", 500) // what stands counts, though it is too much
	if err := b.Reserve(ctx, "next", "/srv/site", 1); err != nil || b.Used() != 501 {
		t.Errorf("less than before: %v, %d bytes in use", err, b.Used())
	}
}

func TestWhatNothingNeedsMakesRoom(t *testing.T) {
	b := quota.New(100)
	b.Set("rubbish", 80)
	freed := 0
	b.OnFull(func(context.Context) { freed++; b.Set("rubbish", 0) })
	if err := b.Reserve(t.Context(), "a", "a", 20); err != nil || freed != 0 {
		t.Errorf("%v, freed %d times", err, freed)
	}
	if err := b.Reserve(t.Context(), "b", "b", 80); err != nil || freed != 1 {
		t.Errorf("%v, freed %d times", err, freed)
	}
	if err := b.Reserve(t.Context(), "c", "c", 1); err == nil || freed != 2 {
		t.Errorf("%v, freed %d times", err, freed)
	}
}

func TestNoLimit(t *testing.T) {
	for _, b := range []*quota.Budget{nil, quota.New(0)} {
		b.Set("a", 1<<60)
		if err := b.Reserve(t.Context(), "b", "b", 1<<60); err != nil || b.Limit() != 0 {
			t.Errorf("%v, limit %d", err, b.Limit())
		}
	}
}
