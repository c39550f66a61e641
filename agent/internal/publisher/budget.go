package publisher

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/store"
)

// arrival is content on its way here. It ends when there is no room for more.
type arrival struct {
	p       *Publisher
	cancel  context.CancelCauseFunc
	purpose string
	name    string // of the source, for errors
}

// arrive returns the context under which content is received into dir.
func (p *Publisher) arrive(ctx context.Context, dir, name string) (context.Context, *arrival) {
	ctx, cancel := context.WithCancelCause(ctx)
	return ctx, &arrival{p, cancel, filepath.Base(dir), name}
}

// watch counts what has arrived, or is going to, against the budget.
func (a *arrival) watch(ctx context.Context, progress func(api.Progress)) func(api.Progress) {
	return func(now api.Progress) {
		if now.Stage != "hashing" && ctx.Err() == nil {
			if err := a.p.cfg.Budget.Reserve(ctx, a.purpose, a.name, max(now.Done, now.Total)); err != nil {
				a.cancel(err)
			}
		}
		if progress != nil {
			progress(now)
		}
	}
}

// complete counts what has arrived in dir, now that it is all there.
func (a *arrival) complete(ctx context.Context, dir string) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return a.p.cfg.Budget.Reserve(ctx, a.purpose, a.name, sizeOf(dir))
}

// end returns err, or that there was no room if that ended it. What is left in
// dir is counted on.
func (a *arrival) end(ctx context.Context, dir string, err error) error {
	var full *api.Error
	if err != nil && errors.As(context.Cause(ctx), &full) && full.Code == api.CodeQuota {
		err = full
	}
	a.cancel(nil)
	a.p.cfg.Budget.Set(a.purpose, sizeOf(dir))
	return err
}

// accountAll counts what an earlier run left.
func (p *Publisher) accountAll() error {
	entries, err := os.ReadDir(p.kept.dir)
	if err != nil {
		return keepError(p.kept.dir, err)
	}
	for _, e := range entries {
		p.account(filepath.Join(p.kept.dir, e.Name()))
	}
	return nil
}

// account counts what lies in a directory of the keeper.
func (p *Publisher) account(dir string) { p.cfg.Budget.Set(filepath.Base(dir), sizeOf(dir)) }

// sizeOf is what the files below a directory hold, 0 if there is none.
func sizeOf(dir string) (sum int64) {
	_ = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return nil
		}
		if info, err := e.Info(); err == nil {
			sum += info.Size()
		}
		return nil
	})
	return sum
}

// collectedLife is how long what has arrived of a download stays that somebody
// asks to collect.
const collectedLife = time.Hour

// Collect deletes copies of artifacts that the store has no record of any more,
// as Tidy does, and what has arrived of downloads that nobody went on with for an
// hour; or lists them if dry is true.
func (p *Publisher) Collect(ctx context.Context, dry bool) ([]api.CollectedItem, error) {
	id, err := p.cfg.Store.Identity(ctx)
	if err != nil {
		return nil, err
	}
	copies, err := p.kept.list()
	if err != nil {
		return nil, err
	}
	var items []api.CollectedItem
	for _, d := range copies {
		item := api.CollectedItem{Path: p.kept.path(d), Bytes: sizeOf(p.kept.path(d)), Reason: "copy of an artifact that is not published any more"}
		needless, err := p.needless(ctx, d, id)
		if err == nil && needless && !dry {
			err = p.tidyOne(ctx, d, id)
		}
		if err != nil {
			return items, err
		}
		if needless {
			items = append(items, item)
		}
	}
	more, err := p.tidyDownloads(collectedLife, dry)
	return append(items, more...), err
}

// needless reports whether the store that recorded a copy has no record of its
// artifact any more. What a distribution needs nobody deletes: then the
// record was lost, as by a store that evicts keys when it is short of memory.
func (p *Publisher) needless(ctx context.Context, d artifact.Digest, id string) (bool, error) {
	_, err := p.cfg.Store.Artifact(ctx, d.String())
	if !errors.Is(err, store.ErrNotFound) {
		return false, err
	}
	if p.kept.recordedBy(d) != id {
		return false, nil
	}
	all, err := p.cfg.Store.Distributions(ctx)
	if err != nil || slices.ContainsFunc(all, func(o api.Distribution) bool { return o.Needs(d.String()) }) {
		return false, err
	}
	// After the answers: a store that was emptied before them has another identity.
	now, err := p.cfg.Store.Identity(ctx)
	return err == nil && now == id, err
}

// tidyDownloads deletes what has arrived of downloads that nobody went on with
// for so long, or lists it if dry is true.
func (p *Publisher) tidyDownloads(life time.Duration, dry bool) ([]api.CollectedItem, error) {
	entries, err := os.ReadDir(p.kept.dir)
	if err != nil {
		return nil, keepError(p.kept.dir, err)
	}
	var items []api.CollectedItem
	for _, e := range entries {
		key, ok := strings.CutPrefix(e.Name(), downloadPrefix)
		info, err := e.Info()
		if !ok || err != nil || p.cfg.Now().Sub(info.ModTime()) < life {
			continue
		}
		unlock, held := p.underWay.try(key)
		if held != nil {
			continue
		}
		dir := filepath.Join(p.kept.dir, e.Name())
		items = append(items, api.CollectedItem{Path: dir, Bytes: sizeOf(dir), Reason: "download that nobody went on with"})
		if !dry {
			err = p.kept.drop(dir)
			p.account(dir)
		}
		unlock()
		if err != nil {
			return items, err
		}
	}
	return items, nil
}
