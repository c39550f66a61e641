package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework-timeouts/resource/timeouts"
	"github.com/hashicorp/terraform-plugin-framework-validators/int64validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/booldefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/int64default"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringdefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/rackswarm/rackswarm/core/api"
)

// Values of on_partial and on_destroy.
const (
	partialError  = "error"
	partialWarn   = "warn"
	destroyRetain = "retain"
	destroyRemove = "remove"
)

// defaultMinSuccess is in percent.
const defaultMinSuccess = 100

// failedNodeTypes are the attributes of an element of failed_nodes.
var failedNodeTypes = map[string]attr.Type{"node": types.StringType, "error": types.StringType}

// Schema describes the resource.
func (r *distributionResource) Schema(ctx context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	resp.Schema = schema.Schema{
		MarkdownDescription: "The desired state that an artifact stands at a path on the nodes that a selector matches: now, when a node joins or comes back later, and when files there are lost or changed. " +
			"The agents keep it so by themselves. An apply states it and waits for the nodes; a refresh finds what is not as it should be.",
		Attributes: map[string]schema.Attribute{},
	}
	for _, part := range []map[string]schema.Attribute{desiredAttributes(), trafficAttributes(), behaviourAttributes(ctx), stateAttributes(), measuredAttributes()} {
		for name, a := range part {
			resp.Schema.Attributes[name] = a
		}
	}
}

func desiredAttributes() map[string]schema.Attribute {
	return map[string]schema.Attribute{
		"name": schema.StringAttribute{
			Required: true, MarkdownDescription: "Name of the distribution, unique in the fleet. Another name is another distribution.",
			PlanModifiers: []planmodifier.String{stringplanmodifier.RequiresReplace()},
		},
		"artifact_digest": schema.StringAttribute{
			Required:            true,
			MarkdownDescription: "Digest of the artifact, such as `rackswarm_artifact.x.digest`. After a change nodes fetch only what they do not have, and swap it into place.",
		},
		"path": schema.StringAttribute{
			Required: true,
			MarkdownDescription: "Absolute path on the nodes, inside an allowed root of each. The artifact is at this path, not below it. " +
				"After a change nodes place what they have there anew, and then remove it from the former path.",
		},
		"selector": schema.SingleNestedAttribute{
			Optional: true, MarkdownDescription: describeSelector + " Nodes that a change no longer matches keep the content and forget about it.",
			Attributes: map[string]schema.Attribute{
				"locations":  schema.SetAttribute{ElementType: types.StringType, Optional: true, MarkdownDescription: describeLocations},
				"labels":     schema.MapAttribute{ElementType: types.StringType, Optional: true, MarkdownDescription: describeLabels},
				"node_names": schema.SetAttribute{ElementType: types.StringType, Optional: true, MarkdownDescription: describeNodeNames},
			},
		},
		"owner": schema.StringAttribute{Optional: true, MarkdownDescription: "User who owns the content, a name or number. Left out, it is not managed: new content belongs to the user of the agent."},
		"group": schema.StringAttribute{Optional: true, MarkdownDescription: "Group that owns the content, a name or number. Left out, it is not managed: new content has the group of the agent."},
		"mode":  schema.StringAttribute{Optional: true, MarkdownDescription: "Octal mode of a file, or of a tree's top directory, such as `0755`. Default: that of the source."},
		"overwrite": schema.BoolAttribute{
			Optional: true, Computed: true, Default: booldefault.StaticBool(false),
			MarkdownDescription: "Whether content at `path` that rackswarm did not put there may be replaced. Default: `false`, such nodes fail.",
		},
		"allow_empty": schema.BoolAttribute{
			Optional: true, Computed: true, Default: booldefault.StaticBool(false),
			MarkdownDescription: "Whether the selector may match no node for now. Default: `false`.",
		},
		"activate": schema.StringAttribute{
			Optional: true, Computed: true, Default: stringdefault.StaticString(api.ActivateEach),
			MarkdownDescription: "When nodes switch to new content: `each` (default) as soon as its own is complete and verified, or `together`, once all matching nodes have it complete and verified. " +
				"With `together` a node that is down or fails holds back all; `rackswarm activate NAME` switches without it.",
			Validators: []validator.String{stringvalidator.OneOf(api.ActivateEach, api.ActivateTogether)},
		},
		"keep_previous": schema.BoolAttribute{
			Optional: true, Computed: true, Default: booldefault.StaticBool(false),
			MarkdownDescription: "Whether nodes keep the version before this one, so that a return to it moves no bytes. It takes the space of a second copy. Default: `false`.",
		},
		"hooks": schema.SingleNestedAttribute{
			Optional: true,
			MarkdownDescription: "Commands that the nodes run around the switch to new content, by the names that the agents' configuration gives them. " +
				"A node whose configuration lacks one refuses before it fetches.",
			Attributes: map[string]schema.Attribute{
				"before": schema.ListAttribute{
					ElementType: types.StringType, Optional: true,
					MarkdownDescription: "Run on the new content before the switch, in this order. One that fails keeps the previous version in place.",
				},
				"after": schema.ListAttribute{
					ElementType: types.StringType, Optional: true,
					MarkdownDescription: "Run on what stands after the switch, in this order. One that fails brings the previous version back.",
				},
			},
		},
	}
}

const onTheRun = " A change takes effect within a second, also on a transfer that runs, which goes on from where it is."

// trafficAttributes say how bytes move. They are changed in place, and no apply waits
// for the nodes because of them.
func trafficAttributes() map[string]schema.Attribute {
	return map[string]schema.Attribute{
		"priority": schema.StringAttribute{
			Optional: true, Computed: true, Default: stringdefault.StaticString(api.PriorityNormal),
			MarkdownDescription: "How urgent the transfer is: `background`, `normal` (default) or `urgent`. Where links are short, what is more urgent goes first, and the rest waits." + onTheRun,
			Validators:          []validator.String{stringvalidator.OneOf(api.PriorityBackground, api.PriorityNormal, api.PriorityUrgent)},
		},
		"max_download": schema.StringAttribute{
			Optional: true, MarkdownDescription: "What each node receives at most, such as `10MiB/s` or `200Mbit`. Default: no ceiling." + onTheRun,
		},
		"max_upload": schema.StringAttribute{
			Optional: true, MarkdownDescription: "What each node sends at most, such as `10MiB/s` or `200Mbit`. Default: no ceiling." + onTheRun,
		},
		"windows": schema.ListAttribute{
			ElementType: types.StringType, Optional: true,
			MarkdownDescription: "Rates of each node at times of the week, for what it receives and for what it sends: days, times and a rate, such as `mon-fri 08:00-18:00 20Mbit` or `sat,sun 00:00-24:00 unlimited`. " +
				"`otherwise 1MiB/s` is what holds outside of all windows, by default no limit. Where windows overlap, the lowest rate counts; the rate 0 lets nothing move." + onTheRun,
		},
		"time_zone": schema.StringAttribute{
			Optional: true, MarkdownDescription: "The time zone of `windows`, such as `Europe/Amsterdam`. Default: `UTC`.",
		},
	}
}

func behaviourAttributes(ctx context.Context) map[string]schema.Attribute {
	return map[string]schema.Attribute{
		"wait": schema.BoolAttribute{
			Optional: true, Computed: true, Default: booldefault.StaticBool(true),
			MarkdownDescription: "Whether applies wait until the nodes have the content, and plans a repair when they have not. With `false` an apply only states what is desired. Default: `true`.",
		},
		"min_success_percent": schema.Int64Attribute{
			Optional: true, Computed: true, Default: int64default.StaticInt64(defaultMinSuccess),
			MarkdownDescription: "How many of the matching nodes have to hold the content for an apply to succeed, in percent. Applies wait for all that are able to. Default: `100`.",
			Validators:          []validator.Int64{int64validator.Between(1, 100)},
		},
		"on_partial": schema.StringAttribute{
			Optional: true, Computed: true, Default: stringdefault.StaticString(partialError),
			MarkdownDescription: "What an apply does when fewer nodes than `min_success_percent` come to hold the content, because the others fail, are down, or are not done within the timeout: " +
				"`error` (default) or `warn`. The state is kept either way, with `converged = false`, and the next apply goes on in place. " +
				"The apply that creates the distribution warns even with `error` if nodes hold, or still fetch, the content, since Terraform replaces what it failed to create; " +
				"to have it fail as well, add a `postcondition` on `self.converged`.",
			Validators: []validator.String{stringvalidator.OneOf(partialError, partialWarn)},
		},
		"on_destroy": schema.StringAttribute{
			Optional: true, Computed: true, Default: stringdefault.StaticString(destroyRetain),
			MarkdownDescription: "What happens to the content when the distribution is destroyed: `retain` (default) leaves it on the nodes, `remove` removes it and waits for that.",
			Validators:          []validator.String{stringvalidator.OneOf(destroyRetain, destroyRemove)},
		},
		"triggers": schema.MapAttribute{
			ElementType: types.StringType, Optional: true,
			MarkdownDescription: "Any values. When one changes, nodes hash all content again, and repair what differs.",
		},
		"timeouts": timeoutsAttribute(ctx, timeouts.Opts{
			Create: true, Update: true, Delete: true,
			CreateDescription: "How long to wait for the nodes, such as `30m`. The agents go on after it. Default: `2h`.",
			UpdateDescription: "How long to wait for the nodes, such as `30m`. The agents go on after it. Default: `2h`.",
			DeleteDescription: "How long to wait for the removal of content. The agents go on after it. Default: `30m`.",
		}),
	}
}

func stateAttributes() map[string]schema.Attribute {
	list := func(description string) schema.ListAttribute {
		return schema.ListAttribute{ElementType: types.StringType, Computed: true, MarkdownDescription: description}
	}
	return map[string]schema.Attribute{
		"converged": schema.BoolAttribute{
			Computed: true, MarkdownDescription: "Whether at least `min_success_percent` of the matching nodes hold the content. When a refresh finds `false`, a repair in place is planned.",
		},
		"target_count":    schema.Int64Attribute{Computed: true, MarkdownDescription: "How many nodes match the selector."},
		"converged_count": schema.Int64Attribute{Computed: true, MarkdownDescription: "How many of them hold the content, verified. A node that is down counts by its last report."},
		"failed_nodes": schema.ListNestedAttribute{
			Computed: true, MarkdownDescription: "Nodes that failed; they try again by themselves.",
			NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
				"node":  schema.StringAttribute{Computed: true, MarkdownDescription: "Name of the node."},
				"error": schema.StringAttribute{Computed: true, MarkdownDescription: "What failed there, and what can be done."},
			}},
		},
		"drifted_nodes":     list("Nodes that noticed missing or changed files and are repairing them."),
		"unreachable_nodes": list("Nodes whose agent is down."),
	}
}

func measuredAttributes() map[string]schema.Attribute {
	const when = " As of the last apply that changed something."
	return map[string]schema.Attribute{
		"cross_bytes": schema.Int64Attribute{Computed: true, MarkdownDescription: "Bytes that crossed uplinks between top-level locations." + when},
		"uplink_copies": schema.MapAttribute{
			ElementType: types.Float64Type, Computed: true,
			MarkdownDescription: "For each location, the bytes that entered it over the size of the artifact. One is ideal." + when,
		},
		"seeding_ratio": schema.Float64Attribute{Computed: true, MarkdownDescription: "Bytes that the publishing nodes sent over the size of the artifact." + when},
		"seconds":       schema.Float64Attribute{Computed: true, MarkdownDescription: "Time from the first node's start to the last one's installation." + when},
	}
}
