package pki

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"sync"
	"time"
)

const issueFix = "issue a certificate with: rackswarm pki issue --dir DIR --name NAME --role node"

// Credentials are a certificate with its key and the authorities that others'
// certificates must come from. The files are read again when they have changed,
// so that certificates are rotated without a restart. It is safe for concurrent
// use.
type Credentials struct {
	caFile, certFile, keyFile string

	mu     sync.Mutex
	stamps [3]stamp // of the files at the last attempt to read them
	loaded loaded   // what was last read well
	notify func(error)
}

// loaded is one consistent reading of the three files.
type loaded struct {
	cert tls.Certificate
	pool *x509.CertPool
}

// stamp tells whether a file has changed.
type stamp struct {
	modified time.Time
	size     int64
	inode    uint64
}

// Load reads the authorities (PEM, one or more), the certificate and its key.
// It fails with an *api.Error when they do not fit together or have expired.
func Load(caFile, certFile, keyFile string) (*Credentials, error) {
	c := &Credentials{caFile: caFile, certFile: certFile, keyFile: keyFile, notify: func(error) {}}
	c.stamps = c.look()
	l, err := c.read(time.Now())
	if err != nil {
		return nil, err
	}
	c.loaded = l
	return c, nil
}

// OnReload has f called after each attempt to read changed files again: with nil
// when the new ones are in use, or with why the old ones stay in use. It must be
// called before the first handshake, and f must not block.
func (c *Credentials) OnReload(f func(error)) { c.notify = f }

// Identity is the name and role of the holder.
func (c *Credentials) Identity() (string, Role, error) {
	return identityOf(c.current().cert.Leaf)
}

// NotAfter is when the certificate in use expires.
func (c *Credentials) NotAfter() time.Time { return c.current().cert.Leaf.NotAfter }

// current returns what is in the files now, or what was there when they were
// last readable and consistent.
func (c *Credentials) current() loaded {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.look()
	if now == c.stamps {
		return c.loaded
	}
	c.stamps = now
	l, err := c.read(time.Now())
	if err == nil {
		c.loaded = l
	}
	c.notify(err)
	return c.loaded
}

func (c *Credentials) look() [3]stamp {
	return [3]stamp{stampOf(c.caFile), stampOf(c.certFile), stampOf(c.keyFile)}
}

// stampOf is zero for a file that cannot be looked at.
func stampOf(path string) stamp {
	info, err := os.Stat(path)
	if err != nil {
		return stamp{}
	}
	return stamp{info.ModTime(), info.Size(), inodeOf(info)}
}

func (c *Credentials) read(now time.Time) (loaded, error) {
	cas, err := readCertificates(c.caFile, "copy ca.crt from where rackswarm pki init made it")
	if err != nil {
		return loaded{}, err
	}
	pool := x509.NewCertPool()
	for _, ca := range cas {
		pool.AddCert(ca)
	}
	certPEM, err := readFile(c.certFile, issueFix)
	if err != nil {
		return loaded{}, err
	}
	keyPEM, err := readFile(c.keyFile, issueFix)
	if err != nil {
		return loaded{}, err
	}
	cert, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return loaded{}, invalid(c.certFile, "does not go with key "+c.keyFile+": "+err.Error(), issueFix)
	}
	return loaded{cert, pool}, c.check(cert.Leaf, pool, now)
}

// check refuses a certificate that others would refuse.
func (c *Credentials) check(leaf *x509.Certificate, pool *x509.CertPool, now time.Time) error {
	if _, _, err := identityOf(leaf); err != nil {
		return invalid(c.certFile, err.Error(), issueFix)
	}
	if now.After(leaf.NotAfter) {
		return invalid(c.certFile, "expired on "+leaf.NotAfter.Format(time.DateOnly), "issue it anew with: rackswarm pki issue --replace")
	}
	if err := verify(leaf, nil, pool, x509.ExtKeyUsageClientAuth, now); err != nil {
		return invalid(c.certFile, "does not come from the authority in "+c.caFile+": "+err.Error(), "use the ca.crt of the authority that issued it")
	}
	return nil
}
