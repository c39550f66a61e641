package download

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Version tells the contents apart that a URL has had.
type Version struct {
	ETag     string `json:"etag,omitempty"`
	Modified string `json:"modified,omitempty"` // Last-Modified, as the server writes it
	// Settled says that Modified was long enough ago for it to tell any two
	// contents apart (RFC 9110, section 8.8.2.2).
	Settled bool  `json:"settled,omitempty"`
	Size    int64 `json:"size"` // bytes, -1 if not known
}

// maxTag bounds what is kept of a header.
const maxTag = 1 << 10

func versionOf(h http.Header, size int64) Version {
	v := Version{ETag: h.Get("ETag"), Modified: h.Get("Last-Modified"), Size: size}
	if len(v.ETag) > maxTag {
		v.ETag = ""
	}
	modified, err := http.ParseTime(v.Modified)
	if err != nil {
		v.Modified = ""
		return v
	}
	now, err := http.ParseTime(h.Get("Date"))
	v.Settled = err == nil && now.Sub(modified) >= time.Second
	return v
}

// validator is what If-Range takes, "" if no part can be trusted to belong to
// another.
func (v Version) validator() string {
	switch {
	case strings.HasPrefix(v.ETag, `"`):
		return v.ETag
	case v.Settled:
		return v.Modified
	}
	return ""
}

// differs reports whether another answer is sure to be of another content.
func (v Version) differs(o Version) bool {
	return v.ETag != "" && o.ETag != "" && v.ETag != o.ETag ||
		v.Modified != "" && o.Modified != "" && v.Modified != o.Modified
}

// condition has the server answer 304 if it still has this version.
func (v Version) condition(h http.Header) {
	switch {
	case v.ETag != "":
		h.Set("If-None-Match", v.ETag)
	case v.Settled:
		h.Set("If-Modified-Since", v.Modified)
	}
}

// String is "" if the server says nothing that tells versions apart.
func (v Version) String() string {
	switch {
	case v.ETag != "":
		return "etag:" + v.ETag
	case v.Modified != "" && v.Size >= 0:
		return fmt.Sprintf("modified:%s, %d bytes", v.Modified, v.Size)
	}
	return ""
}
