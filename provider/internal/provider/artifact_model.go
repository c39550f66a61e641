package provider

import (
	"context"
	"path/filepath"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework-timeouts/resource/timeouts"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/rackswarm/rackswarm/core/api"
)

type artifactModel struct {
	Name              types.String   `tfsdk:"name"`
	Source            types.String   `tfsdk:"source"`
	SourceHash        types.String   `tfsdk:"source_hash"`
	SourceHeaders     types.Map      `tfsdk:"source_headers_wo"` // null but in the configuration
	SourceFingerprint types.String   `tfsdk:"source_fingerprint"`
	PieceSize         types.Int64    `tfsdk:"piece_size"`
	Digest            types.String   `tfsdk:"digest"`
	SizeBytes         types.Int64    `tfsdk:"size_bytes"`
	Files             types.Int64    `tfsdk:"files"`
	Kind              types.String   `tfsdk:"kind"`
	Checksum          types.String   `tfsdk:"checksum"`
	Publisher         types.String   `tfsdk:"publisher"`
	Seeds             types.List     `tfsdk:"seeds"`
	Timeouts          timeouts.Value `tfsdk:"timeouts"`
}

// take sets what the fleet says of the artifact.
func (m *artifactModel) take(ctx context.Context, a api.Artifact) diag.Diagnostics {
	m.Name = types.StringValue(a.Name)
	m.PieceSize = types.Int64Value(a.PieceLength)
	m.Digest = types.StringValue(a.Digest)
	m.SizeBytes = types.Int64Value(a.SizeBytes)
	m.Files = types.Int64Value(int64(a.Files))
	m.Kind = types.StringValue(a.Kind)
	m.Checksum = stringOrNull(a.Checksum)
	m.Publisher = types.StringValue(a.Publisher)
	if m.Source.IsNull() { // imported
		m.Source = stringOrNull(a.Source)
	}
	var diags diag.Diagnostics
	m.Seeds, diags = types.ListValueFrom(ctx, types.StringType, slices.Sorted(slices.Values(a.Seeds)))
	return diags
}

// keep takes over from the state what the fleet said.
func (m *artifactModel) keep(state artifactModel) {
	m.PieceSize, m.Digest, m.SizeBytes, m.Files = state.PieceSize, state.Digest, state.SizeBytes, state.Files
	m.Kind, m.Checksum, m.Publisher, m.Seeds = state.Kind, state.Checksum, state.Publisher, state.Seeds
}

// forget makes known only after apply what the fleet will say. What the
// configuration gives stays.
func (m *artifactModel) forget(config artifactModel) {
	if config.PieceSize.IsNull() {
		m.PieceSize = types.Int64Unknown()
	}
	if config.Checksum.IsNull() {
		m.Checksum = types.StringUnknown()
	}
	m.Digest, m.Kind, m.Publisher = types.StringUnknown(), types.StringUnknown(), types.StringUnknown()
	m.SizeBytes, m.Files = types.Int64Unknown(), types.Int64Unknown()
	m.Seeds = types.ListUnknown(types.StringType)
}

// published reports whether the state's artifact is what m asks for. Piece size
// and checksum count only if the configuration gives them.
func (m *artifactModel) published(config, state artifactModel) bool {
	return m.Source.Equal(state.Source) && m.SourceHash.Equal(state.SourceHash) && m.SourceFingerprint.Equal(state.SourceFingerprint) &&
		m.Name.Equal(state.Name) && (config.PieceSize.IsNull() || m.PieceSize.Equal(state.PieceSize)) &&
		(config.Checksum.IsNull() || m.Checksum.Equal(state.Checksum))
}

// defaultName is the last part of the source, as the agent would choose it; of
// what is not on this machine, the agent does.
func defaultName(source types.String) types.String {
	if source.IsUnknown() || api.IsRemote(source.ValueString()) {
		return types.StringUnknown()
	}
	path, err := filepath.Abs(source.ValueString())
	if err != nil {
		return types.StringUnknown()
	}
	return types.StringValue(filepath.Base(path))
}

func stringOrNull(s string) types.String {
	if s == "" {
		return types.StringNull()
	}
	return types.StringValue(s)
}
