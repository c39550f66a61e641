package client

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
)

// Links says what is known of all links that anybody declared, by location.
func (c *Client) Links(ctx context.Context) (api.LinkList, error) {
	var out api.LinkList
	err := c.roundTrip(ctx, "list links", http.MethodGet, pathLinks, nil, nil, &out)
	return out, err
}

// SwapLink says what the link l.Location carries, if was is still what is said of it; a
// was without At is that nothing is said. It returns l with what the server set. If
// others have changed the link the error's code is api.CodeConflict.
func (c *Client) SwapLink(ctx context.Context, l, was api.Link) (out api.Link, err error) {
	path, err := object(pathLinks, l.Location)
	if err != nil {
		return out, err
	}
	err = c.roundTrip(ctx, "put the link of "+l.Location, http.MethodPut, path, wasSaid(was), l, &out)
	return out, err
}

// DeleteLink forgets what was said of a location's link, and what was measured.
func (c *Client) DeleteLink(ctx context.Context, location string) error {
	return c.deleteOne(ctx, "delete the link of", pathLinks, location)
}

// SwapDeleteLink is DeleteLink if was is still what is said of the link was.Location; a was
// without At is that nothing is said. If others have changed the link the error's code is
// api.CodeConflict.
func (c *Client) SwapDeleteLink(ctx context.Context, was api.Link) error {
	path, err := object(pathLinks, was.Location)
	if err != nil {
		return err
	}
	return c.roundTrip(ctx, "delete the link of "+was.Location, http.MethodDelete, path, wasSaid(was), nil, nil)
}

// wasSaid is a request's query for what was read of a link.
func wasSaid(was api.Link) url.Values {
	if was.At.IsZero() {
		return url.Values{"was": {"nothing"}}
	}
	return url.Values{"was": {was.At.Format(time.RFC3339Nano)}}
}
