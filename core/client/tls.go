package client

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/url"
	"os"
	"slices"

	"github.com/rackswarm/rackswarm/core/api"
)

// LoadTLS reads PEM files: the CA that signed the agents' certificates, and
// the client's certificate with its key.
func LoadTLS(ca, cert, key string) (*tls.Config, error) {
	var pem [3]string
	for i, file := range []string{ca, cert, key} {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, &failure{&api.Error{Code: api.CodeInvalid, Subject: file, Message: err.Error(),
				Fix: "name the PEM files of the CA, the certificate and its key"}, err}
		}
		pem[i] = string(text)
	}
	return parseTLS(pem, [3]string{ca, cert, key})
}

// TLSFromPEM is LoadTLS for PEM text instead of files.
func TLSFromPEM(ca, cert, key string) (*tls.Config, error) {
	return parseTLS([3]string{ca, cert, key}, [3]string{"CA", "certificate", "key"})
}

// parseTLS builds the configuration from the texts of the CA, the certificate
// and the key, which errors call by the given names.
func parseTLS(pem, names [3]string) (*tls.Config, error) {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(pem[0])) {
		return nil, &api.Error{Code: api.CodeInvalid, Subject: names[0], Message: "holds no PEM certificate",
			Fix: "use the CA that 'rackswarm pki init' wrote"}
	}
	pair, err := tls.X509KeyPair([]byte(pem[1]), []byte(pem[2]))
	if err != nil {
		return nil, &failure{&api.Error{Code: api.CodeInvalid, Subject: names[1] + " and " + names[2], Message: err.Error(),
			Fix: "use a certificate and its key as 'rackswarm pki issue' wrote them"}, err}
	}
	return &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{pair},
		// Agents are recognised by their name in the fleet, not by a host name:
		// VerifyConnection checks the chain and that it is a node's.
		InsecureSkipVerify: true, //nolint:gosec // see VerifyConnection
		VerifyConnection:   func(cs tls.ConnectionState) error { return verifyAgent(cs, roots) },
	}, nil
}

// verifyAgent checks that the other side is a node of the fleet: the roots
// signed its certificate for servers, which has a URI rackswarm://node/<name>.
func verifyAgent(cs tls.ConnectionState, roots *x509.CertPool) error {
	leaf := cs.PeerCertificates[0]
	more := x509.NewCertPool()
	for _, cert := range cs.PeerCertificates[1:] {
		more.AddCert(cert)
	}
	_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: more, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	isNode := func(u *url.URL) bool { return u.Scheme == "rackswarm" && u.Host == "node" }
	if err == nil && !slices.ContainsFunc(leaf.URIs, isNode) {
		err = fmt.Errorf("certificate of %q is not a node's", leaf.Subject.CommonName)
	}
	if err != nil {
		return &tls.CertificateVerificationError{UnverifiedCertificates: cs.PeerCertificates, Err: err}
	}
	return nil
}
