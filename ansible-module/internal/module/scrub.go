package module

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

const hidden = "********"

// scrub returns v, as JSON decodes it, with every occurrence of the secrets in a
// text hidden.
func scrub(v any, secrets []string) (any, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode answer: %w", err)
	}
	var plain any
	if err := json.Unmarshal(text, &plain); err != nil {
		return nil, fmt.Errorf("decode answer: %w", err)
	}
	// The longest first: a shorter one may be a part of it.
	sorted := slices.SortedFunc(slices.Values(secrets), func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	var pairs []string
	for _, s := range sorted {
		pairs = append(pairs, s, hidden)
	}
	return hide(plain, strings.NewReplacer(pairs...)), nil
}

func hide(v any, r *strings.Replacer) any {
	switch v := v.(type) {
	case string:
		return r.Replace(v)
	case []any:
		for i := range v {
			v[i] = hide(v[i], r)
		}
	case map[string]any:
		for key := range v {
			v[key] = hide(v[key], r)
		}
	}
	return v
}
