package artifact

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func newKey(t testing.TB) (ed25519.PublicKey, ed25519.PrivateKey) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return public, private
}

func TestVerify(t *testing.T) {
	g := sampleTree()
	unsigned := g.mustBuild(t)
	public, private := newKey(t)
	stranger, strangersKey := newKey(t)
	signed := Sign(unsigned, private)

	forged := *signed
	forged.signature = bytes.Clone(signed.signature)
	forged.signature[5] ^= 1
	claimed := *Sign(unsigned, strangersKey)
	claimed.publisher = public

	for _, c := range []struct {
		name    string
		m       *Manifest
		trusted []ed25519.PublicKey
		want    error
	}{
		{"signed", signed, []ed25519.PublicKey{stranger, public}, nil},
		{"signed anew", Sign(signed, strangersKey), []ed25519.PublicKey{stranger}, nil},
		{"unsigned", unsigned, []ed25519.PublicKey{public}, ErrUnsigned},
		{"another's", signed, []ed25519.PublicKey{stranger}, ErrUntrusted},
		{"nobody is trusted", signed, nil, ErrUntrusted},
		{"an empty key is trusted", unsigned, []ed25519.PublicKey{nil}, ErrUnsigned},
		{"forged", &forged, []ed25519.PublicKey{public}, ErrBadSignature},
		{"another's under a trusted name", &claimed, []ed25519.PublicKey{public}, ErrBadSignature},
	} {
		if err := c.m.Verify(c.trusted); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func TestSignKeepsTheManifest(t *testing.T) {
	g := sampleTree()
	m := g.mustBuild(t)
	public, private := newKey(t)
	signed := Sign(m, private)
	if m.Signature() != nil || signed.Digest() != m.Digest() {
		t.Error("signing changed the manifest that it was given")
	}
	again, err := Parse(signed.Encode())
	if err != nil || !bytes.Equal(again.Signature(), signed.Signature()) || !public.Equal(again.Publisher()) {
		t.Errorf("the signature is lost: %v", err)
	}
	if !VerifyDigest(m.Digest(), public, signed.Signature()) {
		t.Error("the signature is not one of the digest")
	}
	if VerifyDigest(m.Digest(), public[:31], signed.Signature()) || VerifyDigest(m.Digest(), public, nil) {
		t.Error("a key or signature of a wrong length is accepted")
	}
	digest := m.Digest()
	if ed25519.Verify(public, digest[:], signed.Signature()) {
		t.Error("the signature is of the bare digest, without a context")
	}
}

func TestDigestText(t *testing.T) {
	g := sampleTree()
	d := g.mustBuild(t).Digest()
	text, err := json.Marshal(d)
	if err != nil || string(text) != `"`+d.String()+`"` {
		t.Fatalf("%s: %v", text, err)
	}
	var back Digest
	if err := json.Unmarshal(text, &back); err != nil || back != d {
		t.Fatalf("%s: %v", back, err)
	}
	if short := d.Short(); !strings.HasPrefix(d.String(), "sha256:") || !bytes.HasPrefix(d[:], short[:]) {
		t.Fatalf("short %x of %s", short, d)
	}
	if err := json.Unmarshal([]byte(`"sha256:00"`), &back); err == nil || back != d {
		t.Fatalf("a bad digest gives %v, %v", back, err)
	}
}

func FuzzParseDigest(f *testing.F) {
	for _, s := range []string{"", "sha256:", "sha256:" + strings.Repeat("0f", 32), "sha256:" + strings.Repeat("0F", 32), strings.Repeat("0f", 32)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseDigest(s)
		if err == nil && d.String() != s {
			t.Fatalf("%q is accepted and written as %q", s, d)
		}
		if err != nil && d != (Digest{}) {
			t.Fatalf("%q: an error and the digest %s", s, d)
		}
	})
}
