package pki

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/unit"
)

// Role is what the holder of a certificate may do.
type Role string

// The roles. A node serves and fetches content and answers API calls; of another
// node's API it may read, and have that node publish below its publish.roots. An
// operator may change everything, a reader nothing.
const (
	RoleNode     Role = "node"
	RoleOperator Role = "operator"
	RoleReader   Role = "reader"
)

// Roles are all roles.
var Roles = []Role{RoleNode, RoleOperator, RoleReader}

// ParseRole reads a role's name.
func ParseRole(s string) (Role, error) {
	for _, r := range Roles {
		if s == string(r) {
			return r, nil
		}
	}
	return "", fmt.Errorf("role %q: not one of node, operator and reader", s)
}

const scheme = "rackswarm"

func identityURI(name string, role Role) *url.URL {
	return &url.URL{Scheme: scheme, Host: string(role), Path: "/" + name}
}

// Identity tells who is at the other end of a connection that was made with
// ServerTLS or ClientTLS, whose handshake has verified the certificate.
func Identity(cs tls.ConnectionState) (name string, role Role, err error) {
	if len(cs.PeerCertificates) == 0 {
		return "", "", fmt.Errorf("the other side showed no certificate")
	}
	return identityOf(cs.PeerCertificates[0])
}

// identityOf reads the one rackswarm URI of a certificate. It does not verify
// the certificate.
func identityOf(cert *x509.Certificate) (string, Role, error) {
	var found []*url.URL
	for _, u := range cert.URIs {
		if u.Scheme == scheme {
			found = append(found, u)
		}
	}
	if len(found) != 1 {
		return "", "", fmt.Errorf("certificate of %q: %d URIs of the form rackswarm://role/name; exactly one is needed", cert.Subject.CommonName, len(found))
	}
	return parseIdentity(found[0])
}

func parseIdentity(u *url.URL) (string, Role, error) {
	role, err := ParseRole(u.Host)
	if err != nil {
		return "", "", fmt.Errorf("certificate URI %s: %w", u.Redacted(), err)
	}
	name, ok := strings.CutPrefix(u.Path, "/")
	if !ok || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return "", "", fmt.Errorf("certificate URI %s: not of the form rackswarm://role/name", u.Redacted())
	}
	if _, err := unit.ParseNodeID(name); err != nil {
		return "", "", fmt.Errorf("certificate URI %s: %w", u.Redacted(), err)
	}
	return name, role, nil
}

// checkRole verifies that the certificate is for one of the roles.
func checkRole(cert *x509.Certificate, roles []Role) error {
	name, role, err := identityOf(cert)
	if err == nil && !slices.Contains(roles, role) {
		err = &api.Error{Code: api.CodeForbidden, Subject: name, Message: fmt.Sprintf("a certificate for role %s is not let in here", role),
			Fix: fmt.Sprintf("use one for role %s", roles[0])}
	}
	return err
}

// checkNode verifies that the certificate is a node's, and that of want unless
// want is empty.
func checkNode(cert *x509.Certificate, want string) error {
	name, role, err := identityOf(cert)
	if err != nil {
		return err
	}
	if role != RoleNode {
		return &api.Error{Code: api.CodeForbidden, Subject: name, Message: fmt.Sprintf("the certificate is for role %s, not for a node", role),
			Fix: "start the agent with a certificate issued by: rackswarm pki issue --role node --name " + name}
	}
	if want != "" && name != want {
		return &api.Error{Code: api.CodeForbidden, Subject: want, Message: fmt.Sprintf("the certificate is for node %s", name),
			Fix: "check that the address belongs to " + want + ", and that its tls.cert was issued for that name"}
	}
	return nil
}
