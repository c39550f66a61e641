package api

import (
	"encoding/hex"
	"fmt"
	"net/url"
	"path"
	"strings"

	"github.com/rackswarm/rackswarm/core/unit"
)

// SourceKind says where the content of a publication comes from.
type SourceKind int

// The kinds of sources.
const (
	SourcePath SourceKind = iota // a path of the agent's machine
	SourceURL                    // an http or https URL that the agent downloads
	SourceNode                   // a path of another node's machine
)

// Source is a PublishRequest's Source, understood.
type Source struct {
	Kind SourceKind
	Path string   // absolute; of a SourcePath and a SourceNode
	Node string   // of a SourceNode
	URL  *url.URL // of a SourceURL; may hold a user and password, has no fragment
}

const (
	schemeHTTP  = "http"
	schemeHTTPS = "https"
	schemeNode  = "node"
	sourceFix   = "write an absolute path, https://HOST/PATH, http://HOST/PATH or node://NAME/PATH"
	maxSource   = 8 << 10 // bytes
)

// IsRemote reports whether a source is written with a scheme, such as a URL or
// node://NAME/PATH, so that it is not a path of the client's machine.
func IsRemote(source string) bool {
	scheme, _ := cutScheme(source)
	return scheme != ""
}

// cutScheme splits "scheme://rest"; the scheme is "" if there is none, and in
// lower case.
func cutScheme(source string) (scheme, rest string) {
	scheme, rest, ok := strings.Cut(source, "://")
	odd := func(c rune) bool {
		return !alphanumeric(c) && !strings.ContainsRune("+-.", c)
	}
	if !ok || scheme == "" || strings.ContainsFunc(scheme, odd) {
		return "", source
	}
	return strings.ToLower(scheme), rest
}

// ParseSource understands a source. Its errors do not repeat what may hold a
// password.
func ParseSource(source string) (Source, error) {
	scheme, rest := cutScheme(source)
	switch {
	case len(source) > maxSource:
		return Source{}, invalid("source", fmt.Sprintf("it has %d bytes; at most %d are allowed", len(source), maxSource), "choose a shorter one")
	case scheme == schemeHTTP || scheme == schemeHTTPS:
		return parseURL(source)
	case scheme == schemeNode:
		return parseNodeSource(rest)
	case scheme != "":
		return Source{}, invalid("source", fmt.Sprintf("scheme %q is not known", scheme), sourceFix)
	case !path.IsAbs(source):
		return Source{}, invalid("source", fmt.Sprintf("%q is not absolute", source), sourceFix)
	}
	return Source{Kind: SourcePath, Path: source}, checkSourcePath(source)
}

func parseURL(source string) (Source, error) {
	u, err := url.Parse(source)
	switch {
	case err != nil:
		return Source{}, invalid("source", "it does not parse as a URL", sourceFix+"; write odd characters as %XX")
	case u.Hostname() == "":
		return Source{}, invalid("source", "the URL names no host", sourceFix)
	case strings.ContainsFunc(u.Hostname(), oddInHost):
		return Source{}, invalid("source", "the URL's host has odd characters", "write it in ASCII, an international name as xn--…")
	}
	u.Fragment, u.RawFragment = "", ""
	return Source{Kind: SourceURL, URL: u}, nil
}

func oddInHost(c rune) bool {
	return !alphanumeric(c) && !strings.ContainsRune("-._:%", c)
}

// alphanumeric is about ASCII.
func alphanumeric(c rune) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// parseNodeSource reads NAME/PATH. The path is taken as it is: %XX in it means
// nothing.
func parseNodeSource(rest string) (Source, error) {
	name, p, _ := strings.Cut(rest, "/")
	if _, err := unit.ParseNodeID(name); err != nil {
		return Source{}, invalid("source", fmt.Sprintf("%q is not a node's name", name), "write node://NAME/PATH, with a name that 'rackswarm nodes' lists")
	}
	p = "/" + strings.TrimLeft(p, "/")
	if p == "/" {
		return Source{}, invalid("source", "node://"+name+" names no path", "write node://NAME/PATH")
	}
	return Source{Kind: SourceNode, Node: name, Path: p}, checkSourcePath(p)
}

func checkSourcePath(p string) error {
	if strings.ContainsRune(p, 0) {
		return invalid("source", "the path holds a NUL byte", "leave it out")
	}
	return nil
}

// String writes the source as it may be shown and kept: a URL without user,
// password and query, each of which may be a secret.
func (s Source) String() string {
	switch s.Kind {
	case SourceURL:
		shown := url.URL{Scheme: s.URL.Scheme, Host: s.URL.Host, Path: s.URL.Path, RawPath: s.URL.RawPath}
		return shown.String()
	case SourceNode:
		return "node://" + s.Node + s.Path
	}
	return s.Path
}

// ShowSource is String for a source that may not parse.
func ShowSource(source string) string {
	s, err := ParseSource(source)
	if err == nil {
		return s.String()
	}
	if scheme, _ := cutScheme(source); scheme != "" {
		return scheme + "://…"
	}
	return source
}

// Validate checks what can be checked of a request before anything is read. The
// error is an *Error whose subject is the field.
func (r PublishRequest) Validate() error {
	s, err := ParseSource(r.Source)
	if err != nil {
		return err
	}
	if err := CheckChecksum(r.Checksum); err != nil {
		return err
	}
	switch {
	case len(r.Headers) > 0 && s.Kind != SourceURL:
		return invalid("headers", "are for an http or https URL only", "leave them out")
	case r.Expect != nil && s.Kind != SourcePath:
		return invalid("expect", "is for a path of the client's machine only", "leave it out")
	}
	seen := map[string]bool{}
	for name, value := range r.Headers {
		if err := checkHeader(name, value); err != nil {
			return err
		}
		if seen[strings.ToLower(name)] {
			return invalid("headers", fmt.Sprintf("%s is given twice", name), "give it once")
		}
		seen[strings.ToLower(name)] = true
	}
	return nil
}

// CheckChecksum checks the form of PublishRequest.Checksum; "" is fine.
func CheckChecksum(s string) error {
	text, ok := strings.CutPrefix(s, "sha256:")
	sum, err := hex.DecodeString(text)
	if s == "" || ok && err == nil && len(sum) == 32 && strings.ToLower(text) == text {
		return nil
	}
	return invalid("checksum", fmt.Sprintf("%q is not a checksum", s), "write sha256: and 64 lower-case hexadecimal digits, as sha256sum prints them")
}

// ownHeaders are those with which the agent downloads.
var ownHeaders = []string{"Range", "If-Range", "If-None-Match", "If-Modified-Since", "If-Match", "If-Unmodified-Since",
	"Accept-Encoding", "Content-Length", "Transfer-Encoding", "Trailer", "Te", "Connection", "Upgrade", "Host"}

// checkHeader never repeats the value.
func checkHeader(name, value string) error {
	token := func(c rune) bool {
		return c > ' ' && c < 0x7f && !strings.ContainsRune(`"(),/:;<=>?@[\]{}`, c)
	}
	if name == "" || strings.ContainsFunc(name, func(c rune) bool { return !token(c) }) {
		return invalid("headers", fmt.Sprintf("%q is not a header's name", name), "write for example Authorization")
	}
	for _, own := range ownHeaders {
		if strings.EqualFold(name, own) {
			return invalid("headers", fmt.Sprintf("%s is set by the agent", own), "leave it out")
		}
	}
	if strings.ContainsFunc(value, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }) {
		return invalid("headers", fmt.Sprintf("the value of %s has control characters", name), "write it in one line")
	}
	return nil
}
