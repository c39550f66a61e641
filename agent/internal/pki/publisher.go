package pki

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
)

const (
	publisherFix = "make a publisher key with: rackswarm pki init --dir DIR"
	trustFix     = "list the .pub files of trusted publishers, as rackswarm pki init writes them"
)

// LoadPublisher reads the private key with which manifests are signed: ed25519,
// PKCS #8, PEM.
func LoadPublisher(file string) (ed25519.PrivateKey, error) {
	return readPrivate[ed25519.PrivateKey](file, "an ed25519 private key", publisherFix)
}

// LoadTrust reads the public keys of trusted publishers, PEM files with one or
// more ed25519 keys each.
func LoadTrust(files []string) ([]ed25519.PublicKey, error) {
	var keys []ed25519.PublicKey
	for _, f := range files {
		more, err := loadPublic(f)
		if err != nil {
			return nil, err
		}
		keys = append(keys, more...)
	}
	return keys, nil
}

func loadPublic(file string) ([]ed25519.PublicKey, error) {
	blocks, err := readPEM(file, pemPublic, trustFix)
	if err != nil {
		return nil, err
	}
	keys := make([]ed25519.PublicKey, len(blocks))
	for i, der := range blocks {
		parsed, err := x509.ParsePKIXPublicKey(der)
		if err != nil {
			return nil, invalid(file, "is damaged: "+err.Error(), trustFix)
		}
		key, ok := parsed.(ed25519.PublicKey)
		if !ok {
			return nil, invalid(file, fmt.Sprintf("is %T, not an ed25519 public key", parsed), trustFix)
		}
		keys[i] = key
	}
	return keys, nil
}

// Fingerprint is a short name for a public key that people can compare:
// "SHA256:" and the base64 of the SHA-256 of its PKIX form.
func Fingerprint(key ed25519.PublicKey) string {
	sum := sha256.Sum256(publicDER(key))
	return "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])
}

func encodePublic(key ed25519.PublicKey) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: pemPublic, Bytes: publicDER(key)})
}

func publicDER(key ed25519.PublicKey) []byte {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		panic(fmt.Sprintf("pki: encode public key: %v", err))
	}
	return der
}
