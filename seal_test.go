package oauth2server

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSeal(t *testing.T) {
	const presented, successor = "a refresh token with 128 bits", "its successor"
	one, err := seal(presented, "g", successor)
	require.NoError(t, err)
	two, err := seal(presented, "g", successor)
	require.NoError(t, err)
	require.NotEqual(t, one, two, "a token may be rotated twice")
	opened, err := unseal(presented, "g", one)
	require.NoError(t, err)
	require.Equal(t, successor, opened)

	require.NotContains(t, string(one), successor)
	for name, try := range map[string]func() (string, error){
		"the digest, which is stored": func() (string, error) { return unseal(Digest(presented), "g", one) },
		"the digest of the successor": func() (string, error) { return unseal(Digest(successor), "g", one) },
		"the successor":               func() (string, error) { return unseal(successor, "g", one) },
		"another grant":               func() (string, error) { return unseal(presented, "h", one) },
		"another version":             func() (string, error) { return unseal(presented, "g", append([]byte{one[0] ^ 3}, one[1:]...)) },
		"a changed bit":               func() (string, error) { return unseal(presented, "g", append([]byte{one[0], one[1] ^ 1}, one[2:]...)) },
		"nothing":                     func() (string, error) { return unseal(presented, "g", nil) },
		"a beginning":                 func() (string, error) { return unseal(presented, "g", one[:20]) },
	} {
		_, err := try()
		require.Error(t, err, name)
	}
}

// Who has a dump has the digest of what was presented, and this code. The key must not follow from that.
func TestADumpOpensNothing(t *testing.T) {
	const presented = "a refresh token with 128 bits"
	sealed, err := seal(presented, "g", "its successor")
	require.NoError(t, err)
	digest := sha256.Sum256([]byte(presented))
	for _, dumped := range []string{Digest(presented), string(digest[:]), "", "g"} {
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

// What a rotation stores of its successor opens with the token that was presented, and with nothing that is stored.
func TestARotationSealsUnderThePresentedToken(t *testing.T) {
	old := &Token{RefreshToken: newID(), GrantID: newID()}
	next := Token{User: &User{ID: "u1"}, GrantID: old.GrantID}
	issued := &Token{AccessToken: newID(), RefreshToken: newID(), Client: &Client{ID: "web"}}
	s, g := &Server{}, &GrantRequest{}
	_, entry, refused := (&refreshing{s: s, g: g, old: old, next: next, presented: Digest(old.RefreshToken), issued: issued}).rotate(ruling{verdict: rotate, place: 2})
	require.Nil(t, refused)
	successor, err := unseal(old.RefreshToken, old.GrantID, entry.Sealed)
	require.NoError(t, err)
	require.Equal(t, issued.RefreshToken, successor)
	for _, stored := range []string{entry.Presented, entry.Successor, entry.AccessToken, entry.GrantID, entry.Nonce, entry.UserID, entry.ClientID} {
		_, err := unseal(stored, old.GrantID, entry.Sealed)
		require.Error(t, err)
	}
}
