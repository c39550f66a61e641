package pki

import (
	"crypto/ed25519"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
)

// newFleet makes an authority in a directory of its own.
func newFleet(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "pki")
	if _, err := InitCA(dir, InitOptions{}); err != nil {
		t.Fatal(err)
	}
	return dir
}

// issue returns the loaded credentials of a new certificate.
func issue(t *testing.T, dir, name string, role Role) *Credentials {
	t.Helper()
	f, err := Issue(dir, Request{Name: name, Role: role})
	if err != nil {
		t.Fatal(err)
	}
	c, err := Load(f.CA, f.Cert, f.Key)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// wantError checks the code, and that subject and fix are named.
func wantError(t *testing.T, err error, code, subject string) {
	t.Helper()
	e, ok := errors.AsType[*api.Error](err)
	if !ok {
		t.Fatalf("got %v (%T), want an *api.Error with code %s", err, err, code)
	}
	if e.Code != code || !strings.Contains(e.Subject, subject) || e.Message == "" || e.Fix == "" {
		t.Errorf("got %#v, want code %s, a subject with %q, a message and a fix", e, code, subject)
	}
}

func TestInitWritesPrivateKeysForTheOwnerOnly(t *testing.T) {
	dir := newFleet(t)
	for name, want := range map[string]os.FileMode{"ca.crt": 0o644, "ca.key": 0o600, "publisher.key": 0o600, "publisher.pub": 0o644} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got&^want != 0 {
			t.Errorf("%s has mode %o, want at most %o", name, got, want)
		}
	}
}

func TestInitOverwritesNothing(t *testing.T) {
	for _, name := range []string{"ca.crt", "ca.key", "me.key", "me.pub"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, name), []byte("precious"), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := InitCA(dir, InitOptions{Publisher: "me"})
			wantError(t, err, api.CodeConflict, name)
			entries, err := os.ReadDir(dir)
			if err != nil || len(entries) != 1 {
				t.Errorf("directory holds %v (%v), want only %s", entries, err, name)
			}
		})
	}
}

func TestInitRefusesPublisherNames(t *testing.T) {
	for _, name := range []string{"ca", "../x", "a b"} {
		_, err := InitCA(t.TempDir(), InitOptions{Publisher: name})
		wantError(t, err, api.CodeInvalid, name)
	}
}

func TestIssue(t *testing.T) {
	dir := newFleet(t)
	for _, role := range Roles {
		c := issue(t, dir, "x-"+string(role), role)
		name, got, err := c.Identity()
		if err != nil || name != "x-"+string(role) || got != role {
			t.Errorf("identity is %s %s (%v), want x-%s %s", name, got, err, role, role)
		}
		if left := time.Until(c.NotAfter()); left < 364*day || left > 366*day {
			t.Errorf("lasts %v, want a year", left)
		}
	}
}

func TestIssueChecksItsRequest(t *testing.T) {
	dir := newFleet(t)
	for _, test := range []struct {
		request Request
		subject string
	}{
		{Request{Name: "", Role: RoleNode}, "--name"},
		{Request{Name: "../up", Role: RoleNode}, "--name"},
		{Request{Name: "ca", Role: RoleNode}, "--name"},
		{Request{Name: "a", Role: "boss"}, "--role"},
		{Request{Name: "a", Role: RoleNode, Days: -1}, "--days"},
		{Request{Name: "a", Role: RoleNode, Days: MaxDays + 1}, "--days"},
		{Request{Name: "a", Role: RoleNode, Hosts: []string{""}}, "--host"},
	} {
		_, err := Issue(dir, test.request)
		wantError(t, err, api.CodeInvalid, test.subject)
	}
	_, err := Issue(t.TempDir(), Request{Name: "a", Role: RoleNode})
	wantError(t, err, api.CodeNotFound, "ca.crt")
}

func TestIssueNamesHosts(t *testing.T) {
	f, err := Issue(newFleet(t), Request{Name: "web17", Role: RoleNode, Hosts: []string{"web17.example", "192.0.2.7", "2001:db8::7"}})
	if err != nil {
		t.Fatal(err)
	}
	certs, err := readCertificates(f.Cert, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"web17.example", "192.0.2.7", "2001:db8::7"} {
		if err := certs[0].VerifyHostname(host); err != nil {
			t.Error(err)
		}
	}
}

func TestIssueReplacesOnlyTheSameName(t *testing.T) {
	dir := newFleet(t)
	request := Request{Name: "web17", Role: RoleNode}
	first, err := Issue(dir, request)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Issue(dir, request)
	wantError(t, err, api.CodeConflict, "web17")

	before, err := os.ReadFile(first.Cert)
	if err != nil {
		t.Fatal(err)
	}
	request.Replace = true
	if _, err := Issue(dir, request); err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(first.Cert)
	if err != nil || string(before) == string(after) {
		t.Errorf("the certificate was not replaced (%v)", err)
	}

	_, err = Issue(dir, Request{Name: "publisher", Role: RoleNode, Replace: true})
	wantError(t, err, api.CodeConflict, "publisher.key")
	if _, err := LoadPublisher(filepath.Join(dir, "publisher.key")); err != nil {
		t.Errorf("the publisher's key is gone: %v", err)
	}
}

func TestIssueWithTheWrongKey(t *testing.T) {
	dir, other := newFleet(t), newFleet(t)
	key, err := os.ReadFile(filepath.Join(other, CAKeyFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, CAKeyFile), key, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Issue(dir, Request{Name: "a", Role: RoleNode})
	wantError(t, err, api.CodeInvalid, CAKeyFile)
}

func TestPublisherKeys(t *testing.T) {
	dir, other := newFleet(t), newFleet(t)
	key, err := LoadPublisher(filepath.Join(dir, "publisher.key"))
	if err != nil {
		t.Fatal(err)
	}
	trust, err := LoadTrust([]string{filepath.Join(dir, "publisher.pub"), filepath.Join(other, "publisher.pub")})
	if err != nil || len(trust) != 2 {
		t.Fatalf("got %d keys (%v), want 2", len(trust), err)
	}
	if !ed25519.Verify(trust[0], []byte("text"), ed25519.Sign(key, []byte("text"))) {
		t.Error("the public key does not verify what the private key signed")
	}
	if a, b := Fingerprint(trust[0]), Fingerprint(trust[1]); a == b || !strings.HasPrefix(a, "SHA256:") {
		t.Errorf("fingerprints %s and %s", a, b)
	}
}

func TestPublisherKeyErrors(t *testing.T) {
	dir := newFleet(t)
	_, err := LoadPublisher(filepath.Join(dir, "none.key"))
	wantError(t, err, api.CodeNotFound, "none.key")
	_, err = LoadPublisher(filepath.Join(dir, "ca.key"))
	wantError(t, err, api.CodeInvalid, "ca.key")
	_, err = LoadPublisher(filepath.Join(dir, "publisher.pub"))
	wantError(t, err, api.CodeInvalid, "publisher.pub")
	_, err = LoadTrust([]string{filepath.Join(dir, "publisher.key")})
	wantError(t, err, api.CodeInvalid, "publisher.key")
}

func TestLoadErrors(t *testing.T) {
	dir, other := newFleet(t), newFleet(t)
	issue(t, dir, "a", RoleNode)
	issue(t, dir, "b", RoleNode)
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, test := range []struct {
		ca, cert, key, code, subject string
	}{
		{at("none"), at("a.crt"), at("a.key"), api.CodeNotFound, "none"},
		{at("ca.crt"), at("none"), at("a.key"), api.CodeNotFound, "none"},
		{at("ca.crt"), at("a.crt"), at("none"), api.CodeNotFound, "none"},
		{at("ca.crt"), at("a.crt"), at("b.key"), api.CodeInvalid, "a.crt"},
		{at("a.key"), at("a.crt"), at("a.key"), api.CodeInvalid, "a.key"},
		{filepath.Join(other, "ca.crt"), at("a.crt"), at("a.key"), api.CodeInvalid, "a.crt"},
		{at("ca.crt"), at("ca.crt"), at("ca.key"), api.CodeInvalid, "ca.crt"},
	} {
		_, err := Load(test.ca, test.cert, test.key)
		wantError(t, err, test.code, test.subject)
	}
}
