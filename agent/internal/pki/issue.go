package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/unit"
)

// Lifetime of issued certificates in days.
const (
	DefaultDays = 365
	MaxDays     = 731
)

// Request asks for a certificate.
type Request struct {
	Name  string   // the node's name in the fleet, or the name of a person or program
	Role  Role     // what the holder may do
	Hosts []string // host names and addresses, for clients that check those, such as browsers
	Days  int      // 1 to MaxDays; 0 is DefaultDays
	Out   string   // directory of the files; the authority's own if empty
	// Replace allows the files of an older certificate of the same name to be
	// replaced. Running agents take the new ones up without a restart.
	Replace bool
}

// IssuedFiles are the files that Issue wrote.
type IssuedFiles struct {
	Cert     string    `json:"cert"`
	Key      string    `json:"key"` // readable by its owner only
	CA       string    `json:"ca"`  // what the holder must trust
	NotAfter time.Time `json:"not_after"`
}

// Issue makes a key and a certificate signed by the authority in dir. Errors
// that the user can mend are *api.Error.
func Issue(dir string, r Request) (IssuedFiles, error) {
	now := time.Now()
	if err := r.complete(dir); err != nil {
		return IssuedFiles{}, err
	}
	ca, err := loadAuthority(dir, now)
	if err != nil {
		return IssuedFiles{}, err
	}
	f := IssuedFiles{
		Cert: filepath.Join(r.Out, r.Name+".crt"),
		Key:  filepath.Join(r.Out, r.Name+".key"),
		CA:   filepath.Join(dir, CACertFile),
	}
	template := r.template(now, ca.cert.NotAfter)
	f.NotAfter = template.NotAfter
	cert, key, err := ca.sign(template)
	if err != nil {
		return IssuedFiles{}, fmt.Errorf("issue certificate for %s: %w", r.Name, err)
	}
	return f, r.write(f, cert, key)
}

// complete fills in defaults and checks the request.
func (r *Request) complete(dir string) error {
	if r.Days == 0 {
		r.Days = DefaultDays
	}
	if r.Out == "" {
		r.Out = dir
	}
	if _, err := unit.ParseNodeID(r.Name); err != nil {
		return invalid("--name", err.Error(), "give the node's name as in node.name of its configuration")
	}
	if r.Name == caBaseName {
		return invalid("--name", `"ca" would be written over the authority's own files`, "choose another name")
	}
	if _, err := ParseRole(string(r.Role)); err != nil {
		return invalid("--role", err.Error(), "use --role node for agents, operator for people who change things, reader for those who look")
	}
	if r.Days < 1 || r.Days > MaxDays {
		return invalid("--days", fmt.Sprintf("%d days is not in 1 to %d", r.Days, MaxDays), "issue for a year or two, and again before it ends")
	}
	if i := slices.Index(r.Hosts, ""); i >= 0 {
		return invalid("--host", "an empty host name", "give a host name or an address")
	}
	return nil
}

func (r *Request) template(now, caEnds time.Time) *x509.Certificate {
	t := &x509.Certificate{
		Subject:               pkix.Name{Organization: []string{"rackswarm"}, OrganizationalUnit: []string{string(r.Role)}, CommonName: r.Name},
		NotBefore:             now.Add(-clockSkew),
		NotAfter:              now.Add(time.Duration(r.Days) * day),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
		URIs:                  []*url.URL{identityURI(r.Name, r.Role)},
	}
	if r.Role == RoleNode { // only nodes serve
		t.ExtKeyUsage = append(t.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	if t.NotAfter.After(caEnds) {
		t.NotAfter = caEnds
	}
	for _, h := range r.Hosts {
		if ip := net.ParseIP(h); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, h)
		}
	}
	return t
}

// sign makes a key and returns its certificate and itself as PEM.
func (a *authority) sign(template *x509.Certificate) (cert, key []byte, err error) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("generate key: %w", err)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, k.Public(), a.key)
	if err != nil {
		return nil, nil, fmt.Errorf("sign certificate: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemCertificate, Bytes: der}), encodePrivate(k), nil
}

func (r *Request) write(f IssuedFiles, cert, key []byte) error {
	files := []file{{f.Key, privateMode, key}, {f.Cert, publicMode, cert}}
	if r.Replace {
		switch err := r.mayReplace(f.Cert); {
		case err == nil:
			return replaceAll(files)
		case !errors.Is(err, fs.ErrNotExist):
			return err
		}
	}
	return writeNew(r.Out, "give --replace to issue it anew, or choose another --out", files)
}

// mayReplace protects every file that is not an older certificate of the same
// name, such as a publisher key of that name.
func (r *Request) mayReplace(certFile string) error {
	if _, err := os.Stat(certFile); err != nil {
		return fmt.Errorf("look at %s: %w", certFile, err)
	}
	certs, err := readCertificates(certFile, "choose another --out")
	if err != nil {
		return err
	}
	if name, _, err := identityOf(certs[0]); err != nil || name != r.Name {
		return &api.Error{Code: api.CodeConflict, Subject: certFile, Message: "is not a certificate of " + r.Name, Fix: "choose another --out"}
	}
	return nil
}
