package control

import (
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/rackswarm/rackswarm/core/api"
)

// description is what docs/openapi.yaml says, as far as it is compared.
type description struct {
	Paths      map[string]map[string]operation `yaml:"paths"`
	Components struct {
		Schemas map[string]schema `yaml:"schemas"`
	} `yaml:"components"`
}

type operation struct {
	ID          string `yaml:"operationId"`
	RequestBody struct {
		Content map[string]struct {
			Schema schema `yaml:"schema"`
		} `yaml:"content"`
	} `yaml:"requestBody"`
	Parameters []struct {
		Name, In string
	} `yaml:"parameters"`
}

type schema struct {
	Ref        string            `yaml:"$ref"`
	Type       string            `yaml:"type"`
	Format     string            `yaml:"format"`
	Required   []string          `yaml:"required"`
	Properties map[string]schema `yaml:"properties"`
	Items      *schema           `yaml:"items"`
	Additional any               `yaml:"additionalProperties"`
}

func readDescription(t *testing.T) description {
	t.Helper()
	text, err := os.ReadFile("../../../docs/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var d description
	if err := yaml.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// Every call is described, with the parameters of its path, and nothing else is.
func TestOpenAPIRoutes(t *testing.T) {
	d, s := readDescription(t), &Server{}
	described, ids := map[string]bool{}, map[string]bool{}
	for path, operations := range d.Paths {
		for method, o := range operations {
			pattern := strings.ToUpper(method) + " " + path
			described[pattern] = true
			if o.ID == "" || ids[o.ID] {
				t.Errorf("%s has operationId %q, which is missing or taken", pattern, o.ID)
			}
			ids[o.ID] = true
			for _, p := range o.Parameters {
				if p.In == "path" != strings.Contains(path, "{"+p.Name+"}") {
					t.Errorf("%s: parameter %s is in %s", pattern, p.Name, p.In)
				}
			}
		}
	}
	for _, table := range []map[string]handler{s.table(), s.nodeTable()} {
		for pattern := range table {
			if !described[pattern] {
				t.Errorf("%s is not described", pattern)
			}
			delete(described, pattern)
		}
	}
	for pattern := range described {
		t.Errorf("%s is described and not there", pattern)
	}
}

// Every type of the interface is described field by field, and nothing else is.
func TestOpenAPISchemas(t *testing.T) {
	schemas := readDescription(t).Components.Schemas
	seen := map[reflect.Type]bool{}
	for _, v := range []any{
		api.Info{}, api.NodeList{}, api.ArtifactList{}, api.DistributionList{}, api.PublishRequest{}, api.SourceState{},
		api.Progress{}, api.Status{}, api.Collection{}, api.TransferList{}, api.ErrorBody{},
		api.HoldRequest{}, api.HoldList{}, api.Release{}, api.Released{}, api.LimitList{}, api.LimitChange{}, api.Explanation{},
		api.LinkList{}, api.RunList{}, api.RunRequest{}, api.BackupList{}, api.ScheduleList{},
	} {
		compareType(t, schemas, reflect.TypeOf(v), seen)
	}
	for name := range schemas {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(seen)), func(typ reflect.Type) bool { return typ.Name() == name }) {
			t.Errorf("schema %s is not that of any type", name)
		}
	}
}

// compareType compares a named type of package api, and those that it uses.
func compareType(t *testing.T, schemas map[string]schema, typ reflect.Type, seen map[reflect.Type]bool) {
	t.Helper()
	if seen[typ] {
		return
	}
	seen[typ] = true
	s, ok := schemas[typ.Name()]
	if !ok {
		t.Errorf("type %s is not described", typ.Name())
		return
	}
	if typ.Kind() != reflect.Struct {
		compareShape(t, typ.Name(), s, typ, schemas, seen)
		return
	}
	var required []string
	fields := map[string]bool{}
	for _, f := range reflect.VisibleFields(typ) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if fields[name] = true; options == "" {
			required = append(required, name)
		}
		where := typ.Name() + "." + name
		property, ok := s.Properties[name]
		if !ok {
			t.Errorf("%s is not described", where)
			continue
		}
		compareShape(t, where, property, f.Type, schemas, seen)
	}
	for name := range s.Properties {
		if !fields[name] {
			t.Errorf("%s.%s is described and not there", typ.Name(), name)
		}
	}
	if slices.Sort(required); !slices.Equal(slices.Sorted(slices.Values(s.Required)), required) {
		t.Errorf("%s requires %v, and always has %v", typ.Name(), s.Required, required)
	}
}

// compareShape compares a place where a type stands.
func compareShape(t *testing.T, where string, s schema, typ reflect.Type, schemas map[string]schema, seen map[reflect.Type]bool) {
	t.Helper()
	if typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	named := typ.PkgPath() == reflect.TypeFor[api.Node]().PkgPath()
	if name, isRef := strings.CutPrefix(s.Ref, "#/components/schemas/"); isRef || named && typ.Name() != where {
		if name != typ.Name() {
			t.Errorf("%s is described as %q and is a %s", where, s.Ref, typ)
		}
		compareType(t, schemas, typ, seen)
		return
	}
	want := map[reflect.Kind]string{
		reflect.String: "string", reflect.Bool: "boolean", reflect.Slice: "array", reflect.Map: "object", reflect.Struct: "object",
		reflect.Int: "integer", reflect.Int64: "integer", reflect.Uint64: "integer", reflect.Float64: "number",
	}[typ.Kind()]
	if typ == reflect.TypeFor[time.Time]() {
		want = "string"
		if s.Format != "date-time" {
			t.Errorf("%s has format %q", where, s.Format)
		}
	}
	if s.Type != want || want == "" {
		t.Errorf("%s is described as %q and is %q", where, s.Type, want)
		return
	}
	if want == "array" && s.Items != nil {
		compareShape(t, where+"[]", *s.Items, typ.Elem(), schemas, seen)
	}
}
