package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework-validators/listvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/provider/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// Values of the provider's attribute "unreachable".
const (
	unreachableWarn  = "warn"
	unreachableError = "error"
)

type rackswarmProvider struct{ version string }

var _ provider.Provider = (*rackswarmProvider)(nil)

// New returns what makes providers of a version.
func New(version string) func() provider.Provider {
	return func() provider.Provider { return &rackswarmProvider{version} }
}

type providerModel struct {
	Endpoints   types.List   `tfsdk:"endpoints"`
	TLS         *tlsModel    `tfsdk:"tls"`
	Unreachable types.String `tfsdk:"unreachable"`
}

type tlsModel struct {
	CAPEM    types.String `tfsdk:"ca_pem"`
	CAFile   types.String `tfsdk:"ca_file"`
	CertPEM  types.String `tfsdk:"cert_pem"`
	CertFile types.String `tfsdk:"cert_file"`
	KeyPEM   types.String `tfsdk:"key_pem"`
	KeyFile  types.String `tfsdk:"key_file"`
}

// Metadata names the provider.
func (p *rackswarmProvider) Metadata(_ context.Context, _ provider.MetadataRequest, resp *provider.MetadataResponse) {
	resp.TypeName, resp.Version = "rackswarm", p.version
}

// Schema describes the provider block.
func (p *rackswarmProvider) Schema(_ context.Context, _ provider.SchemaRequest, resp *provider.SchemaResponse) {
	resp.Schema = schema.Schema{
		MarkdownDescription: "Distributes large files and directory trees to the machines of data centers. " +
			"Agents fetch from one another and know racks and sites, so that content crosses each uplink about once. " +
			"Any agent that is up serves the whole fleet: one provider block is enough.",
		Attributes: map[string]schema.Attribute{
			"endpoints": schema.ListAttribute{
				ElementType: types.StringType, Optional: true,
				MarkdownDescription: "Agents, tried in order until one answers: `unix:///path` or `https://host:port`. " +
					"Default: `RACKSWARM_ENDPOINTS` (separated by commas), else the socket of the agent on this machine, `unix:///run/rackswarm/agent.sock`.",
				Validators: []validator.List{listvalidator.SizeAtLeast(1)},
			},
			"tls": schema.SingleNestedAttribute{
				Optional: true,
				MarkdownDescription: "Certificates for `https` endpoints, as `rackswarm pki issue` writes them. " +
					"What is not given here comes from the files that `RACKSWARM_CA`, `RACKSWARM_CERT` and `RACKSWARM_KEY` name.",
				Attributes: map[string]schema.Attribute{
					"ca_pem":    pemAttribute("The fleet's authority, PEM text.", "ca_file"),
					"ca_file":   fileAttribute("File of the fleet's authority."),
					"cert_pem":  pemAttribute("The certificate of an operator, PEM text. With a reader's, plans work and applies do not.", "cert_file"),
					"cert_file": fileAttribute("File of the certificate."),
					"key_pem":   pemAttribute("The certificate's key, PEM text.", "key_file"),
					"key_file":  fileAttribute("File of the certificate's key."),
				},
			},
			"unreachable": schema.StringAttribute{
				Optional: true,
				MarkdownDescription: "What a refresh does when no endpoint answers, or its store does not: `error` (default) fails, " +
					"`warn` keeps what the state says and warns. Changes fail either way.",
				Validators: []validator.String{stringvalidator.OneOf(unreachableWarn, unreachableError)},
			},
		},
	}
}

func pemAttribute(description, other string) schema.StringAttribute {
	return schema.StringAttribute{
		Optional: true, Sensitive: other == "key_file", MarkdownDescription: description,
		Validators: []validator.String{stringvalidator.ConflictsWith(path.MatchRelative().AtParent().AtName(other))},
	}
}

func fileAttribute(description string) schema.StringAttribute {
	return schema.StringAttribute{Optional: true, MarkdownDescription: description}
}

// Configure makes the client that resources and data sources use.
func (p *rackswarmProvider) Configure(ctx context.Context, req provider.ConfigureRequest, resp *provider.ConfigureResponse) {
	if !req.Config.Raw.IsFullyKnown() {
		c := &connection{err: errNotKnownYet}
		resp.ResourceData, resp.DataSourceData = c, c
		return
	}
	var model providerModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &model)...)
	if resp.Diagnostics.HasError() {
		return
	}
	c, diags := model.connect(ctx)
	resp.Diagnostics.Append(diags...)
	resp.ResourceData, resp.DataSourceData = c, c
}

// Resources lists the resource types.
func (p *rackswarmProvider) Resources(context.Context) []func() resource.Resource {
	return []func() resource.Resource{newArtifactResource, newDistributionResource}
}

// DataSources lists the data source types.
func (p *rackswarmProvider) DataSources(context.Context) []func() datasource.DataSource {
	return []func() datasource.DataSource{newNodesDataSource}
}
