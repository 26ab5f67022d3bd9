// Package seal encrypts a refresh token under the one that it replaces.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/seed-11d18166/oauth2server/internal/bodies"
)

// version is the first byte of what Seal returns. A new format gets a new
// version, so that Open can read both.
const version = 1

// Seal encrypts successor so that only the holder of presented can open it, and
// only for this grant.
func Seal(presented, grantID, successor string) ([]byte, error) {
	aead, err := sealer(presented)
	if err != nil {
		return nil, fmt.Errorf("oauth2server: sealing a successor: %w", err)
	}
	buffer := bodies.Buffer() // as the two texts would be copied to the heap
	plain := append(append((*buffer)[:0], successor...), grantID...)
	sealed := append(make([]byte, 0, 1+aead.Overhead()+len(successor)), version)
	sealed = aead.Seal(sealed, nil, plain[:len(successor)], plain[len(successor):])
	bodies.Release(buffer, plain)
	return sealed, nil
}

// Open decrypts what Seal returned.
func Open(presented, grantID string, sealed []byte) (string, error) {
	if len(sealed) == 0 || sealed[0] != version {
		return "", errors.New("oauth2server: opening a sealed successor: it has another version")
	}
	aead, err := sealer(presented)
	if err != nil {
		return "", fmt.Errorf("oauth2server: opening a sealed successor: %w", err)
	}
	successor, err := aead.Open(nil, nil, sealed[1:], []byte(grantID))
	if err != nil {
		return "", fmt.Errorf("oauth2server: opening a sealed successor: %w", err)
	}
	return string(successor), nil
}

// sealer returns a cipher for a successor, keyed by the refresh token that it
// replaces. The key is that of the one-step derivation of NIST SP 800-56C,
// section 4.1, with SHA-256: one hash is enough, as the token has 128 random
// bits. It must not come from the token's digest, which is stored beside the
// box: then a dump could open it. Each box has a random nonce, as a token may
// be rotated twice (NIST SP 800-38D, section 8.2.2).
func sealer(presented string) (cipher.AEAD, error) {
	var buffer [128]byte // enough for most
	key := sha256.Sum256(
		append(append(append(buffer[:0], 0, 0, 0, 1), presented...), "oauth2server refresh successor"...))
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}
