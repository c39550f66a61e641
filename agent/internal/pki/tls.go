package pki

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// ServerTLS is for listeners: TLS 1.3, and every client shows a certificate of
// the fleet, of any role; Identity tells which. The caller may set NextProtos.
func (c *Credentials) ServerTLS() *tls.Config { return c.ServerTLSFor(Roles...) }

// ServerTLSFor is ServerTLS for clients of the given roles only.
func (c *Credentials) ServerTLSFor(roles ...Role) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		// The authorities may change while the listener stands, so the chain is
		// verified by VerifyConnection, on every connection: none is resumed.
		ClientAuth:             tls.RequireAnyClientCert,
		SessionTicketsDisabled: true,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			cert := c.current().cert
			return &cert, nil
		},
		VerifyConnection: func(cs tls.ConnectionState) error {
			leaf, err := c.current().verifyPeer(cs, x509.ExtKeyUsageClientAuth)
			if err != nil {
				return err
			}
			return checkRole(leaf, roles)
		},
	}
}

// ClientTLS is for connections to node wantNode, or to any node of the fleet if
// it is empty: TLS 1.3, the server's certificate comes from the fleet's
// authority and is that node's. The host name does not matter. The caller may
// set NextProtos.
func (c *Credentials) ClientTLS(wantNode string) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		// Nodes are recognised by their name in the fleet, not by a host name:
		// VerifyConnection checks the chain and that name.
		InsecureSkipVerify: true, //nolint:gosec // see VerifyConnection
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			cert := c.current().cert
			return &cert, nil
		},
		VerifyConnection: func(cs tls.ConnectionState) error {
			leaf, err := c.current().verifyPeer(cs, x509.ExtKeyUsageServerAuth)
			if err != nil {
				return err
			}
			return checkNode(leaf, wantNode)
		},
	}
}

// verifyPeer verifies the other side's chain and returns its certificate.
func (l loaded) verifyPeer(cs tls.ConnectionState, usage x509.ExtKeyUsage) (*x509.Certificate, error) {
	if len(cs.PeerCertificates) == 0 {
		return nil, errors.New("the other side showed no certificate")
	}
	leaf, intermediates := cs.PeerCertificates[0], cs.PeerCertificates[1:]
	if err := verify(leaf, intermediates, l.pool, usage, time.Now()); err != nil {
		return nil, fmt.Errorf("certificate of %q: %w", leaf.Subject.CommonName, err)
	}
	return leaf, nil
}

// verify checks a certificate's chain, dates and usage.
func verify(leaf *x509.Certificate, more []*x509.Certificate, roots *x509.CertPool, usage x509.ExtKeyUsage, now time.Time) error {
	intermediates := x509.NewCertPool()
	for _, cert := range more {
		intermediates.AddCert(cert)
	}
	_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: intermediates, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{usage}})
	return err
}
