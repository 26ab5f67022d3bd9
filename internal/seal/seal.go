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

// Seal hides successor so that only the holder of presented can open it. nonce
// must be another one each time, as a token may be rotated twice. It may be
// stored beside the result.
func Seal(presented, nonce, successor string) []byte {
	sealed := append(append(make([]byte, 0, 1+len(successor)), padded), successor...)
	pad(sealed[1:], presented, nonce)
	return sealed
}

// Open returns what Seal hid, which must have the given digest in base64url: a
// pad does not tell whether it is the right one. grantID is for the older
// format, which has the nonce in itself.
func Open(sealed []byte, presented, grantID, nonce, successor string) (string, error) {
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
		pad(opened, presented, nonce)
	default:
		return "", fmt.Errorf("oauth2server: opening a sealed successor: it has the unknown format %d", sealed[0])
	}
	if sum := digest.Of(string(opened)); base64.RawURLEncoding.EncodeToString(sum[:]) != successor {
		return "", errors.New("oauth2server: opening a sealed successor: its digest is another one")
	}
	return string(opened), nil
}

// pad combines text with a pad by XOR. The pad is what the one-step derivation
// of NIST SP 800-56C, section 4.1, makes of the refresh token with SHA-256: as
// that has 128 random bits, nothing else is needed. It must not come from the
// token's digest, which is stored: then a dump could open what is sealed.
func pad(text []byte, presented, nonce string) {
	var buffer [192]byte // enough for most
	in := append(append(buffer[:0], 0, 0, 0, 0), presented...)
	in = append(append(in, "oauth2server successor pad"...), nonce...)
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
