package provider

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-log/tflog"

	"github.com/rackswarm/rackswarm/core/client"
)

// digests are artifacts that a resource published before its present one and
// that were still in use then. They are kept in the resource's private state.
type digests []string

const earlierKey = "earlier"

// privateReader and privateWriter are how the framework gives access to private
// state.
type privateReader interface {
	GetKey(ctx context.Context, key string) ([]byte, diag.Diagnostics)
}

type privateWriter interface {
	SetKey(ctx context.Context, key string, value []byte) diag.Diagnostics
}

func earlier(ctx context.Context, private privateReader) (digests, diag.Diagnostics) {
	text, diags := private.GetKey(ctx, earlierKey)
	if len(text) == 0 || diags.HasError() {
		return nil, diags
	}
	var d digests
	if err := json.Unmarshal(text, &d); err != nil {
		diags.AddError("private state", "The list of earlier artifacts does not parse: "+err.Error())
	}
	return d, diags
}

func (d digests) save(ctx context.Context, private privateWriter) diag.Diagnostics {
	if d == nil {
		d = digests{}
	}
	text, err := json.Marshal(d)
	if err != nil {
		return diag.Diagnostics{diag.NewErrorDiagnostic("private state", err.Error())}
	}
	return private.SetKey(ctx, earlierKey, text)
}

func (d digests) with(digest string) digests {
	return append(d.without(digest), digest)
}

func (d digests) without(digest string) digests {
	return slices.DeleteFunc(slices.Clone(d), func(x string) bool { return x == digest })
}

// withdrawUnused withdraws what no distribution uses, and returns what is left
// for another time.
func (r *artifactResource) withdrawUnused(ctx context.Context, old digests) digests {
	agent, err := r.conn.agent()
	if err != nil {
		return old
	}
	var left digests
	for _, digest := range old {
		if err := agent.DeleteArtifact(ctx, digest); err != nil && !client.IsNotFound(err) {
			tflog.Info(ctx, "an earlier artifact stays for now", map[string]any{"digest": digest, "reason": err.Error()})
			left = append(left, digest)
		}
	}
	return left
}
