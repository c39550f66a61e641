package provider

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/client"
)

// ModifyPlan looks whether the source has changed, and plans to publish again
// only then.
func (r *artifactResource) ModifyPlan(ctx context.Context, req resource.ModifyPlanRequest, resp *resource.ModifyPlanResponse) {
	if req.Plan.Raw.IsNull() {
		return
	}
	var plan, config artifactModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	resp.Diagnostics.Append(req.Config.Get(ctx, &config)...)
	var state *artifactModel
	if !req.State.Raw.IsNull() {
		state = &artifactModel{}
		resp.Diagnostics.Append(req.State.Get(ctx, state)...)
	}
	if resp.Diagnostics.HasError() {
		return
	}
	if config.Name.IsNull() {
		plan.Name = defaultName(plan.Source)
		if state != nil && plan.Name.IsUnknown() && plan.Source.Equal(state.Source) {
			plan.Name = state.Name
		}
	}
	r.planFingerprint(ctx, &plan, &config, state, &resp.Diagnostics)
	switch {
	case state == nil:
	case plan.published(config, *state):
		plan.keep(*state)
	default:
		plan.forget(config)
	}
	resp.Diagnostics.Append(resp.Plan.Set(ctx, &plan)...)
}

// planFingerprint looks at the source, unless the configuration says itself what
// changes. A source that is not there yet may come to be in the same apply; one
// that is not there any more was published before.
func (r *artifactResource) planFingerprint(ctx context.Context, plan, config, state *artifactModel, diags *diag.Diagnostics) {
	switch {
	case !plan.SourceHash.IsNull():
		plan.SourceFingerprint = types.StringNull()
		return
	case plan.Source.IsUnknown(), config.Checksum.IsUnknown():
		plan.SourceFingerprint = types.StringUnknown()
		return
	case api.IsRemote(plan.Source.ValueString()) && !config.Checksum.IsNull(): // which pins the content
		plan.SourceFingerprint = types.StringValue(config.Checksum.ValueString())
		return
	}
	source := plan.Source.ValueString()
	f, err := r.fingerprint(ctx, source, config.SourceHeaders)
	switch {
	case err == nil && f == noVersion && state != nil && plan.Source.Equal(state.Source):
		plan.SourceFingerprint = state.SourceFingerprint
	case err == nil:
		plan.SourceFingerprint = types.StringValue(f)
	case !missing(err):
		addError(diags, api.ShowSource(source), err, under(path.Root("source")))
	case state != nil && plan.Source.Equal(state.Source):
		plan.SourceFingerprint = state.SourceFingerprint
		diags.AddAttributeWarning(path.Root("source"), api.ShowSource(source),
			fmt.Sprintf("It is not to be had any more, so changes cannot be seen: %v. What was published before, %s, stays.", err, state.Digest.ValueString()))
	default:
		plan.SourceFingerprint = types.StringUnknown()
	}
}

// missing reports whether a source is not there now, and may be at another time.
func missing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || client.IsNotFound(err) || errors.Is(err, errUnknownHeaders) ||
		hasCode(err, api.CodeSourceDown) || hasCode(err, api.CodeUnreachable)
}

// errUnknownHeaders says that what a source is asked with is known only after
// apply.
var errUnknownHeaders = errors.New("its headers are known only after apply")

// fingerprint tells the versions of a source apart. That of a remote one an agent
// has to ask for.
func (r *artifactResource) fingerprint(ctx context.Context, source string, headers types.Map) (string, error) {
	if !api.IsRemote(source) {
		return fingerprint(ctx, source)
	}
	sent, err := headersOf(headers)
	if err != nil {
		return "", err
	}
	agent, err := r.conn.agent()
	if err != nil {
		return "", err
	}
	st, err := agent.Inspect(ctx, api.PublishRequest{Source: source, Headers: sent})
	return remoteVersion(st.Version), err
}

func remoteVersion(version string) string { return noVersion + version }

// noVersion is the fingerprint of a remote source that tells no version.
const noVersion = "version:"

// headersOf reads the headers of a configuration.
func headersOf(m types.Map) (map[string]string, error) {
	headers := map[string]string{}
	for name, v := range m.Elements() {
		value, ok := v.(types.String)
		if !ok || value.IsUnknown() {
			return nil, errUnknownHeaders
		}
		headers[name] = value.ValueString()
	}
	if m.IsUnknown() {
		return nil, errUnknownHeaders
	}
	return headers, nil
}
