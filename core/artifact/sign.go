package artifact

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
)

// What Verify returns, wrapped with the artifact's digest.
var (
	ErrUnsigned     = errors.New("the manifest is not signed")
	ErrUntrusted    = errors.New("the manifest is signed by a publisher who is not trusted")
	ErrBadSignature = errors.New("the manifest's signature is wrong")
)

// signatureContext keeps a signature made here from meaning anything else.
const signatureContext = "rackswarm artifact digest v1\x00"

func signedMessage(d Digest) []byte {
	return append([]byte(signatureContext), d[:]...)
}

// Sign returns a copy of m signed by the key, in place of any earlier signature.
func Sign(m *Manifest, key ed25519.PrivateKey) *Manifest {
	signed := *m
	signed.publisher = slices.Clone(key.Public().(ed25519.PublicKey))
	signed.signature = ed25519.Sign(key, signedMessage(m.digest))
	return &signed
}

// WithSignature returns a copy of m with a signature of its digest that was made
// elsewhere, in place of any earlier one. It is not verified.
func WithSignature(m *Manifest, publisher ed25519.PublicKey, sig []byte) *Manifest {
	signed := *m
	signed.publisher, signed.signature = slices.Clone(publisher), slices.Clone(sig)
	return &signed
}

// VerifyDigest reports whether sig is the publisher's signature of the digest.
// Wrong lengths are wrong signatures.
func VerifyDigest(d Digest, publisher ed25519.PublicKey, sig []byte) bool {
	return len(publisher) == ed25519.PublicKeySize && ed25519.Verify(publisher, signedMessage(d), sig)
}

// Publisher is the public key of the signature, nil if m is not signed. The
// caller must not change it.
func (m *Manifest) Publisher() ed25519.PublicKey { return m.publisher }

// Signature is the publisher's signature of the digest, nil if m is not signed.
// The caller must not change it.
func (m *Manifest) Signature() []byte { return m.signature }

// Verify checks that one of the trusted publishers signed m. The error is
// ErrUnsigned, ErrUntrusted or ErrBadSignature (errors.Is).
func (m *Manifest) Verify(trusted []ed25519.PublicKey) error {
	trustedKey := func(key ed25519.PublicKey) bool { return bytes.Equal(key, m.publisher) }
	switch {
	case m.publisher == nil:
		return fmt.Errorf("verify %s: %w", m.digest, ErrUnsigned)
	case !slices.ContainsFunc(trusted, trustedKey):
		return fmt.Errorf("verify %s: %w", m.digest, ErrUntrusted)
	case !VerifyDigest(m.digest, m.publisher, m.signature):
		return fmt.Errorf("verify %s: %w", m.digest, ErrBadSignature)
	}
	return nil
}
