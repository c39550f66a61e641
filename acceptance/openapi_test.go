package acceptance

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/rackswarm/rackswarm/acceptance/fleet"
	"github.com/rackswarm/rackswarm/core/api"
)

// What real agents answer is what docs/openapi.yaml says.
func TestOpenAPI(t *testing.T) {
	t.Parallel()
	f := fleet.Start(t, fleet.Options{Nodes: fleet.Racks("ams1/r1", 2)})
	src := makeTree(t)
	f.CLI("distribute", "tree", "--source", src, "--path", filepath.Join(f.Root, "tree"), "--label", "none=such", "--allow-empty")
	f.CLI("distribute", "tree", "--source", src, "--path", filepath.Join(f.Root, "tree"), "--wait")
	c := newCaller(t, f.Agents()[0])
	fill := strings.NewReplacer("{name}", "tree", "{digest}", status(f, "tree").Distribution.Digest).Replace
	for path, operations := range c.paths {
		_, ok := operations["get"]
		switch {
		case !ok || strings.HasSuffix(path, "/events"):
		case strings.Contains(path, "{id}"):
			c.wantAnswer("get", path, strings.ReplaceAll(path, "{id}", "nothing"), nil, http.StatusNotFound)
		default:
			c.wantAnswer("get", path, fill(path), nil, http.StatusOK)
		}
	}
	c.wantAnswer("post", "/v1/artifacts", "/v1/artifacts", api.PublishRequest{Source: src}, http.StatusOK)
	c.wantAnswer("post", "/v1/sources", "/v1/sources", api.PublishRequest{Source: src}, http.StatusOK)
	d := map[string]any{"digest": status(f, "tree").Distribution.Digest, "path": filepath.Join(f.Root, "other"), "selector": api.Selector{}}
	c.wantAnswer("put", "/v1/distributions/{name}", "/v1/distributions/other", d, http.StatusOK)
	for _, what := range []string{"verify", "activate"} {
		c.wantAnswer("post", "/v1/distributions/{name}/"+what, "/v1/distributions/tree/"+what, nil, http.StatusOK)
	}
	c.wantAnswer("delete", "/v1/distributions/{name}", "/v1/distributions/other?content=remove", nil, http.StatusAccepted)
	c.wantAnswer("delete", "/v1/distributions/{name}", "/v1/distributions/tree", nil, http.StatusNoContent)

	c.wantAnswer("get", "/v1/distributions/{name}", "/v1/distributions/nothing", nil, http.StatusNotFound)
	c.wantAnswer("get", "/v1/artifacts/{digest}", "/v1/artifacts/odd", nil, http.StatusBadRequest, http.StatusNotFound)
	c.wantAnswer("put", "/v1/distributions/{name}", "/v1/distributions/tree", []int{1}, http.StatusBadRequest)
	c.wantAnswer("post", "/v1/runs", "/v1/runs", api.RunRequest{}, http.StatusBadRequest)
	c.wantAnswer("put", "/v1/schedules/{name}", "/v1/schedules/nightly", api.Schedule{When: "often"}, http.StatusBadRequest)
}

// object is a part of the description as YAML has it.
type object = map[string]any

// caller calls an agent by its description.
type caller struct {
	*testing.T
	http    http.Client
	paths   map[string]object
	schemas object
}

func newCaller(t *testing.T, a *fleet.Agent) *caller {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(fleet.Top(), "docs", "openapi.yaml"))
	must(t, err)
	var d struct {
		Paths      map[string]object `yaml:"paths"`
		Components struct {
			Schemas object `yaml:"schemas"`
		} `yaml:"components"`
	}
	must(t, yaml.Unmarshal(text, &d))
	c := &caller{T: t, paths: d.Paths, schemas: d.Components.Schemas}
	c.http.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", a.Socket)
	}}
	t.Cleanup(c.http.CloseIdleConnections)
	return c
}

// wantAnswer makes a call, and compares its status with those that are expected
// and its body with the description.
func (c *caller) wantAnswer(method, path, url string, body any, statuses ...int) {
	c.Helper()
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		must(c.T, err)
		content = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(c.Context(), strings.ToUpper(method), "http://agent"+url, content)
	must(c.T, err)
	resp, err := c.http.Do(req)
	must(c.T, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	must(c.T, err)
	if !slices.Contains(statuses, resp.StatusCode) {
		c.Errorf("%s %s: status %d, want %v: %s", method, url, resp.StatusCode, statuses, text)
		return
	}
	schema := c.schemaOf(method, path, resp)
	if schema == nil {
		return
	}
	var v any
	must(c.T, json.Unmarshal(text, &v))
	if err := c.fits("the answer", v, schema); err != nil {
		c.Errorf("%s %s: %v in %s", method, url, err, text)
	}
}

// schemaOf is what the description says of the answer's body, nil if it is not
// JSON.
func (c *caller) schemaOf(method, path string, resp *http.Response) object {
	c.Helper()
	responses := c.paths[path][method].(object)["responses"].(object)
	r, ok := responses[fmt.Sprint(resp.StatusCode)].(object)
	if !ok && resp.StatusCode >= 400 {
		return object{"$ref": "#/components/schemas/ErrorBody"}
	}
	if !ok {
		c.Errorf("%s %s: status %d is not described", method, path, resp.StatusCode)
		return nil
	}
	content, _ := r["content"].(object)
	kind := resp.Header.Get("Content-Type")
	if content[kind] == nil && kind != "" {
		c.Errorf("%s %s: content of type %s is not described", method, path, kind)
	}
	if kind != "application/json" || content[kind] == nil {
		return nil
	}
	return content[kind].(object)["schema"].(object)
}

// fits checks a value against the part of JSON Schema that the description uses.
func (c *caller) fits(where string, v any, schema object) error {
	if ref, ok := schema["$ref"].(string); ok {
		name := strings.TrimPrefix(ref, "#/components/schemas/")
		return c.fits(where, v, c.schemas[name].(object))
	}
	switch v := v.(type) {
	case object:
		return c.fitsObject(where, v, schema)
	case []any:
		if schema["type"] != "array" {
			return fmt.Errorf("%s is a list", where)
		}
		for i, item := range v {
			if err := c.fits(fmt.Sprintf("%s[%d]", where, i), item, schema["items"].(object)); err != nil {
				return err
			}
		}
		return nil
	}
	return fitsPlain(where, v, schema)
}

func (c *caller) fitsObject(where string, v, schema object) error {
	if schema["type"] != "object" {
		return fmt.Errorf("%s is an object", where)
	}
	properties, _ := schema["properties"].(object)
	others, free := schema["additionalProperties"].(object)
	for _, key := range slices.Sorted(maps.Keys(v)) {
		inner, known := properties[key].(object)
		if !known && !free {
			return fmt.Errorf("%s has %q, which is not described", where, key)
		}
		if !known {
			inner = others
		}
		if err := c.fits(where+"."+key, v[key], inner); err != nil {
			return err
		}
	}
	required, _ := schema["required"].([]any)
	for _, key := range required {
		if _, ok := v[key.(string)]; !ok {
			return fmt.Errorf("%s lacks %q", where, key)
		}
	}
	return nil
}

func fitsPlain(where string, v any, schema object) error {
	is := "null"
	switch v := v.(type) {
	case string:
		is = "string"
		if _, err := time.Parse(time.RFC3339Nano, v); err != nil && schema["format"] == "date-time" {
			return fmt.Errorf("%s is no time: %w", where, err)
		}
	case bool:
		is = "boolean"
	case float64:
		if is = "number"; v == float64(int64(v)) && schema["type"] == "integer" {
			is = "integer"
		}
	}
	if schema["type"] != is {
		return fmt.Errorf("%s is %s %v, described as %v", where, is, v, schema["type"])
	}
	return nil
}
