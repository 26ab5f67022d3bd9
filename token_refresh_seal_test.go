package oauth2server

import (
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
