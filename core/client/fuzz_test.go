package client

import (
	"bufio"
	"crypto/tls"
	"errors"
	"strings"
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

// FuzzWatchRun: whatever comes as events, each is a run or the watch ends with an
// error that says what failed.
func FuzzWatchRun(f *testing.F) {
	for _, seed := range []string{
		"event: run\ndata: {\"id\":\"r1\",\"phase\":\"complete\"}\n\n",
		"event: run\ndata: {\"members\":[{\"node\":\"a\",\"report\":{\"state\":\"failed\",\"error\":{\"code\":\"x\"}}}]}\n\n",
		": alive\n\nevent: status\ndata: {}\n\n", "event: run\ndata: [\n\n", "event: error\ndata: {\"error\":{\"code\":\"not_found\"}}\n\n",
		"event: run\r\ndata: {}\r\n\r\n", "event: run\n", "data: {}\n\n", "\x00",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r := bufio.NewReader(strings.NewReader(text))
		for {
			e, err := readEvent(r, func() {})
			if err != nil {
				return
			}
			_, err = decodeEvent[api.Run]("watch run", "run", e.data)
			var failure *api.Error
			if err != nil && (!errors.As(err, &failure) || failure.Fix == "") {
				t.Fatalf("%q: %v", e.data, err)
			}
		}
	})
}
