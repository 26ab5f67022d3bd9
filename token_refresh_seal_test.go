package oauth2server

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server/internal/seal"
)

// The successor that a rotation stores opens with the presented token, and with
// nothing that is stored.
func TestARotationSealsUnderThePresentedToken(t *testing.T) {
	old := &Token{RefreshToken: newID(), GrantID: newID()}
	next := Token{User: &User{ID: "u1"}, GrantID: old.GrantID}
	issued := &Token{AccessToken: newID(), RefreshToken: newID(), Client: &Client{ID: "web"}}
	s, g := &Server{}, &GrantRequest{}
	f := &refreshing{s: s, g: g, old: old, next: next, issued: issued}
	_, entry, refused := f.rotate(ruling{verdict: rotate, place: 2})
	require.Nil(t, refused)
	open := func(with string) (string, error) {
		return seal.Open(entry.Sealed, with, entry.Successor, old.GrantID)
	}
	successor, err := open(old.RefreshToken)
	require.NoError(t, err)
	require.Equal(t, issued.RefreshToken, successor)
	for _, stored := range []string{entry.Presented, entry.Successor, entry.AccessToken, entry.GrantID,
		entry.Nonce, entry.UserID, entry.ClientID} {
		_, err := open(stored)
		require.Error(t, err)
	}
}

// What an earlier version sealed, with AES-256-GCM, is given again too.
func TestARetryOpensTheOlderSeal(t *testing.T) {
	old := &Token{RefreshToken: newID(), GrantID: newID()}
	successor := newID()
	key := sha256.Sum256([]byte("\x00\x00\x00\x01" + old.RefreshToken + "oauth2server refresh successor"))
	block, err := aes.NewCipher(key[:])
	require.NoError(t, err)
	aead, err := cipher.NewGCMWithRandomNonce(block)
	require.NoError(t, err)
	rotation := &GrantEntry{GrantID: old.GrantID, Seq: 2, Kind: EntryRotate, Successor: Digest(successor),
		Sealed: aead.Seal([]byte{1}, nil, []byte(successor), []byte(old.GrantID))}
	f := &refreshing{s: &Server{}, g: &GrantRequest{}, old: old, next: Token{User: &User{ID: "u1"}},
		issued: &Token{AccessToken: newID(), Client: &Client{ID: "web"}}}
	answer, _, refused := f.repeat(ruling{verdict: retry, place: 3, rotation: rotation})
	require.Nil(t, refused)
	require.Equal(t, successor, answer.RefreshToken)
}
