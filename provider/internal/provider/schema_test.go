package provider

import (
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
)

// The schema is valid, and everything in it is described.
func TestSchema(t *testing.T) {
	server, err := providerserver.NewProtocol6WithError(New("test")())()
	must(t, err)
	resp, err := server.GetProviderSchema(t.Context(), &tfprotov6.GetProviderSchemaRequest{})
	must(t, err)
	for _, d := range resp.Diagnostics {
		t.Errorf("%s: %s", d.Summary, d.Detail)
	}
	described(t, "provider", resp.Provider.Block.Attributes)
	for _, schemas := range []map[string]*tfprotov6.Schema{resp.ResourceSchemas, resp.DataSourceSchemas} {
		for name, s := range schemas {
			if s.Block.Description == "" {
				t.Errorf("%s is not described", name)
			}
			described(t, name, s.Block.Attributes)
		}
	}
	if len(resp.ResourceSchemas) != 2 || len(resp.DataSourceSchemas) != 1 {
		t.Errorf("%d resources and %d data sources", len(resp.ResourceSchemas), len(resp.DataSourceSchemas))
	}
}

func described(t *testing.T, in string, attributes []*tfprotov6.SchemaAttribute) {
	t.Helper()
	for _, a := range attributes {
		if a.Description == "" {
			t.Errorf("%s.%s is not described", in, a.Name)
		}
		if a.NestedType != nil {
			described(t, in+"."+a.Name, a.NestedType.Attributes)
		}
	}
}
