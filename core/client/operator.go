package client

import (
	"context"
	"net/http"

	"github.com/rackswarm/rackswarm/core/api"
)

// Holds lists what operators have paused and stopped.
func (c *Client) Holds(ctx context.Context) (api.HoldList, error) {
	var out api.HoldList
	err := c.roundTrip(ctx, "list holds", http.MethodGet, pathHolds, nil, nil, &out)
	return out, err
}

// Hold pauses or stops a distribution, or all, and returns the holds that were made.
// Where the store does not answer, an agent on this machine pauses its own node
// alone, and the answer says so.
func (c *Client) Hold(ctx context.Context, req api.HoldRequest) (api.HoldList, error) {
	var out api.HoldList
	err := c.roundTrip(ctx, req.Kind, http.MethodPost, pathHolds, nil, req, &out)
	return out, err
}

// Release lifts holds, and returns them and what still holds.
func (c *Client) Release(ctx context.Context, req api.Release) (api.Released, error) {
	var out api.Released
	err := c.roundTrip(ctx, "resume", http.MethodPost, pathHolds+"/release", nil, req, &out)
	return out, err
}

// Limits lists what operators have limited, by name.
func (c *Client) Limits(ctx context.Context) ([]api.Limit, error) {
	var out api.LimitList
	err := c.roundTrip(ctx, "list limits", http.MethodGet, pathLimits, nil, nil, &out)
	return out.Limits, err
}

// PutLimit creates or replaces the limit l.Name and returns it with what the server
// set.
func (c *Client) PutLimit(ctx context.Context, l api.Limit) (api.Limit, error) {
	var out api.Limit
	path, err := object(pathLimits, l.Name)
	if err != nil {
		return out, err
	}
	err = c.roundTrip(ctx, "put limit "+l.Name, http.MethodPut, path, nil, l, &out)
	return out, err
}

// ChangeLimit changes the limit of that name, or makes it, and returns what it is
// then: without rates if it was taken away.
func (c *Client) ChangeLimit(ctx context.Context, name string, change api.LimitChange) (api.Limit, error) {
	var out api.Limit
	path, err := object(pathLimits, name)
	if err != nil {
		return out, err
	}
	err = c.roundTrip(ctx, "change limit "+name, http.MethodPatch, path, nil, change, &out)
	return out, err
}

// DeleteLimit takes a limit away.
func (c *Client) DeleteLimit(ctx context.Context, name string) error {
	return c.deleteOne(ctx, "delete limit", pathLimits, name)
}

// Explain says what each node of a distribution waits for.
func (c *Client) Explain(ctx context.Context, name string) (api.Explanation, error) {
	return one[api.Explanation](ctx, c, "explain", http.MethodGet, pathDistributions, name, "/explain")
}
