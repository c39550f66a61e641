package pki

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/rackswarm/rackswarm/core/api"
)

const (
	pemCertificate = "CERTIFICATE"
	pemPrivate     = "PRIVATE KEY"
	pemPublic      = "PUBLIC KEY"

	privateMode fs.FileMode = 0o600
	publicMode  fs.FileMode = 0o644
)

// file is one to be written.
type file struct {
	path string
	mode fs.FileMode
	data []byte
}

// writeNew writes files that do not exist yet, in dir, which it creates. If one
// of them exists, none is written; fix says what the user can do then.
func writeNew(dir, fix string, files []file) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("create directory %s: %w", dir, err)
	}
	for _, f := range files {
		if _, err := os.Lstat(f.path); err == nil {
			return &api.Error{Code: api.CodeConflict, Subject: f.path, Message: "exists already and is not overwritten", Fix: fix}
		}
	}
	for i, f := range files {
		if err := writeNewFile(f); err != nil {
			return errors.Join(err, removeAll(files[:i]))
		}
	}
	return nil
}

// replaceAll replaces each file atomically. A reader may see the new first file
// with the old second one, briefly.
func replaceAll(files []file) error {
	for _, f := range files {
		tmp := file{f.path + ".new", f.mode, f.data}
		if err := os.Remove(tmp.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove left-over %s: %w", tmp.path, err)
		}
		if err := writeNewFile(tmp); err != nil {
			return err
		}
		if err := os.Rename(tmp.path, f.path); err != nil {
			return errors.Join(fmt.Errorf("replace %s: %w", f.path, err), os.Remove(tmp.path))
		}
	}
	return nil
}

func writeNewFile(f file) error {
	h, err := os.OpenFile(filepath.Clean(f.path), os.O_WRONLY|os.O_CREATE|os.O_EXCL, f.mode)
	if err != nil {
		return fmt.Errorf("create %s: %w", f.path, err)
	}
	_, err = h.Write(f.data)
	if err == nil {
		err = h.Sync()
	}
	if err = errors.Join(err, h.Close()); err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", f.path, err), os.Remove(f.path))
	}
	return nil
}

func removeAll(files []file) error {
	var errs []error
	for _, f := range files {
		errs = append(errs, os.Remove(f.path))
	}
	return errors.Join(errs...)
}

// readFile reads a whole file; fix is for when it does not exist.
func readFile(path, fix string) ([]byte, error) {
	data, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &api.Error{Code: api.CodeNotFound, Subject: path, Message: "no such file", Fix: fix}
	case errors.Is(err, fs.ErrPermission):
		return nil, &api.Error{Code: api.CodeForbidden, Subject: path, Message: "may not be read by this user", Fix: "run as the user who owns it, or change its owner"}
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return data, nil
}

// readPEM returns the contents of all blocks of one type, at least one.
func readPEM(path, blockType, fix string) ([][]byte, error) {
	data, err := readFile(path, fix)
	if err != nil {
		return nil, err
	}
	var blocks [][]byte
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == blockType {
			blocks = append(blocks, block.Bytes)
		}
	}
	if len(blocks) == 0 {
		return nil, invalid(path, "holds no PEM block "+blockType, fix)
	}
	return blocks, nil
}

// readCertificates returns the certificates of a PEM file, at least one.
func readCertificates(path, fix string) ([]*x509.Certificate, error) {
	blocks, err := readPEM(path, pemCertificate, fix)
	if err != nil {
		return nil, err
	}
	certs := make([]*x509.Certificate, len(blocks))
	for i, der := range blocks {
		if certs[i], err = x509.ParseCertificate(der); err != nil {
			return nil, invalid(path, "is damaged: "+err.Error(), fix)
		}
	}
	return certs, nil
}

// readPrivate reads a PKCS #8 private key of type K.
func readPrivate[K any](path, want, fix string) (K, error) {
	var zero K
	blocks, err := readPEM(path, pemPrivate, fix)
	if err != nil {
		return zero, err
	}
	parsed, err := x509.ParsePKCS8PrivateKey(blocks[0])
	if err != nil {
		return zero, invalid(path, "is damaged: "+err.Error(), fix)
	}
	key, ok := parsed.(K)
	if !ok {
		return zero, invalid(path, fmt.Sprintf("is %T, not %s", parsed, want), fix)
	}
	return key, nil
}

// encodePrivate writes a key as PKCS #8 in PEM. The key is one that this package
// has generated.
func encodePrivate(key any) []byte {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(fmt.Sprintf("pki: encode %T: %v", key, err))
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemPrivate, Bytes: der})
}

func invalid(subject, message, fix string) *api.Error {
	return &api.Error{Code: api.CodeInvalid, Subject: subject, Message: message, Fix: fix}
}
