// Package conninfo reads and writes the connection strings of libpq in their
// form of keywords and values (PostgreSQL documentation, "Connection Strings").
// It is pure.
package conninfo

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Conninfo is what a connection string says. Values are in plain text.
type Conninfo struct {
	values []pair
}

type pair struct{ key, value string }

// ErrURI says that a connection string has the form of a URI.
var ErrURI = errors.New("connection URIs are not read; write keywords and values, such as host=db1 port=5432")

// Parse reads text as libpq does: words "key = value" separated by blanks, values
// with blanks in single quotes, a backslash before a quote or a backslash. Of a
// key that comes twice the last counts. A zero byte is refused, as libpq would
// end there.
func Parse(text string) (Conninfo, error) {
	if strings.HasPrefix(text, "postgresql://") || strings.HasPrefix(text, "postgres://") {
		return Conninfo{}, ErrURI
	}
	if strings.ContainsRune(text, 0) {
		return Conninfo{}, errors.New("a zero byte")
	}
	var c Conninfo
	for rest := strings.TrimLeft(text, blanks); rest != ""; rest = strings.TrimLeft(rest, blanks) {
		end := strings.IndexAny(rest, "="+blanks)
		if end < 0 {
			return Conninfo{}, fmt.Errorf("missing \"=\" after %q", rest)
		}
		key := rest[:end]
		rest = strings.TrimLeft(rest[end:], blanks)
		if key == "" || rest == "" || rest[0] != '=' {
			return Conninfo{}, fmt.Errorf("missing \"=\" after %q", key)
		}
		value, after, err := parseValue(strings.TrimLeft(rest[1:], blanks))
		if err != nil {
			return Conninfo{}, fmt.Errorf("%s: %w", key, err)
		}
		c = c.With(key, value)
		rest = after
	}
	return c, nil
}

// blanks are what isspace tells in the C locale.
const blanks = " \t\n\v\f\r"

// parseValue reads a value at the beginning of text and returns what follows.
func parseValue(text string) (value, rest string, err error) {
	quoted := strings.HasPrefix(text, "'")
	if quoted {
		text = text[1:]
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch ch := text[i]; {
		case ch == '\\' && i+1 < len(text):
			i++
			b.WriteByte(text[i])
		case ch == '\\': // the last byte: libpq drops it
		case quoted && ch == '\'':
			return b.String(), text[i+1:], nil
		case !quoted && strings.IndexByte(blanks, ch) >= 0:
			return b.String(), text[i:], nil
		default:
			b.WriteByte(ch)
		}
	}
	if quoted {
		return "", "", errors.New("the quoted value does not end")
	}
	return b.String(), "", nil
}

// Get returns the value of key, "" if there is none.
func (c Conninfo) Get(key string) string {
	for _, p := range c.values {
		if p.key == key {
			return p.value
		}
	}
	return ""
}

// Keys are the keywords in the order of their first mention.
func (c Conninfo) Keys() []string {
	keys := make([]string, 0, len(c.values))
	for _, p := range c.values {
		keys = append(keys, p.key)
	}
	return keys
}

// With returns c with key set to value. It changes nothing of c.
func (c Conninfo) With(key, value string) Conninfo {
	values := slices.Clone(c.values)
	if i := slices.IndexFunc(values, func(p pair) bool { return p.key == key }); i >= 0 {
		values[i].value = value
		return Conninfo{values}
	}
	return Conninfo{append(values, pair{key, value})}
}

// Over returns c with all that other says on top.
func (c Conninfo) Over(other Conninfo) Conninfo {
	for _, p := range other.values {
		c = c.With(p.key, p.value)
	}
	return c
}

// String writes c so that Parse, and libpq, read the same from it.
func (c Conninfo) String() string {
	words := make([]string, 0, len(c.values))
	for _, p := range c.values {
		words = append(words, p.key+"="+quote(p.value))
	}
	return strings.Join(words, " ")
}

// quote puts value in quotes where it needs them.
func quote(value string) string {
	if value != "" && !strings.ContainsAny(value, blanks+`'\`) {
		return value
	}
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(value) + "'"
}
