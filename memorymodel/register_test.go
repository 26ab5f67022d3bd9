// This file tests registration in memory; what mongomodel promises too is tested
// in the root.

package memorymodel

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
)

func TestShortSecrets(t *testing.T) {
	require.ErrorIs(t, newModel().AddClient(&oauth2server.Client{ID: "a"}, "qwerty"), oauth2server.ErrShortSecret)
	m := New(&Options{InsecureAllowShortSecrets: true})
	require.NoError(t, m.AddClient(&oauth2server.Client{ID: "a"}, "qwerty"))
	require.NoError(t, m.SetClientSecret(t.Context(), "a", "azerty"))
	c, err := m.GetClient(t.Context(), "a", "azerty")
	require.NoError(t, err)
	require.Equal(t, "a", c.ID)
}

func TestExtensionGrants(t *testing.T) {
	own := []string{"otp"}
	m := New(&Options{ExtensionGrants: own})
	own[0] = "changed"
	require.NoError(t, m.AddClient(&oauth2server.Client{ID: "a", Grants: []string{"otp"}}, secret))
	require.ErrorIs(t, m.UpdateClient(t.Context(), &oauth2server.Client{ID: "a",
		Grants: []string{"changed"}}), oauth2server.InvalidArgument)
}

func TestUsers(t *testing.T) {
	m := newModel()
	require.NoError(t, m.AddUser(&oauth2server.User{ID: "u1", Data: 7}, "andy", "a password"))
	u, err := m.GetUser(t.Context(), "andy", "a password", nil)
	require.NoError(t, err)
	require.Equal(t, &oauth2server.User{ID: "u1", Data: 7}, u)
	u.ID = "changed"
	u, err = m.UserByID(t.Context(), "u1")
	require.NoError(t, err)
	require.Equal(t, &oauth2server.User{ID: "u1", Data: 7}, u)
	require.NoError(t, m.UpdateUser(t.Context(), &oauth2server.User{ID: "u1", Data: 8}, "andy"))
	page, err := m.ListUsers(t.Context(), "", 0)
	require.NoError(t, err)
	require.Equal(t, []*oauth2server.NamedUser{{User: oauth2server.User{ID: "u1", Data: 8}, Username: "andy"}}, page)

	require.Error(t, New(&Options{PasswordCost: 99}).AddUser(&oauth2server.User{ID: "b"}, "b", "p"))
	u, err = m.GetUserFromClient(t.Context(), &oauth2server.Client{ID: "web"})
	require.NoError(t, err)
	require.Equal(t, "client:web", u.ID)
}

// A hash of another program or of a lower cost is replaced when its user signs in.
func TestHashesAreReplaced(t *testing.T) {
	const foreign = "$2y$05$WMmKbhSYxUnEth3XcvFr2u21QwqdDhSgxlpuvdmM59a05DmkL/Gwq" // PHP's, of "pass word"
	m := newModel()
	require.NoError(t, m.AddUserHash(t.Context(), &oauth2server.User{ID: "u1", Data: 7}, "andy", foreign))
	require.Equal(t, foreign, m.user("u1").hash)
	_, err := m.GetUser(t.Context(), "andy", "wrong", nil)
	require.ErrorIs(t, err, oauth2server.ErrNotFound)
	require.Equal(t, foreign, m.user("u1").hash)
	for range 2 {
		u, err := m.GetUser(t.Context(), "andy", "pass word", nil)
		require.NoError(t, err)
		require.Equal(t, &oauth2server.User{ID: "u1", Data: 7}, u)
		require.Regexp(t, `^\$2a\$04\$`, m.user("u1").hash)
	}
	there := m.user("u1")
	m.refreshHash(&user{username: "andy"}, "of somebody who was replaced since")
	m.refreshHash(&user{username: "nobody"}, "of nobody")
	require.Same(t, there, m.user("u1"))
	byName, _ := m.users.Load("andy")
	require.Same(t, there, byName)
}

// An unknown name costs a hash too: with this cost none can be made, so it fails.
func TestUnknownUsersCostAHash(t *testing.T) {
	m := New(&Options{PasswordCost: 99})
	_, err := m.GetUser(t.Context(), "nobody", "p", nil)
	require.ErrorContains(t, err, "memorymodel: ")
	require.NotErrorIs(t, err, oauth2server.ErrNotFound)
	m.users.Store("broken", &user{hash: "no hash"})
	_, err = m.GetUser(t.Context(), "broken", "p", nil)
	require.ErrorContains(t, err, "memorymodel: ")
}
