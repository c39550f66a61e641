package transport

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"strings"
	"testing"
	"time"
)

// authority is a certificate authority of a test's own fleet.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	ca := &authority{key: newKey(t), pool: x509.NewCertPool()}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test fleet"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	ca.cert = sign(t, template, template, &ca.key.PublicKey, ca.key)
	ca.pool.AddCert(ca.cert)
	return ca
}

// node issues a certificate for a node; change may alter it before it is signed.
func (ca *authority) node(t testing.TB, name string, change ...func(*x509.Certificate)) *credentials {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		URIs:        []*url.URL{{Scheme: "rackswarm", Host: "node", Path: "/" + name}},
	}
	for _, f := range change {
		f(template)
	}
	leaf := sign(t, template, ca.cert, &key.PublicKey, ca.key)
	return &credentials{tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}, ca.pool}
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func sign(t testing.TB, template, parent *x509.Certificate, public *ecdsa.PublicKey, key *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// credentials implements TLS as the agent's own do.
type credentials struct {
	cert tls.Certificate
	pool *x509.CertPool
}

func (c *credentials) ServerTLS() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{c.cert}, ClientCAs: c.pool, ClientAuth: tls.RequireAndVerifyClientCert}
}

func (c *credentials) ClientTLS(string) *tls.Config {
	return &tls.Config{
		Certificates: []tls.Certificate{c.cert}, InsecureSkipVerify: true,
		VerifyConnection: func(cs tls.ConnectionState) error {
			_, err := cs.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: c.pool})
			return err
		},
	}
}

func (c *credentials) Identity(cs tls.ConnectionState) (string, error) {
	if len(cs.PeerCertificates) == 0 {
		return "", errors.New("no certificate")
	}
	for _, u := range cs.PeerCertificates[0].URIs {
		if name, ok := strings.CutPrefix(u.String(), "rackswarm://node/"); ok {
			return name, nil
		}
	}
	return "", fmt.Errorf("certificate of %s names no node", cs.PeerCertificates[0].Subject.CommonName)
}
