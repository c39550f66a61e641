package fleet

import (
	"context"
	"errors"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/store"
)

// Artifact returns the record of an artifact.
func (f *Fleet) Artifact(ctx context.Context, digest string) (api.Artifact, error) {
	a, err := f.store.Artifact(ctx, digest)
	if errors.Is(err, store.ErrNotFound) {
		return a, missing("artifact", digest, publishFix)
	}
	return a, err
}

// Withdraw deletes the artifact's record unless a distribution uses it: then it is
// CodeInUse. If one came meanwhile, the record is put back; see confirm.
func (f *Fleet) Withdraw(ctx context.Context, digest string) error {
	a, err := f.Artifact(ctx, digest)
	if err != nil {
		return err
	}
	if err := f.checkUnused(ctx, digest); err != nil {
		return err
	}
	if err := f.store.DeleteArtifact(ctx, digest); err != nil {
		return err
	}
	used := f.checkUnused(context.WithoutCancel(ctx), digest)
	if used == nil {
		return nil
	}
	return errors.Join(used, f.store.PutArtifact(context.WithoutCancel(ctx), a))
}

func (f *Fleet) checkUnused(ctx context.Context, digest string) error {
	all, err := f.store.Distributions(ctx)
	if err != nil {
		return err
	}
	return inUse(digest, all)
}
