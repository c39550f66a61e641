package provider

import (
	"context"
	"regexp"

	"github.com/hashicorp/terraform-plugin-framework-timeouts/resource/timeouts"
	"github.com/hashicorp/terraform-plugin-framework-validators/int64validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// pieceSizes are the powers of two from 16 KiB to 16 MiB.
var pieceSizes = func() []int64 {
	var sizes []int64
	for size := int64(16 << 10); size <= 16<<20; size *= 2 {
		sizes = append(sizes, size)
	}
	return sizes
}()

var checksumForm = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// Schema describes the resource.
func (r *artifactResource) Schema(ctx context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	resp.Schema = schema.Schema{
		MarkdownDescription: "Content, a file or a directory tree, that is published: hashed, signed with the agent's publisher key, and ready to be fetched. " +
			"Content enters neither the state nor, as a whole, memory.\n\n" +
			"A changed source is published as a new artifact, in place: only `digest` changes, and a distribution that uses it moves what differs. " +
			"Artifacts that this resource published before are withdrawn as soon as no distribution uses them, at the latest when it is destroyed.",
		Attributes: map[string]schema.Attribute{
			"name": schema.StringAttribute{
				Optional: true, Computed: true,
				MarkdownDescription: "Name of the artifact, part of what the digest covers. Default: the last part of `source`.",
				Validators:          []validator.String{stringvalidator.LengthBetween(1, 255)},
			},
			"source": schema.StringAttribute{
				Required: true,
				MarkdownDescription: "Where the content is. A path of a file or directory on the machine that runs Terraform: an agent on that machine that may read it publishes it in place, " +
					"and serves it from there, so leave it as it is while nodes fetch it; otherwise it is streamed to the agent, which keeps a copy. " +
					"An `http://` or `https://` URL: the agent downloads it and keeps the copy. `node://NAME/PATH`: the node of that name publishes the path in place, if its configuration allows that.",
				Validators: []validator.String{stringvalidator.LengthAtLeast(1)},
			},
			"source_hash": schema.StringAttribute{
				Optional: true,
				MarkdownDescription: "Any text that changes when the content of `source` does, such as a version or `filesha256(…)`. " +
					"With it plans do not look at the source, and modification times do not matter.",
			},
			"source_headers_wo": schema.MapAttribute{
				ElementType: types.StringType, Optional: true, WriteOnly: true, Sensitive: true,
				MarkdownDescription: "Headers for a source that is a URL, such as `{ Authorization = \"Bearer …\" }`. They enter neither the state nor the plan, and no agent stores them. " +
					"Changing them alone publishes nothing.",
			},
			"source_fingerprint": schema.StringAttribute{
				Computed: true,
				MarkdownDescription: "What the names, sizes, modes and modification times in `source` were when it was published, as one hash; of a URL, the version that its server tells (`ETag` or `Last-Modified`), or `checksum` if that is given. " +
					"A plan looks anew and publishes again if it differs. A server that tells no version needs `source_hash` or `checksum` for changes to be seen. Null if `source_hash` is given.",
			},
			"piece_size": schema.Int64Attribute{
				Optional: true, Computed: true,
				MarkdownDescription: "Bytes that are verified together, a power of two from 16384 to 16777216. Default: chosen to fit the content.",
				Validators:          []validator.Int64{int64validator.OneOf(pieceSizes...)},
			},
			"digest": schema.StringAttribute{
				Computed: true, MarkdownDescription: "Identity of the content: `sha256:` and the BitTorrent v2 info-hash in hexadecimal.",
			},
			"size_bytes": schema.Int64Attribute{Computed: true, MarkdownDescription: "Size of all files."},
			"files":      schema.Int64Attribute{Computed: true, MarkdownDescription: "Number of files."},
			"kind":       schema.StringAttribute{Computed: true, MarkdownDescription: "`file` or `tree`."},
			"checksum": schema.StringAttribute{
				Optional: true, Computed: true,
				MarkdownDescription: "Of a file: `sha256:` and the SHA-256 of its content in hexadecimal. If it is given, other content is refused. Null for trees.",
				Validators:          []validator.String{stringvalidator.RegexMatches(checksumForm, "write sha256: and 64 lower-case hexadecimal digits, as sha256sum prints them")},
			},
			"publisher": schema.StringAttribute{
				Computed: true, MarkdownDescription: "Public key that the artifact is signed with, base64 of the ed25519 key.",
			},
			"seeds": schema.ListAttribute{
				ElementType: types.StringType, Computed: true, MarkdownDescription: "Nodes that hold the published source.",
			},
			"timeouts": timeoutsAttribute(ctx, timeouts.Opts{
				Create: true, Update: true, Delete: true,
				CreateDescription: "How long publishing may take, such as `30m`. Default: `2h`.",
				UpdateDescription: "How long publishing may take, such as `30m`. Default: `2h`.",
				DeleteDescription: "How long withdrawing may take. Default: `5m`.",
			}),
		},
	}
}
