package artifact

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// escapes maps names that are not UTF-8, which BEP 52 cannot carry, to names
// that stand for them in the file tree.
type escapes map[string]string

// escapeNames chooses an escaped form for every name that needs one, and gives
// every file its key.
func (b *Builder) escapeNames() {
	b.escapes = chooseEscapes(b.elements())
	for i := range b.files {
		b.files[i].key = b.escapes.path(b.files[i].path)
	}
}

// elements returns the names in the file tree, or nothing if all are UTF-8.
func (b *Builder) elements() map[string]bool {
	valid := func(f builderFile) bool { return utf8.ValidString(f.path) }
	if utf8.ValidString(b.name) && !slices.ContainsFunc(b.files, func(f builderFile) bool { return !valid(f) }) {
		return nil
	}
	names := map[string]bool{b.name: true}
	for _, f := range b.files {
		for element := range strings.SplitSeq(f.path, "/") {
			names[element] = true
		}
	}
	return names
}

// chooseEscapes finds for every name that is not UTF-8 one that is, and that no
// other name has. Names are tried in order, so that the same content has the
// same digest.
func chooseEscapes(taken map[string]bool) escapes {
	e := make(escapes)
	for _, raw := range slices.Sorted(maps.Keys(taken)) {
		if utf8.ValidString(raw) {
			continue
		}
		escaped := escape(raw)
		for taken[escaped] {
			escaped += "~"
		}
		e[raw], taken[escaped] = escaped, true
	}
	return e
}

// path escapes the elements of a path.
func (e escapes) path(path string) string {
	if utf8.ValidString(path) {
		return path
	}
	elements := strings.Split(path, "/")
	for i, element := range elements {
		elements[i] = e.name(element)
	}
	return strings.Join(elements, "/")
}

// name escapes one name.
func (e escapes) name(raw string) string {
	if escaped, ok := e[raw]; ok {
		return escaped
	}
	return raw
}

// escape writes the bytes of a name that are not UTF-8 as %FF.
func escape(name string) string {
	var out strings.Builder
	for len(name) > 0 {
		r, size := utf8.DecodeRuneInString(name)
		if r == utf8.RuneError && size == 1 {
			fmt.Fprintf(&out, "%%%02X", name[0])
		} else {
			out.WriteString(name[:size])
		}
		name = name[size:]
	}
	return out.String()
}
