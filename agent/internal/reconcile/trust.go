package reconcile

import (
	"crypto/ed25519"
	"encoding/base64"
	"slices"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/artifact"
)

// checkTrust verifies the signature of an artifact's record against the trusted
// publishers, before anything is fetched. The result is nil or an untrusted
// error that names the publisher.
func checkTrust(d artifact.Digest, a api.Artifact, trust []ed25519.PublicKey) *api.Error {
	key, sig := signature(a)
	if key == nil {
		return untrusted(d, "it is not signed: its record has no valid publisher key",
			"publish it with an agent that has a publisher key")
	}
	known := slices.ContainsFunc(trust, func(t ed25519.PublicKey) bool { return t.Equal(ed25519.PublicKey(key)) })
	if !known {
		return untrusted(d, "its publisher "+a.Publisher+" is not trusted by this node",
			"add the publisher's public key to trust in the agent's configuration, or publish with a trusted key")
	}
	if !artifact.VerifyDigest(d, key, sig) {
		return untrusted(d, "its signature by publisher "+a.Publisher+" does not verify", "publish it again")
	}
	return nil
}

// signature returns the key and the signature in a record, each nil if there is
// no valid one.
func signature(a api.Artifact) (ed25519.PublicKey, []byte) {
	key, err := base64.StdEncoding.DecodeString(a.Publisher)
	if err != nil || len(key) != ed25519.PublicKeySize {
		return nil, nil
	}
	sig, err := base64.StdEncoding.DecodeString(a.Signature)
	if err != nil || len(sig) != ed25519.SignatureSize {
		sig = nil
	}
	return key, sig
}

// endorse returns m with the signature of the artifact's record in place of the
// one that the peer who sent it claims. A manifest is what its digest says; a
// wrong signature beside it must not keep content from who trusts the record's.
func endorse(m *artifact.Manifest, a api.Artifact, trust []ed25519.PublicKey) *artifact.Manifest {
	if checkTrust(m.Digest(), a, trust) != nil {
		return m
	}
	key, sig := signature(a)
	return artifact.WithSignature(m, key, sig)
}

func untrusted(d artifact.Digest, message, fix string) *api.Error {
	return &api.Error{Code: api.CodeUntrusted, Subject: d.String(), Message: message, Fix: fix}
}
