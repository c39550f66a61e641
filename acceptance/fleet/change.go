package fleet

import (
	"os"

	"github.com/goccy/go-yaml"
)

// Configure changes the agent's configuration file, for its next start. Sections
// are joined with what is there; a nil value takes a setting away.
func (a *Agent) Configure(settings map[string]any) {
	t := a.fleet.t
	t.Helper()
	text, err := os.ReadFile(a.Config)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]any{}
	if err := yaml.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	merge(all, settings)
	if text, err = yaml.Marshal(all); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(a.Config, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func merge(into, from map[string]any) {
	for key, value := range from {
		below, isMap := value.(map[string]any)
		old, wasMap := into[key].(map[string]any)
		switch {
		case value == nil:
			delete(into, key)
		case isMap && wasMap:
			merge(old, below)
		default:
			into[key] = value
		}
	}
}
