package pki

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"path/filepath"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/unit"
)

// Names of the authority's files in its directory.
const (
	CACertFile = "ca.crt"
	CAKeyFile  = "ca.key"
)

const (
	day        = 24 * time.Hour
	caLife     = 3653 * day // ten years
	clockSkew  = time.Hour  // how far a node's clock may be behind the issuer's
	caBaseName = "ca"
)

// InitOptions say what InitCA makes.
type InitOptions struct {
	// Publisher names the publisher key pair, <name>.key and <name>.pub;
	// "publisher" if empty.
	Publisher string
}

// InitFiles are the files that InitCA wrote.
type InitFiles struct {
	CACert       string `json:"ca_cert"`
	CAKey        string `json:"ca_key"`
	PublisherKey string `json:"publisher_key"` // ed25519, PKCS #8
	PublisherPub string `json:"publisher_pub"` // for the trust setting of agents
	// Publisher is the fingerprint of the publisher's public key.
	Publisher string `json:"publisher_fingerprint"`
}

// InitCA makes a certificate authority that lasts ten years, and a publisher key
// pair, in dir, which is created if it does not exist. Nothing is overwritten:
// if one of the files exists, nothing is written and the error is an *api.Error.
func InitCA(dir string, o InitOptions) (InitFiles, error) {
	if o.Publisher == "" {
		o.Publisher = "publisher"
	}
	if err := checkPublisherName(o.Publisher); err != nil {
		return InitFiles{}, err
	}
	f := InitFiles{
		CACert:       filepath.Join(dir, CACertFile),
		CAKey:        filepath.Join(dir, CAKeyFile),
		PublisherKey: filepath.Join(dir, o.Publisher+".key"),
		PublisherPub: filepath.Join(dir, o.Publisher+".pub"),
	}
	cert, key, err := newCA(time.Now())
	if err != nil {
		return InitFiles{}, fmt.Errorf("make certificate authority in %s: %w", dir, err)
	}
	pub, priv, err := newPublisher()
	if err != nil {
		return InitFiles{}, fmt.Errorf("make publisher key in %s: %w", dir, err)
	}
	f.Publisher = Fingerprint(pub)
	err = writeNew(dir, "choose another --dir, or use the authority that is there: rackswarm pki issue --dir "+dir, []file{
		{f.CAKey, privateMode, key},
		{f.CACert, publicMode, cert},
		{f.PublisherKey, privateMode, encodePrivate(priv)},
		{f.PublisherPub, publicMode, encodePublic(pub)},
	})
	return f, err
}

func checkPublisherName(name string) error {
	_, err := unit.ParseNodeID(name)
	if err == nil && name == caBaseName {
		err = fmt.Errorf("%s.key is the authority's own key", name)
	}
	if err != nil {
		return &api.Error{Code: api.CodeInvalid, Subject: name, Message: "not a name for a publisher: " + err.Error(),
			Fix: "give --publisher a name of letters, digits, '.', '_' and '-' other than ca"}
	}
	return nil
}

// newCA returns a self-signed certificate and its key as PEM.
func newCA(now time.Time) (cert, key []byte, err error) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("generate key: %w", err)
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{Organization: []string{"rackswarm"}, CommonName: "rackswarm CA"},
		NotBefore:             now.Add(-clockSkew),
		NotAfter:              now.Add(caLife),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, k.Public(), k)
	if err != nil {
		return nil, nil, fmt.Errorf("sign certificate: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemCertificate, Bytes: der}), encodePrivate(k), nil
}

// authority is a loaded certificate authority.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func loadAuthority(dir string, now time.Time) (*authority, error) {
	certFile, keyFile := filepath.Join(dir, CACertFile), filepath.Join(dir, CAKeyFile)
	fix := "make an authority with: rackswarm pki init --dir " + dir
	certs, err := readCertificates(certFile, fix)
	if err != nil {
		return nil, err
	}
	key, err := readPrivate[*ecdsa.PrivateKey](keyFile, "an ECDSA private key", fix)
	if err != nil {
		return nil, err
	}
	a := &authority{certs[0], key}
	if !key.PublicKey.Equal(a.cert.PublicKey) {
		return nil, invalid(keyFile, "is not the key of "+certFile, "restore the pair that rackswarm pki init wrote")
	}
	if now.After(a.cert.NotAfter) {
		return nil, invalid(certFile, "expired on "+a.cert.NotAfter.Format(time.DateOnly), "make a new authority with rackswarm pki init in another directory, and issue all certificates again")
	}
	return a, nil
}

func newPublisher() (ed25519.PublicKey, ed25519.PrivateKey, error) {
	return ed25519.GenerateKey(rand.Reader)
}
