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
	said := "nothing"
	if !was.At.IsZero() {
		said = was.At.Format(time.RFC3339Nano)
	}
	err = c.roundTrip(ctx, "put the link of "+l.Location, http.MethodPut, path, url.Values{"was": {said}}, l, &out)
	return out, err
}

// DeleteLink forgets what was said of a location's link, and what was measured.
func (c *Client) DeleteLink(ctx context.Context, location string) error {
	return c.deleteOne(ctx, "delete the link of", pathLinks, location)
}
