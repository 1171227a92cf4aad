package identity

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/skiffhq/skiff/core/fault"
)

// keyBytes is the size of the HS256 key, the hash's own (RFC 7518 §3.2).
const keyBytes = 32

// signingKey signs our own tokens. Its id goes into the header "kid", which
// tells our tokens from those of an external issuer.
type signingKey struct {
	id     string
	secret []byte
}

// loadKey reads the key file, or makes one where there is none.
func loadKey(path string) (signingKey, error) {
	secret, err := readKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		secret, err = makeKey(path)
	}
	if err != nil {
		return signingKey{}, err
	}
	sum := sha256.Sum256(append([]byte("skiff key id\x00"), secret...))
	return signingKey{id: "skiff-" + hex.EncodeToString(sum[:8]), secret: secret}, nil
}

func readKey(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, keyFault(err, path)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fault.New(fault.Invalid, "key_file", "read the signing key: %s can be read by others", path).
			WithRemedy("run chmod 600 %s, or delete it to have a new one made: all tokens then end", path)
	}
	secret, err := os.ReadFile(path)
	if err != nil {
		return nil, keyFault(err, path)
	}
	if len(secret) != keyBytes {
		return nil, fault.New(fault.Invalid, "key_file", "read the signing key: %s holds %d bytes instead of %d", path, len(secret), keyBytes).
			WithRemedy("restore the file, or delete it to have a new one made: all tokens then end")
	}
	return secret, nil
}

func makeKey(path string) ([]byte, error) {
	secret := make([]byte, keyBytes)
	rand.Read(secret) // never fails, see crypto/rand
	if err := writeFile(path, secret); err != nil {
		return nil, keyFault(err, path)
	}
	return secret, nil
}

func keyFault(err error, path string) error {
	return fault.Wrap(err, fault.Internal, "key_file", "read or make the signing key %s", path).
		WithRemedy("check the owner and the mode of the directory %s", filepath.Dir(path))
}

// writeFile puts data in place whole or not at all, also through a power cut,
// readable by the owner alone.
func writeFile(path string, data []byte) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+"-*") // made with mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails once the file has its name
	_, err = f.Write(data)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

// syncDir makes a rename in the directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
