package client

import (
	"crypto/tls"
	"errors"
	"testing"

	"github.com/rackswarm/rackswarm/core/api"
)

// FuzzEndpoint: what is written for an agent is an endpoint, or an error that
// says what to write.
func FuzzEndpoint(f *testing.F) {
	for _, seed := range []string{"unix:///run/x.sock", "https://a:1", "https://[::1]:1/", "http://a:1", "", "https://u:p@a:1", "unix://host/x", "https://a:1/?x", "%", "https://a:"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, conf := range []*tls.Config{nil, {}} {
			e, err := parseEndpoint(text, conf)
			var failure *api.Error
			if err != nil && (!errors.As(err, &failure) || failure.Fix == "") {
				t.Fatalf("%q: %v", text, err)
			}
			if err == nil && (e.base == "" || e.http == nil) {
				t.Fatalf("%q is %+v", text, e)
			}
		}
	})
}
