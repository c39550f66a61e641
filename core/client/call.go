package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/rackswarm/rackswarm/core/api"
)

const (
	maxAnswer      = 256 << 20 // bytes of a JSON answer
	maxErrorAnswer = 1 << 20
	typeJSON       = "application/json"
	typeEvents     = "text/event-stream"
	typeTorrent    = "application/x-bittorrent"
)

// call is one request. It is sent to the next endpoint again as long as its
// body has not been touched, or can be repeated.
type call struct {
	op     string // for errors: "publish /srv/x"
	method string
	path   string
	query  url.Values
	accept string
	body   []byte  // JSON, repeatable
	stream *source // or a body that passes once
}

// send returns the answer of the first endpoint that gives one. The caller
// closes the body of an answer; answers that say failure come as errors.
func (c *Client) send(ctx context.Context, r call) (*http.Response, error) {
	var tried []attempt
	first := int(c.good.Load())
	for i := range c.endpoints {
		n := (first + i) % len(c.endpoints)
		e := c.endpoints[n]
		resp, err := e.do(ctx, r)
		if err == nil {
			c.good.Store(int32(n))
			resp, err = checked(resp)
			if err == nil {
				c.answered.Store(true)
			}
			return resp, err
		}
		if ctx.Err() != nil {
			return nil, canceled(ctx, r.op)
		}
		if r.stream != nil && r.stream.failed() != nil {
			return nil, sourceFailure(r.op, r.stream.failed())
		}
		tried = append(tried, attempt{e.name, err})
		if r.stream != nil && r.stream.touched() {
			break
		}
	}
	return nil, unreachable(tried)
}

func (e endpoint) do(ctx context.Context, r call) (*http.Response, error) {
	target := e.base + r.path
	if len(r.query) > 0 {
		target += "?" + r.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target, r.reader())
	if err != nil {
		return nil, fmt.Errorf("build request %s %s: %w", r.method, r.path, err)
	}
	req.Header.Set("Accept", r.accept)
	switch {
	case r.stream != nil:
		req.Header.Set("Content-Type", "application/octet-stream")
		// The agent may refuse before a byte of the content has passed.
		req.Header.Set("Expect", "100-continue")
	case r.body != nil:
		req.Header.Set("Content-Type", typeJSON)
	}
	return e.http.Do(req)
}

func (r call) reader() io.Reader {
	switch {
	case r.stream != nil:
		return r.stream
	case r.body != nil:
		return bytes.NewReader(r.body)
	}
	return nil
}

// checked turns an answer that is not a success into its error.
func checked(resp *http.Response) (*http.Response, error) {
	if resp.StatusCode/100 == 2 {
		return resp, nil
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorAnswer))
	var b api.ErrorBody
	if json.Unmarshal(text, &b) == nil && b.Error != nil {
		return nil, b.Error
	}
	return nil, &api.Error{Code: api.CodeInternal, Subject: resp.Request.URL.Path,
		Message: fmt.Sprintf("answered %s: %.200s", resp.Status, bytes.TrimSpace(text)),
		Fix:     "check that the endpoint is a rackswarm agent of version " + api.Version}
}

// roundTrip sends in as JSON (nil: no body) and decodes the answer into out
// (nil: ignored).
func (c *Client) roundTrip(ctx context.Context, op, method, path string, query url.Values, in, out any) error {
	r := call{op: op, method: method, path: path, query: query, accept: typeJSON}
	if in != nil {
		body, err := json.Marshal(in)
		if err != nil {
			return &failure{&api.Error{Code: api.CodeInvalid, Subject: op, Message: err.Error()}, err}
		}
		r.body = body
	}
	resp, err := c.send(ctx, r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(out); err != nil {
		if ctx.Err() != nil {
			return canceled(ctx, op)
		}
		return &failure{&api.Error{Code: api.CodeInternal, Subject: op,
			Message: fmt.Sprintf("the agent's answer does not decode: %v", err),
			Fix:     "use a client and an agent of the same version"}, err}
	}
	return nil
}

// object joins a collection and the name of one of its members to a path.
func object(collection, name string) (string, error) {
	if name == "" || name == "." || name == ".." {
		return "", &api.Error{Code: api.CodeInvalid, Subject: fmt.Sprintf("%q", name), Message: "not a name", Fix: "give a name"}
	}
	return collection + "/" + url.PathEscape(name), nil
}
