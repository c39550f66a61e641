package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/rackswarm/rackswarm/core/api"
)

type nodesDataSource struct{ conn *connection }

var (
	_ datasource.DataSourceWithConfigure      = (*nodesDataSource)(nil)
	_ datasource.DataSourceWithValidateConfig = (*nodesDataSource)(nil)
)

func newNodesDataSource() datasource.DataSource { return &nodesDataSource{} }

type nodesModel struct {
	Selector types.Object `tfsdk:"selector"`
	Nodes    []nodeModel  `tfsdk:"nodes"`
}

type nodeModel struct {
	Name        types.String      `tfsdk:"name"`
	Location    types.String      `tfsdk:"location"`
	Labels      map[string]string `tfsdk:"labels"`
	Alive       types.Bool        `tfsdk:"alive"`
	Version     types.String      `tfsdk:"version"`
	DataAddress types.String      `tfsdk:"data_address"`
	APIAddress  types.String      `tfsdk:"api_address"`
}

// Metadata names the data source.
func (d *nodesDataSource) Metadata(_ context.Context, req datasource.MetadataRequest, resp *datasource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_nodes"
}

// Schema describes the data source.
func (d *nodesDataSource) Schema(_ context.Context, _ datasource.SchemaRequest, resp *datasource.SchemaResponse) {
	text := func(description string) schema.StringAttribute {
		return schema.StringAttribute{Computed: true, MarkdownDescription: description}
	}
	resp.Schema = schema.Schema{
		MarkdownDescription: "The nodes of the fleet: machines that run an agent, those that are down included.",
		Attributes: map[string]schema.Attribute{
			"selector": schema.SingleNestedAttribute{
				Optional: true, MarkdownDescription: describeSelector,
				Attributes: map[string]schema.Attribute{
					"locations":  schema.SetAttribute{ElementType: types.StringType, Optional: true, MarkdownDescription: describeLocations},
					"labels":     schema.MapAttribute{ElementType: types.StringType, Optional: true, MarkdownDescription: describeLabels},
					"node_names": schema.SetAttribute{ElementType: types.StringType, Optional: true, MarkdownDescription: describeNodeNames},
				},
			},
			"nodes": schema.ListNestedAttribute{
				Computed: true, MarkdownDescription: "The nodes that the selector matches, sorted by name.",
				NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
					"name":         text("Name of the node."),
					"location":     text("Where it is, such as `ams1/rack-27`; empty at the root."),
					"labels":       schema.MapAttribute{ElementType: types.StringType, Computed: true, MarkdownDescription: "Its labels."},
					"alive":        schema.BoolAttribute{Computed: true, MarkdownDescription: "Whether its agent is up."},
					"version":      text("Version of its agent."),
					"data_address": text("`host:port` that other agents fetch from."),
					"api_address":  text("`host:port` of its control interface; empty if that listens on no network."),
				}},
			},
		},
	}
}

// Configure takes the provider's connection.
func (d *nodesDataSource) Configure(_ context.Context, req datasource.ConfigureRequest, resp *datasource.ConfigureResponse) {
	d.conn = connectionOf(req.ProviderData, &resp.Diagnostics)
}

// ValidateConfig checks the selector without an agent.
func (d *nodesDataSource) ValidateConfig(ctx context.Context, req datasource.ValidateConfigRequest, resp *datasource.ValidateConfigResponse) {
	var m nodesModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &m)...)
	if resp.Diagnostics.HasError() || !req.Config.Raw.IsFullyKnown() {
		return
	}
	s, diags := selectorOf(ctx, m.Selector)
	resp.Diagnostics.Append(diags...)
	if err := s.Validate(); err != nil {
		addError(&resp.Diagnostics, "selector", err, field)
	}
}

// Read lists the nodes.
func (d *nodesDataSource) Read(ctx context.Context, req datasource.ReadRequest, resp *datasource.ReadResponse) {
	var m nodesModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &m)...)
	s, diags := selectorOf(ctx, m.Selector)
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	nodes, err := d.nodes(ctx)
	if err != nil {
		addError(&resp.Diagnostics, "nodes", err, nowhere)
		return
	}
	m.Nodes = []nodeModel{}
	for _, n := range nodes {
		if s.Matches(n) {
			m.Nodes = append(m.Nodes, nodeOf(n))
		}
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, &m)...)
}

func (d *nodesDataSource) nodes(ctx context.Context) ([]api.Node, error) {
	agent, err := d.conn.agent()
	if err != nil {
		return nil, err
	}
	return agent.Nodes(ctx)
}

func nodeOf(n api.Node) nodeModel {
	labels := n.Labels
	if labels == nil {
		labels = map[string]string{}
	}
	return nodeModel{
		Name: types.StringValue(n.Name), Location: types.StringValue(n.Location), Labels: labels,
		Alive: types.BoolValue(n.Alive), Version: types.StringValue(n.Version),
		DataAddress: types.StringValue(n.DataAddr), APIAddress: types.StringValue(n.APIAddr),
	}
}
