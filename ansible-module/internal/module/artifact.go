package module

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/client"
)

// artifactTask is one call of the module artifact.
type artifactTask struct {
	options
	client *client.Client
	result *result
}

func (t *artifactTask) do(ctx context.Context) error {
	t.result.Name, t.result.Dest = t.want.Name, t.want.Path
	if t.call.Step == stepWait {
		return t.awaitStep(ctx)
	}
	limit, _ := t.call.budget(t.timeout)
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	s, err := t.submit(ctx)
	if err != nil || s == nil {
		return err
	}
	if t.call.Step == stepSubmit {
		t.result.Answer = &answer{Submitted: s}
		return nil
	}
	t.call.Submitted, t.call.Everyone = s, true
	return t.awaitStep(ctx)
}

// submit publishes what has to be, and tells the fleet what is wanted. It
// returns nil if the plugin has to bring the content first.
func (t *artifactTask) submit(ctx context.Context) (*submitted, error) {
	now, err := t.present(ctx)
	if err != nil {
		return nil, err
	}
	s := &submitted{Name: t.want.Name, Before: beforeOf(now)}
	if !t.explicit() {
		if s.Nodes, err = t.playNodes(ctx, t.client, t.result); err != nil {
			return nil, err
		}
	}
	if err := t.publish(ctx); err != nil || t.result.Answer != nil {
		return nil, err
	}
	if s.Nodes != nil {
		if t.want.Selector, err = choose(t.options, s.Before.Distribution, slices.Collect(maps.Values(s.Nodes))); err != nil {
			return nil, err
		}
	}
	s.Digest, s.Size = t.want.Digest, t.result.Size
	if t.checkMode {
		return s, nil
	}
	return s, t.apply(ctx, plan(t.options, s.Before.Distribution))
}

// present returns the distribution as it stands, nil if there is none.
func (t *artifactTask) present(ctx context.Context) (*api.Status, error) {
	s, err := t.client.Status(ctx, t.want.Name)
	if client.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &s, nil
}

func (t *artifactTask) apply(ctx context.Context, op operation) error {
	switch op {
	case put:
		_, err := t.client.PutDistribution(ctx, t.want)
		return err
	case remove:
		return t.client.DeleteDistribution(ctx, t.want.Name, true)
	}
	return nil
}

// awaitStep waits for this host's part, or for everybody, and says what changed.
func (t *artifactTask) awaitStep(ctx context.Context) error {
	s := t.call.Submitted
	t.want.Digest, t.result.Digest, t.result.Size = s.Digest, s.Digest, s.Size
	node, err := t.ownPart(ctx)
	if err != nil {
		return err
	}
	t.result.Node = node
	t.tellChange(node)
	if t.checkMode || !t.wait || t.absent && s.Before.Distribution == nil {
		t.done()
		return nil
	}
	if err := t.join(ctx, node); err != nil {
		return err
	}
	return t.await(ctx, node)
}

// ownPart is the node that the result is about, "" for all of them: where that
// was asked for, and where this host is not one of the nodes that are meant.
func (t *artifactTask) ownPart(ctx context.Context) (string, error) {
	if t.call.Everyone {
		return "", nil
	}
	own, err := t.own(ctx, t.client)
	if err != nil || own == "" || !t.explicit() {
		return own, err
	}
	fleet, err := t.client.Nodes(ctx)
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(fleet, func(n api.Node) bool { return n.Name == own })
	if i < 0 || !t.want.Selector.Matches(fleet[i]) {
		return "", nil
	}
	return own, nil
}

func (t *artifactTask) tellChange(node string) {
	b := t.call.Submitted.Before
	if node == "" {
		t.result.Changed = b.changesAny(t.options)
	} else {
		t.result.Changed = b.changes(t.options, node)
	}
	if t.want.Digest == "" && !t.absent {
		source := t.src
		if t.url != "" {
			source = api.ShowSource(t.url)
		}
		t.result.Warnings = append(t.result.Warnings, fmt.Sprintf("check mode does not publish %s: the digest of its content is not known", source))
	}
	if t.addDiff && t.result.Changed {
		t.result.Diff = b.diffOn(t.options, node)
	}
}

func (t *artifactTask) done() {
	if t.call.Step == stepWait && !t.call.Background {
		t.result.Answer = &answer{Done: true}
	}
}

// join has the distribution select this host's node where it could not be told
// beforehand which node the host is.
func (t *artifactTask) join(ctx context.Context, node string) error {
	if t.explicit() || t.absent || node == "" {
		return nil
	}
	d, err := t.client.Distribution(ctx, t.want.Name)
	if err != nil || len(d.Selector.NodeNames) == 0 || slices.Contains(d.Selector.NodeNames, node) {
		return err
	}
	d.Selector.NodeNames = sorted(append(d.Selector.NodeNames, node))
	_, err = t.client.PutDistribution(ctx, d)
	return err
}
