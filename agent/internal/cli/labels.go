package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// pairs writes labels as key=value, by key.
func pairs(labels map[string]string) string {
	var all []string
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		all = append(all, k+"="+labels[k])
	}
	return strings.Join(all, ",")
}

// parseLabels reads key=value texts.
func parseLabels(texts []string) (map[string]string, error) {
	labels := map[string]string{}
	for _, text := range texts {
		key, value, ok := strings.Cut(text, "=")
		if !ok || key == "" {
			return nil, usage("--label", fmt.Sprintf("%q is not key=value", text), "write for example --label role=web")
		}
		if old, twice := labels[key]; twice && old != value {
			return nil, usage("--label", fmt.Sprintf("%s is asked to be both %s and %s, which no node is", key, old, value), "give one of them")
		}
		labels[key] = value
	}
	return labels, nil
}
