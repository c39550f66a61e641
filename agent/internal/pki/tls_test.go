package pki

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// serve accepts connections with the configuration and answers each with the
// identity of its client. It returns the address.
func serve(t *testing.T, config *tls.Config) string {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go greet(conn.(*tls.Conn))
		}
	}()
	return l.Addr().String()
}

func greet(conn *tls.Conn) {
	defer conn.Close()
	if conn.Handshake() != nil {
		return
	}
	name, role, err := Identity(conn.ConnectionState())
	fmt.Fprintf(conn, "%s %s %v", name, role, err)
}

// ask connects and returns what the server said.
func ask(addr string, config *tls.Config) (string, error) {
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: 10 * time.Second}, "tcp", addr, config)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	answer, err := io.ReadAll(conn)
	return string(answer), err
}

// wantRefused checks that a connection fails with an error that says why.
func wantRefused(t *testing.T, addr string, config *tls.Config, why string) {
	t.Helper()
	answer, err := ask(addr, config)
	if err == nil {
		t.Fatalf("the connection stands and says %q; want it refused", answer)
	}
	if !strings.Contains(err.Error(), why) {
		t.Errorf("refused with %q, want it to say %q", err, why)
	}
}

// forge signs a template with the authority, whatever is in it.
func forge(t *testing.T, dir string, template *x509.Certificate) *Credentials {
	t.Helper()
	ca, err := loadAuthority(dir, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	certPEM, keyPEM, err := ca.sign(template)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	return &Credentials{loaded: loaded{cert, pool}}
}

func template(t *testing.T, name string, role Role) *x509.Certificate {
	t.Helper()
	r := Request{Name: name, Role: role, Days: 1}
	return r.template(time.Now(), time.Now().Add(caLife))
}

func TestBothSidesAreAuthenticated(t *testing.T) {
	dir := newFleet(t)
	addr := serve(t, issue(t, dir, "web1", RoleNode).ServerTLS())
	for _, role := range Roles {
		client := issue(t, dir, "client-"+string(role), role)
		for _, want := range []string{"web1", ""} {
			answer, err := ask(addr, client.ClientTLS(want))
			if err != nil || answer != fmt.Sprintf("client-%s %s <nil>", role, role) {
				t.Errorf("role %s asking for node %q: %q, %v", role, want, answer, err)
			}
		}
	}
}

func TestWrongNodeIsRefused(t *testing.T) {
	dir := newFleet(t)
	addr := serve(t, issue(t, dir, "web1", RoleNode).ServerTLS())
	wantRefused(t, addr, issue(t, dir, "web2", RoleNode).ClientTLS("web3"), "the certificate is for node web1")
}

func TestOnlyNodesMayServe(t *testing.T) {
	dir := newFleet(t)
	client := issue(t, dir, "web2", RoleNode)
	wantRefused(t, serve(t, issue(t, dir, "web1", RoleOperator).ServerTLS()), client.ClientTLS("web1"), "certificate specifies an incompatible key usage")

	// Nor with a certificate whose key usage says otherwise.
	odd := template(t, "web1", RoleOperator)
	odd.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}
	wantRefused(t, serve(t, forge(t, dir, odd).ServerTLS()), client.ClientTLS("web1"), "role operator")
}

func TestServersForNodesOnly(t *testing.T) {
	dir := newFleet(t)
	addr := serve(t, issue(t, dir, "web1", RoleNode).ServerTLSFor(RoleNode))
	if answer, err := ask(addr, issue(t, dir, "web2", RoleNode).ClientTLS("web1")); err != nil || answer != "web2 node <nil>" {
		t.Errorf("a node: %q, %v", answer, err)
	}
	for _, role := range []Role{RoleOperator, RoleReader} {
		wantRefused(t, addr, issue(t, dir, "some-"+string(role), role).ClientTLS("web1"), "bad certificate")
	}
}

func TestForeignAuthorityIsRefused(t *testing.T) {
	dir, other := newFleet(t), newFleet(t)
	addr := serve(t, issue(t, dir, "web1", RoleNode).ServerTLS())
	foreign := issue(t, other, "web2", RoleNode)
	wantRefused(t, addr, foreign.ClientTLS("web1"), "unknown authority")

	// The server refuses as well, when the client does not care.
	careless := foreign.ClientTLS("web1")
	careless.VerifyConnection = nil
	wantRefused(t, addr, careless, "bad certificate")
}

func TestClientWithoutCertificateIsRefused(t *testing.T) {
	dir := newFleet(t)
	addr := serve(t, issue(t, dir, "web1", RoleNode).ServerTLS())
	bare := issue(t, dir, "web2", RoleNode).ClientTLS("web1")
	bare.GetClientCertificate = nil
	wantRefused(t, addr, bare, "certificate required")
}

func TestOldTLSIsRefused(t *testing.T) {
	dir := newFleet(t)
	addr := serve(t, issue(t, dir, "web1", RoleNode).ServerTLS())
	old := issue(t, dir, "web2", RoleNode).ClientTLS("web1")
	old.MinVersion, old.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	wantRefused(t, addr, old, "protocol version")
}

func TestExpiredCertificatesAreRefused(t *testing.T) {
	dir := newFleet(t)
	expired := func(name string) *Credentials {
		c := template(t, name, RoleNode)
		c.NotBefore, c.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
		return forge(t, dir, c)
	}
	wantRefused(t, serve(t, expired("web1").ServerTLS()), issue(t, dir, "web2", RoleNode).ClientTLS("web1"), "expired")
	wantRefused(t, serve(t, issue(t, dir, "web3", RoleNode).ServerTLS()), expired("web4").ClientTLS("web3"), "bad certificate")
}

func TestClientWithoutIdentityIsRefused(t *testing.T) {
	dir := newFleet(t)
	addr := serve(t, issue(t, dir, "web1", RoleNode).ServerTLS())
	none, two, boss := template(t, "web2", RoleNode), template(t, "web2", RoleNode), template(t, "web2", RoleNode)
	none.URIs = nil
	two.URIs = append(two.URIs, identityURI("web3", RoleOperator))
	boss.URIs = []*url.URL{identityURI("web2", "boss")}
	for _, c := range []*x509.Certificate{none, two, boss} {
		wantRefused(t, addr, forge(t, dir, c).ClientTLS("web1"), "bad certificate")
	}
}

func TestParseIdentity(t *testing.T) {
	for _, text := range []string{
		"rackswarm://node/", "rackswarm://node", "rackswarm://node/a/b", "rackswarm://node/a?x=1", "rackswarm://node/a#f",
		"rackswarm://u@node/a", "rackswarm://boss/a", "rackswarm:///a", "rackswarm://node/-a", "rackswarm://node:1/a",
	} {
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if name, role, err := parseIdentity(u); err == nil {
			t.Errorf("%s is taken for %s %s", text, role, name)
		}
	}
}

// FuzzIdentity: what is accepted is exactly what pki issue writes.
func FuzzIdentity(f *testing.F) {
	for _, seed := range []string{"rackswarm://node/web17", "rackswarm://reader/a.b_c-d", "rackswarm://node/%61", "rackswarm://node//", "rackswarm:node/a", "rackswarm://NODE/a"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		u, err := url.Parse(text)
		if err != nil {
			return
		}
		name, role, err := parseIdentity(u)
		if err != nil {
			return
		}
		again := identityURI(name, role)
		if n, r, err := parseIdentity(again); n != name || r != role || err != nil {
			t.Errorf("%q is %s %s, but %s is %s %s (%v)", text, role, name, again, r, n, err)
		}
	})
}

func TestRotationWhileServing(t *testing.T) {
	dir := newFleet(t)
	f, err := Issue(dir, Request{Name: "web1", Role: RoleNode})
	if err != nil {
		t.Fatal(err)
	}
	server, err := Load(f.CA, f.Cert, f.Key)
	if err != nil {
		t.Fatal(err)
	}
	reloads := make(chan error, 10)
	server.OnReload(func(err error) { reloads <- err })
	addr := serve(t, server.ServerTLS())
	client := issue(t, dir, "web2", RoleNode)

	serial := func() string {
		t.Helper()
		var got string
		config := client.ClientTLS("web1")
		check := config.VerifyConnection
		config.VerifyConnection = func(cs tls.ConnectionState) error {
			got = cs.PeerCertificates[0].SerialNumber.String()
			return check(cs)
		}
		if _, err := ask(addr, config); err != nil {
			t.Fatal(err)
		}
		return got
	}
	first := serial()
	if _, err := Issue(dir, Request{Name: "web1", Role: RoleNode, Replace: true}); err != nil {
		t.Fatal(err)
	}
	second := serial()
	if first == second {
		t.Error("the server still shows the old certificate")
	}
	if err := <-reloads; err != nil {
		t.Errorf("reload: %v", err)
	}

	// A file that cannot be used leaves what was there in use, and is told once.
	if err := os.WriteFile(f.Key, []byte("rubbish"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if serial() != second {
			t.Error("the server does not show the last good certificate")
		}
	}
	if err := <-reloads; err == nil {
		t.Error("a damaged key was not told")
	}
	if len(reloads) != 0 {
		t.Error("a damaged key was told more than once")
	}
}

func TestRotationOfTheAuthority(t *testing.T) {
	dir, next := newFleet(t), newFleet(t)
	addr := serve(t, issue(t, dir, "web1", RoleNode).ServerTLS())
	f, err := Issue(next, Request{Name: "web2", Role: RoleNode})
	if err != nil {
		t.Fatal(err)
	}
	// Both sides trust both authorities, in one file.
	var both []byte
	for _, d := range []string{dir, next} {
		data, err := os.ReadFile(filepath.Join(d, CACertFile))
		if err != nil {
			t.Fatal(err)
		}
		both = append(both, data...)
	}
	if err := os.WriteFile(filepath.Join(dir, CACertFile), both, 0o600); err != nil {
		t.Fatal(err)
	}
	client, err := Load(filepath.Join(dir, CACertFile), f.Cert, f.Key)
	if err != nil {
		t.Fatal(err)
	}
	if answer, err := ask(addr, client.ClientTLS("web1")); err != nil || answer != "web2 node <nil>" {
		t.Errorf("a certificate of the added authority: %q, %v", answer, err)
	}
}
