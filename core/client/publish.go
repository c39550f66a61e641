package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/rackswarm/rackswarm/core/api"
)

// Publish asks the agent to hash, sign and serve a path on its own machine, to
// download a URL, or to have another node publish a path. progress may be nil.
// Publishing the same content again returns the artifact that stands. A download
// that ctx interrupts goes on where it stopped when the same agent is asked
// again.
func (c *Client) Publish(ctx context.Context, req api.PublishRequest, progress func(api.Progress)) (api.Artifact, error) {
	return c.publish(ctx, pathArtifacts, req, progress)
}

// PublishForNode is what an agent asks another one for: to publish a path of its
// machine, which must lie in a directory that its configuration opens to the
// nodes.
func (c *Client) PublishForNode(ctx context.Context, req api.PublishRequest, progress func(api.Progress)) (api.Artifact, error) {
	return c.publish(ctx, pathNodeArtifacts, req, progress)
}

func (c *Client) publish(ctx context.Context, path string, req api.PublishRequest, progress func(api.Progress)) (api.Artifact, error) {
	op := "publish " + api.ShowSource(req.Source)
	body, err := json.Marshal(req)
	if err != nil {
		return api.Artifact{}, &failure{&api.Error{Code: api.CodeInvalid, Subject: op, Message: err.Error()}, err}
	}
	return c.published(ctx, call{op: op, method: http.MethodPost, path: path, body: body}, progress)
}

// Inspect tells, without moving content, which version a URL or a path of another
// node has: it is to be published again if Version is not the artifact's
// SourceVersion. Only Source and Headers of req count.
func (c *Client) Inspect(ctx context.Context, req api.PublishRequest) (api.SourceState, error) {
	return c.inspect(ctx, pathSources, req)
}

// InspectForNode is to Inspect what PublishForNode is to Publish.
func (c *Client) InspectForNode(ctx context.Context, req api.PublishRequest) (api.SourceState, error) {
	return c.inspect(ctx, pathNodeSources, req)
}

func (c *Client) inspect(ctx context.Context, path string, req api.PublishRequest) (api.SourceState, error) {
	var out api.SourceState
	err := c.roundTrip(ctx, "look at "+api.ShowSource(req.Source), http.MethodPost, path, nil, req, &out)
	return out, err
}

// PublishStream sends content to the agent, which keeps a copy and publishes
// that. kind is "file" (body: the bytes; its mode becomes 0644) or "tree" (body:
// a tar stream). A pieceSize of 0 lets the agent choose. progress may be nil.
// After an error the body may still be read from once.
func (c *Client) PublishStream(ctx context.Context, name, kind string, pieceSize int64, body io.Reader, progress func(api.Progress)) (api.Artifact, error) {
	return c.publishStream(ctx, api.StreamRequest{Name: name, Kind: kind, PieceSize: pieceSize}, body, progress)
}

// publishStream leaves out of the query what is zero in req.
func (c *Client) publishStream(ctx context.Context, req api.StreamRequest, body io.Reader, progress func(api.Progress)) (api.Artifact, error) {
	query := url.Values{"name": {req.Name}, "kind": {req.Kind}}
	if req.PieceSize != 0 {
		query.Set("piece_size", strconv.FormatInt(req.PieceSize, 10))
	}
	if req.Mode != 0 {
		query.Set("mode", strconv.FormatUint(uint64(req.Mode), 8))
	}
	if req.Checksum != "" {
		query.Set("checksum", req.Checksum)
	}
	return c.published(ctx, call{op: "publish " + req.Name, method: http.MethodPost, path: pathStream, query: query,
		stream: &source{r: body}}, progress)
}

// published follows the events of a publication to its result.
func (c *Client) published(ctx context.Context, r call, progress func(api.Progress)) (api.Artifact, error) {
	var out api.Artifact
	s, err := c.events(ctx, r)
	if err != nil {
		return out, err
	}
	defer s.close()
	for {
		e, err := s.next()
		switch {
		case err != nil:
			return out, publishFailure(ctx, r, err)
		case e.name == api.EventResult:
			err = json.Unmarshal(e.data, &out)
		case e.name == api.EventProgress && progress != nil:
			var p api.Progress
			if err = json.Unmarshal(e.data, &p); err == nil {
				progress(p)
			}
		}
		if err != nil {
			return out, wrapBroken(r.op, fmt.Errorf("decode event %q: %w", e.name, err))
		}
		if e.name == api.EventResult {
			return out, nil
		}
	}
}

// publishFailure prefers the reason on the client's side to the broken stream
// that it caused.
func publishFailure(ctx context.Context, r call, err error) error {
	if ctx.Err() != nil {
		return canceled(ctx, r.op)
	}
	if r.stream != nil && r.stream.failed() != nil {
		return sourceFailure(r.op, r.stream.failed())
	}
	return wrapBroken(r.op, err)
}
