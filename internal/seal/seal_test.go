package seal

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	presented = "a refresh token with 128 bits"
	successor = "its successor"
	grantID   = "g"
)

// stored is what a storage has of a token.
func stored(token string) string {
	digest := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(digest[:])
}

// box is what earlier versions of Seal returned.
func box(t *testing.T) []byte {
	t.Helper()
	key := sha256.Sum256([]byte("\x00\x00\x00\x01" + presented + "oauth2server refresh successor"))
	block, err := aes.NewCipher(key[:])
	require.NoError(t, err)
	aead, err := cipher.NewGCMWithRandomNonce(block)
	require.NoError(t, err)
	return aead.Seal([]byte{1}, nil, []byte(successor), []byte(grantID))
}

func TestOpen(t *testing.T) {
	now := Seal(presented, successor, stored(successor))
	for format, sealed := range map[string][]byte{"now": now, "before": box(t)} {
		t.Run(format, func(t *testing.T) {
			opened, err := Open(sealed, presented, stored(successor), grantID)
			require.NoError(t, err)
			require.Equal(t, successor, opened)
			require.NotContains(t, string(sealed), successor)

			for name, sealed := range map[string][]byte{
				"a changed bit":  append([]byte{sealed[0], sealed[1] ^ 1}, sealed[2:]...),
				"a format of 3":  append([]byte{3}, sealed[1:]...),
				"another format": append([]byte{sealed[0] ^ 3}, sealed[1:]...),
				"a beginning":    sealed[:len(sealed)-1],
				"more":           append(bytes.Clone(sealed), 0),
				"one byte":       sealed[:1],
				"nothing":        nil,
			} {
				_, err := Open(sealed, presented, stored(successor), grantID)
				require.Error(t, err, name)
			}
			for _, digested := range []string{stored("another successor"), ""} {
				_, err = Open(sealed, presented, digested, grantID)
				require.Error(t, err, digested)
			}
		})
	}
	_, err := Open(box(t), presented, stored(successor), "h")
	require.Error(t, err, "another grant")
}

// Who has a dump has the digests of what was presented and of the successor,
// and this code. Nothing of that may open what is sealed.
func TestADumpOpensNothing(t *testing.T) {
	digest := sha256.Sum256([]byte(presented))
	for _, sealed := range [][]byte{Seal(presented, successor, stored(successor)), box(t)} {
		dump := []string{"", stored(presented), string(digest[:]), stored(successor), grantID, string(sealed)}
		for _, one := range dump {
			for _, other := range dump {
				_, err := Open(sealed, one+other, stored(successor), grantID)
				require.Error(t, err)
			}
		}
	}
}

// A token may be rotated twice, and a successor may be longer than a digest. No
// part of a pad is used twice: then two sealed texts would tell how they differ.
func TestPad(t *testing.T) {
	const long = 1000
	pads := make([]byte, 2*long)
	pad(pads[:long], presented, stored(successor))
	pad(pads[long:], presented, stored("another successor"))
	seen := map[string]bool{}
	for from := 0; from < 2*long; from += long {
		for part := pads[from:][:long]; len(part) >= sha256.Size; part = part[sha256.Size:] {
			require.False(t, seen[string(part[:sha256.Size])])
			seen[string(part[:sha256.Size])] = true
		}
	}
	require.Len(t, seen, 2*(long/sha256.Size))

	// NIST SP 800-56C, section 4.1: SHA-256 of a counter, the secret, and what
	// else the pad depends on.
	info := presented + "oauth2server successor pad" + stored(successor)
	first, second := sha256.Sum256([]byte("\x00\x00\x00\x01"+info)), sha256.Sum256([]byte("\x00\x00\x00\x02"+info))
	require.Equal(t, append(first[:], second[:]...), pads[:2*sha256.Size])

	for _, many := range []int{20, 31, 32, 33, 43, 64, 65, 800} {
		text := strings.Repeat("t", many)
		sealed := Seal(presented, text, stored(text))
		require.Len(t, sealed, 1+many)
		opened, err := Open(sealed, presented, stored(text), grantID)
		require.NoError(t, err)
		require.Equal(t, text, opened)
	}
}
