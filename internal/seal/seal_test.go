package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"testing"

	"github.com/stretchr/testify/require"
)

// stored is what a storage has of a token.
func stored(token string) string {
	digest := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(digest[:])
}

func TestSeal(t *testing.T) {
	const presented, successor = "a refresh token with 128 bits", "its successor"
	one, err := Seal(presented, "g", successor)
	require.NoError(t, err)
	two, err := Seal(presented, "g", successor)
	require.NoError(t, err)
	require.NotEqual(t, one, two, "a token may be rotated twice")
	opened, err := Open(presented, "g", one)
	require.NoError(t, err)
	require.Equal(t, successor, opened)

	require.NotContains(t, string(one), successor)
	for name, try := range map[string]func() (string, error){
		"the digest, which is stored": func() (string, error) { return Open(stored(presented), "g", one) },
		"the digest of the successor": func() (string, error) { return Open(stored(successor), "g", one) },
		"the successor":               func() (string, error) { return Open(successor, "g", one) },
		"another grant":               func() (string, error) { return Open(presented, "h", one) },
		"another version": func() (string, error) {
			return Open(presented, "g",
				append([]byte{one[0] ^ 3}, one[1:]...))
		},
		"a changed bit": func() (string, error) {
			return Open(presented, "g", append([]byte{one[0], one[1] ^ 1}, one[2:]...))
		},
		"nothing":     func() (string, error) { return Open(presented, "g", nil) },
		"a beginning": func() (string, error) { return Open(presented, "g", one[:20]) },
	} {
		_, err := try()
		require.Error(t, err, name)
	}
}

// Who has a dump has the digest of what was presented, and this code. The key
// must not follow from that.
func TestADumpOpensNothing(t *testing.T) {
	const presented = "a refresh token with 128 bits"
	sealed, err := Seal(presented, "g", "its successor")
	require.NoError(t, err)
	digest := sha256.Sum256([]byte(presented))
	for _, dumped := range []string{stored(presented), string(digest[:]), "", "g"} {
		derived := sha256.Sum256([]byte("\x00\x00\x00\x01" + dumped + "oauth2server refresh successor"))
		for _, key := range [][]byte{derived[:], digest[:]} {
			block, err := aes.NewCipher(key)
			require.NoError(t, err)
			aead, err := cipher.NewGCMWithRandomNonce(block)
			require.NoError(t, err)
			_, err = aead.Open(nil, nil, sealed[1:], []byte("g"))
			require.Error(t, err)
		}
	}
}
