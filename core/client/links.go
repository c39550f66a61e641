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

// PutLink says what the link l.Location carries, in place of what was said before,
// and returns that with what the server set.
func (c *Client) PutLink(ctx context.Context, l api.Link) (api.Link, error) {
	return c.putLink(ctx, l, nil)
}

func (c *Client) putLink(ctx context.Context, l api.Link, query url.Values) (out api.Link, err error) {
	path, err := object(pathLinks, l.Location)
	if err != nil {
		return out, err
	}
	err = c.roundTrip(ctx, "put the link of "+l.Location, http.MethodPut, path, query, l, &out)
	return out, err
}

// SwapLink is PutLink if was is still what is said of the link; a was without At is that
// nothing is said. If others have changed it the error's code is api.CodeConflict.
func (c *Client) SwapLink(ctx context.Context, l, was api.Link) (api.Link, error) {
	said := "nothing"
	if !was.At.IsZero() {
		said = was.At.Format(time.RFC3339Nano)
	}
	return c.putLink(ctx, l, url.Values{"was": {said}})
}

// DeleteLink forgets what was said of a location's link, and what was measured.
func (c *Client) DeleteLink(ctx context.Context, location string) error {
	return c.deleteOne(ctx, "delete the link of", pathLinks, location)
}
