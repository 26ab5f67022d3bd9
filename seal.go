package oauth2server

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
)

// sealer encrypts a successor under the refresh token that it replaces. The key must not come from the token's digest:
// that is stored beside it, and a dump would open what it holds. Each box has a random nonce of its own, as a token
// may be rotated twice (NIST SP 800-38D, section 8.2.2).
func sealer(presented string) (cipher.AEAD, error) {
	var salt [sha256.Size]byte // as good as none (RFC 5869, section 2.2)
	key, err := hkdf.Key(sha256.New, []byte(presented), salt[:], "oauth2server refresh successor", 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// seal returns successor in a form that only who has presented can open, and only for this grant.
func seal(presented, grantID, successor string) ([]byte, error) {
	aead, err := sealer(presented)
	if err != nil {
		return nil, fmt.Errorf("oauth2server: sealing a successor: %w", err)
	}
	return aead.Seal(nil, nil, []byte(successor), []byte(grantID)), nil
}

// unseal opens what seal made.
func unseal(presented, grantID string, sealed []byte) (string, error) {
	aead, err := sealer(presented)
	if err != nil {
		return "", fmt.Errorf("oauth2server: opening a sealed successor: %w", err)
	}
	successor, err := aead.Open(nil, nil, sealed, []byte(grantID))
	if err != nil {
		return "", fmt.Errorf("oauth2server: opening a sealed successor: %w", err)
	}
	return string(successor), nil
}
