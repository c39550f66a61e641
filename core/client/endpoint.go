package client

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
)

const (
	dialTimeout = 5 * time.Second
	// headerTimeout counts from the end of the request's body.
	headerTimeout = time.Minute
	// continueTimeout is how long a stream waits for the agent to accept it.
	continueTimeout = 30 * time.Second
)

// endpoint is one agent's control interface.
type endpoint struct {
	name string // as the user wrote it
	base string // prefix of URLs
	http *http.Client
}

func parseEndpoint(name string, conf *tls.Config) (endpoint, error) {
	u, err := url.Parse(name)
	switch {
	case err != nil:
		return endpoint{}, badEndpoint(name, "it does not parse as a URL")
	case u.Scheme == "unix" && u.Host == "" && u.Path != "":
		return endpoint{name, "http://agent", &http.Client{Transport: unixTransport(u.Path)}}, nil
	case u.Scheme != "https":
		return endpoint{}, badEndpoint(name, "it is neither a unix socket nor https")
	case u.Hostname() == "" || u.Port() == "":
		return endpoint{}, badEndpoint(name, "host or port is missing")
	case u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.User != nil:
		return endpoint{}, badEndpoint(name, "it has more than a host and a port")
	case conf == nil:
		return endpoint{}, &api.Error{Code: api.CodeInvalid, Subject: name, Message: "https needs certificates",
			Fix: "give the CA, a certificate and its key, as 'rackswarm pki issue' writes them"}
	}
	return endpoint{name, "https://" + u.Host, &http.Client{Transport: tlsTransport(conf)}}, nil
}

func badEndpoint(name, why string) error {
	return &api.Error{Code: api.CodeInvalid, Subject: name, Message: "not an endpoint: " + why,
		Fix: "write " + DefaultEndpoint + " or https://host:port"}
}

func unixTransport(path string) *http.Transport {
	t := newTransport()
	t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "unix", path)
	}
	return t
}

func tlsTransport(conf *tls.Config) *http.Transport {
	t := newTransport()
	t.TLSClientConfig = conf.Clone()
	t.DialContext = (&net.Dialer{Timeout: dialTimeout}).DialContext
	return t
}

func newTransport() *http.Transport {
	return &http.Transport{
		TLSHandshakeTimeout:   dialTimeout,
		ResponseHeaderTimeout: headerTimeout,
		ExpectContinueTimeout: continueTimeout,
		IdleConnTimeout:       30 * time.Second,
		MaxIdleConnsPerHost:   4,
		DisableCompression:    true,
	}
}
