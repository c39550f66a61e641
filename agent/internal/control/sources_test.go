package control_test

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/rackswarm/rackswarm/agent/internal/control"
	"github.com/rackswarm/rackswarm/agent/internal/pki"
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/client"
)

// A node's certificate may have a path published that is open to nodes, and
// nothing else that changes anything.
func TestWhoMayAskForWhat(t *testing.T) {
	certs := newCertificates(t)
	f := serve(t, func(c *control.Config) {
		certs.listen(c)
		c.Publisher = scripted{run: func(context.Context, io.Reader, func(api.Progress)) (api.Artifact, error) {
			return api.Artifact{Digest: "d"}, nil
		}}
	})
	req := api.PublishRequest{Source: "/srv/x"}
	for _, call := range []struct {
		name string
		do   func(c *client.Client) error
		may  []pki.Role
	}{
		{"publish", func(c *client.Client) error {
			_, err := c.Publish(f.ctx, req, nil)
			return err
		}, []pki.Role{pki.RoleOperator}},
		{"look", func(c *client.Client) error {
			_, err := c.Inspect(f.ctx, req)
			return err
		}, []pki.Role{pki.RoleOperator}},
		{"publish for a node", func(c *client.Client) error {
			_, err := c.PublishForNode(f.ctx, req, nil)
			return err
		}, []pki.Role{pki.RoleOperator, pki.RoleNode}},
		{"look for a node", func(c *client.Client) error {
			_, err := c.InspectForNode(f.ctx, req)
			return err
		}, []pki.Role{pki.RoleOperator, pki.RoleNode}},
	} {
		for _, role := range pki.Roles {
			may := slices.Contains(call.may, role)
			err := call.do(certs.as(f, role))
			if may && err != nil || !may && code(err) != api.CodeForbidden {
				t.Errorf("%s as %s: %v", call.name, role, err)
			}
		}
	}
}

func TestSourcesAreChecked(t *testing.T) {
	f := publishing(t, func(context.Context, io.Reader, func(api.Progress)) (api.Artifact, error) { return api.Artifact{}, nil })
	for _, path := range []string{"/v1/artifacts", "/v1/sources", "/v1/node/artifacts", "/v1/node/sources"} {
		for body, subject := range map[string]string{
			`{"source": "s3://bucket/x"}`:                                    "source",
			`{"source": "https://u:hunter2@/x"}`:                             "source",
			`{"source": "/x", "checksum": "1"}`:                              "checksum",
			`{"source": "/x", "headers": {"A": "b"}}`:                        "headers",
			`{"source": "https://h/x", "headers": {"A": "hunter2\r\nB: c"}}`: "headers",
			`{"source": "/x", "piece_size": 5}`:                              "piece_size",
			`{"source": "node://web2/x", "expect": {"boot_id": "1"}}`:        "expect",
		} {
			status, answer := exchange(t, socketHTTP(f.socket), "POST", path, body)
			if want := `"subject":"` + subject + `"`; status != http.StatusBadRequest || !strings.Contains(answer, want) || strings.Contains(answer, "hunter2") {
				t.Errorf("%s %s: %d %s", path, body, status, answer)
			}
		}
	}
}

// Who passes a request on to another node needs no key.
func TestPassingOnNeedsNoKey(t *testing.T) {
	f := serve(t, func(c *control.Config) {
		c.Self = func() api.Info { return api.Info{Node: "web1"} }
		c.Publisher = scripted{run: func(context.Context, io.Reader, func(api.Progress)) (api.Artifact, error) {
			return api.Artifact{Digest: "d"}, nil
		}}
	})
	_, err := f.client.Publish(f.ctx, api.PublishRequest{Source: "node://web2/srv/x"}, nil)
	f.must(err)
	_, err = f.client.Publish(f.ctx, api.PublishRequest{Source: "https://h/x"}, nil)
	wantError(t, err, api.CodeCannotPublish, "publish.key")
	_, err = f.client.PublishForNode(f.ctx, api.PublishRequest{Source: "/srv/x"}, nil)
	wantError(t, err, api.CodeCannotPublish, "publish.key")
}
