package publisher

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/client"
)

// publishOnNode has another node publish a path of its machine.
func (p *Publisher) publishOnNode(ctx context.Context, source api.Source, req api.PublishRequest, progress func(api.Progress)) (api.Artifact, error) {
	c, err := p.node(ctx, source)
	if err != nil {
		return api.Artifact{}, err
	}
	defer c.Close()
	req.Source = source.Path
	a, err := c.PublishForNode(ctx, req, progress)
	if err != nil {
		return api.Artifact{}, nodeFailure(ctx, source, err)
	}
	return a, nil
}

// inspectOnNode has another node look at a path of its machine.
func (p *Publisher) inspectOnNode(ctx context.Context, source api.Source) (api.SourceState, error) {
	c, err := p.node(ctx, source)
	if err != nil {
		return api.SourceState{}, err
	}
	defer c.Close()
	state, err := c.InspectForNode(ctx, api.PublishRequest{Source: source.Path})
	if err != nil {
		return api.SourceState{}, nodeFailure(ctx, source, err)
	}
	return state, nil
}

// node returns a client of the node that a source names. The caller closes it.
func (p *Publisher) node(ctx context.Context, source api.Source) (*client.Client, error) {
	all, err := p.cfg.Store.Nodes(ctx)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(all, func(n api.Node) bool { return n.Name == source.Node })
	down := func(message, fix string) error {
		return &api.Error{Code: api.CodeSourceDown, Subject: source.String(), Message: "node " + source.Node + " " + message, Fix: fix}
	}
	switch {
	case i < 0:
		return nil, &api.Error{Code: api.CodeNotFound, Subject: source.String(), Message: "no such node: " + source.Node, Fix: "use a name that 'rackswarm nodes' lists"}
	case !all[i].Alive:
		return nil, down("is down", "start its agent, or publish from another node")
	case all[i].APIAddr == "":
		return nil, down("does not answer other nodes, as it has no api.listen", "set api.listen in the configuration of node "+source.Node+", and restart its agent")
	case p.cfg.NodeTLS == nil:
		return nil, down("cannot be asked without certificates", "set tls.enabled: true on all nodes, or publish through the agent of node "+source.Node)
	}
	c, err := client.New(client.Config{Endpoints: []string{"https://" + all[i].APIAddr}, TLS: p.cfg.NodeTLS(source.Node)})
	if err != nil {
		return nil, down("has an address that cannot be used: "+err.Error(), "set api.advertise in the configuration of node "+source.Node)
	}
	return c, nil
}

// nodeFailure explains what another node answered, or that it does not.
func nodeFailure(ctx context.Context, source api.Source, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", source, ctx.Err())
	}
	e := &api.Error{Code: api.CodeSourceDown, Message: err.Error()}
	_ = errors.As(err, &e)
	told := *e
	told.Subject, told.Message = source.String(), fmt.Sprintf("node %s: %s", source.Node, e.Message)
	switch {
	case e.Code == api.CodeUnreachable, e.Fix == "":
		told.Code = api.CodeSourceDown
		told.Fix = fmt.Sprintf("check that the agent of node %s runs and that its api.listen is reached from here, then try again", source.Node)
	case e.Subject != "" && e.Subject != source.Path:
		told.Message = fmt.Sprintf("node %s: %s: %s", source.Node, e.Subject, e.Message)
		fallthrough
	default:
		told.Fix = fmt.Sprintf("on node %s: %s", source.Node, e.Fix)
	}
	return &told
}
