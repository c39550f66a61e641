package config

import (
	"crypto/x509"
	"os"

	"github.com/rackswarm/rackswarm/core/api"
)

// CAs are the system's authorities and those of the file; nil, which stands for
// the system's, if there is no file in the configuration.
func (p Publish) CAs() (*x509.CertPool, error) {
	if p.CAFile == "" {
		return nil, nil
	}
	text, err := os.ReadFile(p.CAFile)
	if err != nil {
		return nil, &api.Error{Code: api.CodeIO, Subject: p.CAFile, Message: "publish.ca_file cannot be read: " + err.Error(), Fix: "check the path, and that the agent's user may read it"}
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool() // a machine without any
	}
	if !pool.AppendCertsFromPEM(text) {
		return nil, &api.Error{Code: api.CodeInvalid, Subject: p.CAFile, Message: "holds no PEM certificate", Fix: "write the certificates of the authorities to it"}
	}
	return pool, nil
}
