package client

import (
	"context"
	"net/http"

	"github.com/rackswarm/rackswarm/core/api"
)

// Links says what is known of all links that anybody declared, by location.
func (c *Client) Links(ctx context.Context) (api.LinkList, error) {
	var out api.LinkList
	err := c.roundTrip(ctx, "list links", http.MethodGet, pathLinks, nil, nil, &out)
	return out, err
}

// PutLink says what the link l.Location carries, in place of what was said before,
// and returns that with what the server set.
func (c *Client) PutLink(ctx context.Context, l api.Link) (api.Link, error) {
	var out api.Link
	path, err := object(pathLinks, l.Location)
	if err != nil {
		return out, err
	}
	err = c.roundTrip(ctx, "put the link of "+l.Location, http.MethodPut, path, nil, l, &out)
	return out, err
}

// DeleteLink forgets what was said of a location's link, and what was measured.
func (c *Client) DeleteLink(ctx context.Context, location string) error {
	return c.deleteOne(ctx, "delete the link of", pathLinks, location)
}
