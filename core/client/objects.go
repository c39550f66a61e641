package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/rackswarm/rackswarm/core/api"
)

const (
	pathAgent         = "/v1/agent"
	pathNodes         = "/v1/nodes"
	pathArtifacts     = "/v1/artifacts"
	pathStream        = "/v1/artifacts/stream"
	pathSources       = "/v1/sources"
	pathNodeArtifacts = "/v1/node/artifacts"
	pathNodeSources   = "/v1/node/sources"
	pathDistributions = "/v1/distributions"
	pathCollect       = "/v1/gc"
	pathTransfers     = "/v1/transfers"
	pathHolds         = "/v1/holds"
	pathLimits        = "/v1/limits"
	pathLinks         = "/v1/links"
	pathRuns          = "/v1/runs"
	pathBackups       = "/v1/backups"
	pathSchedules     = "/v1/schedules"
)

// Info describes the agent that answers.
func (c *Client) Info(ctx context.Context) (api.Info, error) {
	var out api.Info
	err := c.roundTrip(ctx, "read agent", http.MethodGet, pathAgent, nil, nil, &out)
	return out, err
}

// Nodes lists the fleet by name, nodes that are down included.
func (c *Client) Nodes(ctx context.Context) ([]api.Node, error) {
	var out api.NodeList
	err := c.roundTrip(ctx, "list nodes", http.MethodGet, pathNodes, nil, nil, &out)
	return out.Nodes, err
}

// ForgetNode drops a node that is down from the list of known nodes.
func (c *Client) ForgetNode(ctx context.Context, name string) error {
	path, err := object(pathNodes, name)
	if err != nil {
		return err
	}
	return c.roundTrip(ctx, "forget node "+name, http.MethodDelete, path, nil, nil, nil)
}

// Artifacts lists what is published, by name.
func (c *Client) Artifacts(ctx context.Context) ([]api.Artifact, error) {
	var out api.ArtifactList
	err := c.roundTrip(ctx, "list artifacts", http.MethodGet, pathArtifacts, nil, nil, &out)
	return out.Artifacts, err
}

// Artifact returns one artifact.
func (c *Client) Artifact(ctx context.Context, digest string) (api.Artifact, error) {
	var out api.Artifact
	path, err := object(pathArtifacts, digest)
	if err != nil {
		return out, err
	}
	err = c.roundTrip(ctx, "read artifact "+digest, http.MethodGet, path, nil, nil, &out)
	return out, err
}

// DeleteArtifact withdraws a published artifact that no distribution uses.
func (c *Client) DeleteArtifact(ctx context.Context, digest string) error {
	path, err := object(pathArtifacts, digest)
	if err != nil {
		return err
	}
	return c.roundTrip(ctx, "delete artifact "+digest, http.MethodDelete, path, nil, nil, nil)
}

// Distributions lists the desired state, by name.
func (c *Client) Distributions(ctx context.Context) ([]api.Distribution, error) {
	var out api.DistributionList
	err := c.roundTrip(ctx, "list distributions", http.MethodGet, pathDistributions, nil, nil, &out)
	return out.Distributions, err
}

// Distribution returns one distribution.
func (c *Client) Distribution(ctx context.Context, name string) (api.Distribution, error) {
	var out api.Distribution
	path, err := object(pathDistributions, name)
	if err != nil {
		return out, err
	}
	err = c.roundTrip(ctx, "read distribution "+name, http.MethodGet, path, nil, nil, &out)
	return out, err
}

// PutDistribution creates or changes the distribution d.Name and returns it
// with what the server set. Putting what stands already changes nothing.
func (c *Client) PutDistribution(ctx context.Context, d api.Distribution) (api.Distribution, error) {
	var out api.Distribution
	path, err := object(pathDistributions, d.Name)
	if err != nil {
		return out, err
	}
	err = c.roundTrip(ctx, "put distribution "+d.Name, http.MethodPut, path, nil, d, &out)
	return out, err
}

// DeleteDistribution ends a distribution. With removeContent the nodes remove
// the files and the distribution stays, in state "absent", until all have done
// so; otherwise it is gone at once and the files stay.
func (c *Client) DeleteDistribution(ctx context.Context, name string, removeContent bool) error {
	path, err := object(pathDistributions, name)
	if err != nil {
		return err
	}
	query := url.Values{"content": {api.ContentRetain}}
	if removeContent {
		query.Set("content", api.ContentRemove)
	}
	return c.roundTrip(ctx, "delete distribution "+name, http.MethodDelete, path, query, nil, nil)
}

// Status returns a distribution with what its nodes report.
func (c *Client) Status(ctx context.Context, name string) (api.Status, error) {
	var out api.Status
	path, err := object(pathDistributions, name)
	if err != nil {
		return out, err
	}
	err = c.roundTrip(ctx, "read status of "+name, http.MethodGet, path+"/status", nil, nil, &out)
	return out, err
}

// Verify asks the nodes to hash everything again. A node has done so when the
// Verified of its status reaches the VerifyGeneration returned here.
func (c *Client) Verify(ctx context.Context, name string) (api.Distribution, error) {
	return c.ask(ctx, "verify", name)
}

// Activate has those nodes switch now that have staged what the distribution
// wants; the others follow when they have. Where hooks refused to switch, they
// are asked again.
func (c *Client) Activate(ctx context.Context, name string) (api.Distribution, error) {
	return c.ask(ctx, "activate", name)
}

// Rollback gives the distribution the digest that it had before. The nodes fetch
// nothing if they kept that version.
func (c *Client) Rollback(ctx context.Context, name string) (api.Distribution, error) {
	return c.ask(ctx, "rollback", name)
}

func (c *Client) ask(ctx context.Context, what, name string) (api.Distribution, error) {
	var out api.Distribution
	path, err := object(pathDistributions, name)
	if err != nil {
		return out, err
	}
	err = c.roundTrip(ctx, what+" "+name, http.MethodPost, path+"/"+what, nil, nil, &out)
	return out, err
}

// Collect frees what the agent that answers holds on its disk without need. With
// dryRun it only lists that.
func (c *Client) Collect(ctx context.Context, dryRun bool) (api.Collection, error) {
	var out api.Collection
	query := url.Values{}
	if dryRun {
		query.Set("dry_run", "true")
	}
	err := c.roundTrip(ctx, "collect", http.MethodPost, pathCollect, query, nil, &out)
	return out, err
}

// Transfers lists the transfers in which the agent that answers takes part now:
// that of a digest, or all for "".
func (c *Client) Transfers(ctx context.Context, digest string) (api.TransferList, error) {
	var out api.TransferList
	query := url.Values{}
	if digest != "" {
		query.Set("digest", digest)
	}
	err := c.roundTrip(ctx, "list transfers", http.MethodGet, pathTransfers, query, nil, &out)
	return out, err
}
