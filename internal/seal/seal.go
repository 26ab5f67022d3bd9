// Package seal hides a refresh token from all but the holder of the one that it
// replaces.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/seed-11d18166/oauth2server/internal/digest"
)

// The first byte of what is sealed is its format. A new format gets a new
// number, so that Open can read all.
const (
	boxed  = 1 // AES-256-GCM, which Seal no longer makes
	padded = 2 // the successor and a pad, combined by XOR
)

// Seal hides successor so that only the holder of presented can open it.
// digested is the SHA-256 digest of successor in base64url, which is stored
// beside the result.
func Seal(presented, successor, digested string) []byte {
	sealed := append(append(make([]byte, 0, 1+len(successor)), padded), successor...)
	pad(sealed[1:], presented, digested)
	return sealed
}

// Open returns what Seal hid, if that has the digest. grantID is for the older
// format only.
func Open(sealed []byte, presented, digested, grantID string) (string, error) {
	if len(sealed) == 0 {
		return "", errors.New("oauth2server: opening a sealed successor: there is none")
	}
	var opened []byte
	switch sealed[0] {
	case boxed:
		var err error
		if opened, err = unbox(sealed[1:], presented, grantID); err != nil {
			return "", fmt.Errorf("oauth2server: opening a sealed successor: %w", err)
		}
	case padded:
		opened = append(opened, sealed[1:]...)
		pad(opened, presented, digested)
	default:
		return "", fmt.Errorf("oauth2server: opening a sealed successor: unknown format %d", sealed[0])
	}
	if sum := digest.Of(string(opened)); base64.RawURLEncoding.EncodeToString(sum[:]) != digested {
		return "", errors.New("oauth2server: opening a sealed successor: its digest is another one")
	}
	return string(opened), nil
}

// pad combines text with a pad by XOR. The pad is what the one-step derivation
// of NIST SP 800-56C, section 4.1, makes of the refresh token with SHA-256: as
// that has 128 random bits, nothing else is needed. It must not come from the
// token's digest, which is stored: then a dump could open what is sealed. A
// token may be rotated twice, so the pad depends on the successor too: by its
// digest, as in a synthetic initialization vector (RFC 5297).
func pad(text []byte, presented, digested string) {
	var buffer [192]byte // enough for most
	in := append(append(buffer[:0], 0, 0, 0, 0), presented...)
	in = append(append(in, "oauth2server successor pad"...), digested...)
	for counter := uint32(1); len(text) > 0; counter++ {
		binary.BigEndian.PutUint32(in, counter)
		part := sha256.Sum256(in)
		text = text[subtle.XORBytes(text, text, part[:]):]
	}
}

// unbox opens the older format.
func unbox(box []byte, presented, grantID string) ([]byte, error) {
	key := sha256.Sum256([]byte("\x00\x00\x00\x01" + presented + "oauth2server refresh successor"))
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	return aead.Open(nil, nil, box, []byte(grantID))
}
