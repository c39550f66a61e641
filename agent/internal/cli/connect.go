package cli

import (
	"cmp"
	"crypto/tls"
	"errors"
	"strings"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/client"
)

// connect returns a client of the agents that flags or variables name. It does
// not reach out to them yet.
func (r *run) connect() (*client.Client, error) {
	conf, err := r.tls()
	if err != nil {
		return nil, err
	}
	endpoints := r.flags.endpoints
	if len(endpoints) == 0 {
		for e := range strings.SplitSeq(r.env("RACKSWARM_ENDPOINTS"), ",") {
			if e = strings.TrimSpace(e); e != "" {
				endpoints = append(endpoints, e)
			}
		}
	}
	c, err := client.New(client.Config{Endpoints: endpoints, TLS: conf})
	var e *api.Error
	if conf == nil && errors.As(err, &e) && strings.HasPrefix(e.Subject, "https:") {
		e.Fix += ": --ca, --cert and --key, or RACKSWARM_CA, RACKSWARM_CERT and RACKSWARM_KEY"
	}
	return c, err
}

// tls is nil if neither flags nor variables name a certificate.
func (r *run) tls() (*tls.Config, error) {
	ca := cmp.Or(r.flags.ca, r.env("RACKSWARM_CA"))
	cert := cmp.Or(r.flags.cert, r.env("RACKSWARM_CERT"))
	key := cmp.Or(r.flags.key, r.env("RACKSWARM_KEY"))
	if ca == "" && cert == "" && key == "" {
		return nil, nil
	}
	for _, f := range []struct{ flag, value string }{{"ca", ca}, {"cert", cert}, {"key", key}} {
		if f.value == "" {
			return nil, usage("--"+f.flag, "--ca, --cert and --key belong together, but this one is missing", "give --"+f.flag+" or RACKSWARM_"+strings.ToUpper(f.flag))
		}
	}
	return client.LoadTLS(ca, cert, key)
}
