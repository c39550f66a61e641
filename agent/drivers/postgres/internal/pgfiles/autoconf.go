package pgfiles

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

var assignment = regexp.MustCompile(`^\s*([A-Za-z_][A-Za-z0-9_$.]*)\s*=?\s*(.*)$`)

// SetConf returns the configuration text with set's parameters at its end, and
// without any other line that sets them or one of drop. Other lines stay as they
// are. Setting the same again changes nothing.
func SetConf(text string, set map[string]string, drop ...string) string {
	gone := func(name string) bool {
		_, ok := set[name]
		return ok || slices.Contains(drop, name)
	}
	var kept []string
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		m := assignment.FindStringSubmatch(line)
		if m != nil && gone(strings.ToLower(m[1])) {
			continue
		}
		kept = append(kept, line)
	}
	for _, name := range slices.Sorted(maps.Keys(set)) {
		kept = append(kept, name+" = "+quoteConf(set[name]))
	}
	return strings.Join(append(kept, ""), "\n")
}

// Conf returns the value that a configuration text gives to a parameter, "" if
// it gives none. The last line counts, as for the server.
func Conf(text, name string) string {
	value := ""
	for line := range strings.Lines(text) {
		if m := assignment.FindStringSubmatch(strings.TrimRight(line, "\r\n")); m != nil && strings.EqualFold(m[1], name) {
			value = unquoteConf(m[2])
		}
	}
	return value
}

// quoteConf writes a value as ALTER SYSTEM does: in single quotes, a quote twice.
// Backslashes are escapes in the server's reading (guc-file.l). Values have no
// newline: see Valid.
func quoteConf(value string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(value) + "'"
}

// Valid reports whether value can stand in a line of a configuration file.
func Valid(value string) bool { return !strings.ContainsAny(value, "\n\r\x00") }

func unquoteConf(text string) string {
	if !strings.HasPrefix(text, "'") {
		value, _, _ := strings.Cut(text, "#")
		return strings.TrimSpace(value)
	}
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '\\' && i+1 < len(text):
			i++
			b.WriteByte(text[i])
		case text[i] == '\'' && i+1 < len(text) && text[i+1] == '\'':
			i++
			b.WriteByte('\'')
		case text[i] == '\'':
			return b.String()
		default:
			b.WriteByte(text[i])
		}
	}
	return b.String()
}
