package download

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	dialTimeout = 10 * time.Second
	silence     = 30 * time.Second
	period      = time.Second
	maxHeader   = 64 << 10
	maxPause    = 16 * time.Second
)

// Config says how is downloaded. The zero value has usable defaults.
type Config struct {
	// CAs sign the certificates of servers; nil are the system's.
	CAs *x509.CertPool
	// Proxy is that of http.Transport; nil takes it from the environment.
	Proxy func(*http.Request) (*url.URL, error)
	// Silence is how long a server may send less than 16 KiB; 0 is 30 s.
	Silence time.Duration
	// Pause is how long to wait after a number of failures in a row; nil doubles
	// from a second to 16 s.
	Pause func(failures int) time.Duration
	// Period is over which the speed is measured; 0 is a second.
	Period time.Duration
	Logger *slog.Logger // nil discards
}

// Fetcher downloads. It is safe for concurrent use.
type Fetcher struct {
	cfg       Config
	transport *http.Transport
}

// New does not connect yet.
func New(cfg Config) *Fetcher {
	if cfg.Silence == 0 {
		cfg.Silence = silence
	}
	if cfg.Pause == nil {
		cfg.Pause = func(failures int) time.Duration { return min(maxPause, time.Second<<min(failures-1, 10)) }
	}
	if cfg.Period == 0 {
		cfg.Period = period
	}
	if cfg.Proxy == nil {
		cfg.Proxy = http.ProxyFromEnvironment
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Fetcher{cfg: cfg, transport: &http.Transport{
		Proxy:                  cfg.Proxy,
		DialContext:            (&net.Dialer{Timeout: dialTimeout}).DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: cfg.CAs},
		TLSHandshakeTimeout:    dialTimeout,
		IdleConnTimeout:        10 * time.Second,
		MaxIdleConnsPerHost:    maxStreams,
		MaxResponseHeaderBytes: maxHeader,
		DisableCompression:     true,
		// Without HTTP/2, so that each stream has a connection of its own.
		TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{},
	}}
}

// Look tells which version a URL has, without reading its content. It asks for
// one byte: some servers answer GET only.
func (f *Fetcher) Look(ctx context.Context, u *url.URL, headers map[string]string) (Version, error) {
	t := newTarget(u, headers)
	r, err := f.get(ctx, t, http.Header{"Range": {"bytes=0-0"}})
	if err == nil && r.StatusCode == http.StatusRequestedRangeNotSatisfiable { // it is empty
		r.Close()
		r, err = f.get(ctx, t, nil)
	}
	if err != nil {
		return Version{}, t.explain(ctx, err)
	}
	defer r.Close()
	switch r.StatusCode {
	case http.StatusOK:
		return versionOf(r.Header, r.ContentLength), nil
	case http.StatusPartialContent:
		_, total, ok := contentRange(r.Header)
		if !ok {
			total = -1
		}
		return versionOf(r.Header, total), nil
	}
	return Version{}, t.explain(ctx, refusalOf(r, t))
}

// contentRange reads "bytes first-last/total"; total is -1 for an unknown one.
func contentRange(h http.Header) (s span, total int64, ok bool) {
	text, ok := strings.CutPrefix(h.Get("Content-Range"), "bytes ")
	part, whole, slash := strings.Cut(text, "/")
	first, last, dash := strings.Cut(part, "-")
	from, err1 := strconv.ParseUint(first, 10, 62)
	to, err2 := strconv.ParseUint(last, 10, 62)
	if !ok || !slash || !dash || err1 != nil || err2 != nil || to < from {
		return span{}, 0, false
	}
	if whole == "*" {
		return span{int64(from), int64(to) + 1}, -1, true
	}
	size, err := strconv.ParseUint(whole, 10, 62)
	if err != nil || to >= size {
		return span{}, 0, false
	}
	return span{int64(from), int64(to) + 1}, int64(size), true
}
