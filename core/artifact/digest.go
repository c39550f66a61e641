package artifact

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// Digest names an artifact: the SHA-256 of the manifest's info dictionary,
// which is the v2 info-hash of BEP 52.
type Digest [32]byte

const digestPrefix = "sha256:"

// ParseDigest reads "sha256:" followed by 64 lowercase hexadecimal digits.
func ParseDigest(s string) (Digest, error) {
	var d Digest
	digits, ok := strings.CutPrefix(s, digestPrefix)
	if !ok || len(digits) != hex.EncodedLen(len(d)) || strings.ToLower(digits) != digits {
		return Digest{}, fmt.Errorf("digest %q: must be sha256: and 64 lowercase hexadecimal digits", s)
	}
	if _, err := hex.Decode(d[:], []byte(digits)); err != nil {
		return Digest{}, fmt.Errorf("digest %q: %w", s, err)
	}
	return d, nil
}

// String writes the form that ParseDigest reads.
func (d Digest) String() string { return digestPrefix + hex.EncodeToString(d[:]) }

// Short is the truncated info-hash that handshakes carry (BEP 52).
func (d Digest) Short() [20]byte { return [20]byte(d[:20]) }

// MarshalText writes the form that ParseDigest reads.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what ParseDigest reads.
func (d *Digest) UnmarshalText(text []byte) error {
	parsed, err := ParseDigest(string(text))
	if err != nil {
		return err
	}
	*d = parsed
	return nil
}
