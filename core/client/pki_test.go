package client

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
)

// An authority, and what it issued: PEM.
var testCA, testCert, testKey = func() (string, string, string) {
	a := newAuthority()
	cert, key := a.issue("operator", x509.ExtKeyUsageClientAuth)
	return a.pem, cert, key
}()

type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  string
}

func newAuthority() authority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return authority{cert, key, encode("CERTIFICATE", der)}
}

func encode(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// issue makes a certificate of a role and its key.
func (a authority) issue(role string, usage x509.ExtKeyUsage) (cert, key string) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(2), ExtKeyUsage: []x509.ExtKeyUsage{usage},
		URIs:      []*url.URL{{Scheme: "rackswarm", Host: role, Path: "/web1"}},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, private.Public(), a.key)
	if err != nil {
		panic(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		panic(err)
	}
	return encode("CERTIFICATE", der), encode("PRIVATE KEY", keyDER)
}

// Only a node of the fleet counts as an agent, whatever its host name.
func TestAgentsAreNodesOfTheFleet(t *testing.T) {
	ours, foreign := newAuthority(), newAuthority()
	cert, key := ours.issue("operator", x509.ExtKeyUsageClientAuth)
	conf, err := TLSFromPEM(ours.pem, cert, key)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		from  authority
		role  string
		usage x509.ExtKeyUsage
		fine  bool
	}{
		{"a node", ours, "node", x509.ExtKeyUsageServerAuth, true},
		{"an operator", ours, "operator", x509.ExtKeyUsageServerAuth, false},
		{"a client's certificate", ours, "node", x509.ExtKeyUsageClientAuth, false},
		{"another authority's", foreign, "node", x509.ExtKeyUsageServerAuth, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			cert, key := c.from.issue(c.role, c.usage)
			cl, err := New(Config{Endpoints: []string{serveTLS(t, cert, key)}, TLS: conf})
			if err != nil {
				t.Fatal(err)
			}
			_, err = cl.Nodes(t.Context())
			if c.fine {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			var wrong *tls.CertificateVerificationError
			if apiError(t, err, api.CodeUnreachable); !errors.As(err, &wrong) {
				t.Errorf("cause of %v", err)
			}
		})
	}
}

func serveTLS(t *testing.T, cert, key string) (endpoint string) {
	t.Helper()
	pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{ReadHeaderTimeout: time.Minute,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("{}")) })}
	go func() {
		_ = srv.Serve(tls.NewListener(l, &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{pair}}))
	}()
	t.Cleanup(func() { srv.Close() })
	return "https://" + l.Addr().String()
}
