package provider

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/client"
)

// connection is what the provider block says, for resources and data sources.
type connection struct {
	client *client.Client
	err    error // why there is no client
	// tolerant keeps the state, with a warning, when no agent answers a refresh.
	tolerant bool
}

// errNotKnownYet is the client's stand-in while the provider block depends on
// what an apply has yet to make.
var errNotKnownYet = &api.Error{Code: api.CodeUnreachable, Subject: "provider rackswarm",
	Message: "its configuration depends on values that are known only after apply",
	Fix:     "apply what these values come from first, with -target, or use variables"}

// connectionOf takes what Configure was given; nil data means that Terraform
// only validates.
func connectionOf(data any, diags *diag.Diagnostics) *connection {
	if data == nil {
		return nil
	}
	c, ok := data.(*connection)
	if !ok {
		diags.AddError("provider rackswarm", fmt.Sprintf("It hands its resources a %T; this is a bug in it.", data))
	}
	return c
}

// agent returns the client, or why there is none.
func (c *connection) agent() (*client.Client, error) { return c.client, c.err }

// keepState reports whether a refresh that failed so leaves the state as it is.
func (c *connection) keepState(err error) bool {
	var e *api.Error
	return c.tolerant && errors.As(err, &e) && (e.Code == api.CodeUnreachable || e.Code == api.CodeStoreDown)
}

// connect fills in from the environment what the block leaves out. It does not
// reach out to agents yet.
func (m providerModel) connect(ctx context.Context) (*connection, diag.Diagnostics) {
	var diags diag.Diagnostics
	var endpoints []string
	diags.Append(m.Endpoints.ElementsAs(ctx, &endpoints, false)...)
	if len(endpoints) == 0 {
		endpoints = splitList(os.Getenv("RACKSWARM_ENDPOINTS"))
	}
	conf, err := m.tls()
	if err != nil {
		addError(&diags, "tls", err, under(path.Root("tls")))
		return nil, diags
	}
	c, err := client.New(client.Config{Endpoints: endpoints, TLS: conf})
	if err != nil {
		addError(&diags, "endpoints", err, under(path.Root("endpoints")))
		return nil, diags
	}
	return &connection{client: c, tolerant: m.Unreachable.ValueString() == unreachableWarn}, diags
}

func splitList(s string) []string {
	var out []string
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}

// tls is nil if neither the block nor the environment names a certificate.
func (m providerModel) tls() (*tls.Config, error) {
	t := cmp.Or(m.TLS, &tlsModel{})
	ca, errCA := pemText("ca", t.CAPEM, t.CAFile, "RACKSWARM_CA")
	cert, errCert := pemText("cert", t.CertPEM, t.CertFile, "RACKSWARM_CERT")
	key, errKey := pemText("key", t.KeyPEM, t.KeyFile, "RACKSWARM_KEY")
	if err := cmp.Or(errCA, errCert, errKey); err != nil {
		return nil, err
	}
	if ca == "" && cert == "" && key == "" {
		return nil, nil
	}
	for _, part := range []struct{ name, text string }{{"ca", ca}, {"cert", cert}, {"key", key}} {
		if part.text == "" {
			return nil, &api.Error{Code: api.CodeInvalid, Subject: "tls." + part.name + "_pem",
				Message: "the CA, the certificate and its key belong together, but this one is missing",
				Fix:     fmt.Sprintf("set %s_pem, %s_file or RACKSWARM_%s", part.name, part.name, strings.ToUpper(part.name))}
		}
	}
	return client.TLSFromPEM(ca, cert, key)
}

// pemText returns the text, or that of the file, or that of the file which the
// variable names, or "".
func pemText(name string, text, file types.String, variable string) (string, error) {
	if text.ValueString() != "" {
		return text.ValueString(), nil
	}
	name, from := name+"_file", file.ValueString()
	if from == "" {
		name, from = variable, os.Getenv(variable)
	}
	if from == "" {
		return "", nil
	}
	read, err := os.ReadFile(from)
	if err != nil {
		return "", &api.Error{Code: api.CodeInvalid, Subject: name, Message: err.Error(), Fix: "name a PEM file that 'rackswarm pki' wrote"}
	}
	return string(read), nil
}
