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
	key, err := base64.StdEncoding.DecodeString(a.Publisher)
	if err != nil || len(key) != ed25519.PublicKeySize {
		return untrusted(d, "it is not signed: its record has no valid publisher key",
			"publish it with an agent that has a publisher key")
	}
	known := slices.ContainsFunc(trust, func(t ed25519.PublicKey) bool { return t.Equal(ed25519.PublicKey(key)) })
	if !known {
		return untrusted(d, "its publisher "+a.Publisher+" is not trusted by this node",
			"add the publisher's public key to trust in the agent's configuration, or publish with a trusted key")
	}
	sig, err := base64.StdEncoding.DecodeString(a.Signature)
	if err != nil || !artifact.VerifyDigest(d, ed25519.PublicKey(key), sig) {
		return untrusted(d, "its signature by publisher "+a.Publisher+" does not verify", "publish it again")
	}
	return nil
}

func untrusted(d artifact.Digest, message, fix string) *api.Error {
	return &api.Error{Code: api.CodeUntrusted, Subject: d.String(), Message: message, Fix: fix}
}
