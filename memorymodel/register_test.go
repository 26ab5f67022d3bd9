package memorymodel

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
)

func TestAddClient(t *testing.T) {
	m := newModel()
	require.NoError(t, m.AddClient(&oauth2server.Client{ID: "web", RedirectURIs: []string{"https://a.example"}}, secret))
	for name, row := range map[string]struct {
		client oauth2server.Client
		secret string
		want   string
	}{
		"no id":                    {oauth2server.Client{}, secret, "no ID"},
		"taken":                    {oauth2server.Client{ID: "web"}, secret, "already"},
		"public with a secret":     {oauth2server.Client{ID: "a", Public: true}, secret, "public"},
		"confidential without one": {oauth2server.Client{ID: "a"}, "", "needs a secret"},
		"short secret":             {oauth2server.Client{ID: "a"}, "qwerty", "fewer than 22"},
		"bad redirection URI":      {oauth2server.Client{ID: "a", RedirectURIs: []string{"javascript:alert(1)"}}, secret, "redirection URI"},
	} {
		require.ErrorContains(t, m.AddClient(&row.client, row.secret), row.want, name)
	}
	m = New(&Options{InsecureAllowShortSecrets: true})
	require.NoError(t, m.AddClient(&oauth2server.Client{ID: "a"}, "qwerty"))
	c, err := m.GetClient(t.Context(), "a", "qwerty")
	require.NoError(t, err)
	require.Equal(t, "a", c.ID)
}

func TestAddUser(t *testing.T) {
	m := newModel()
	require.NoError(t, m.AddUser(&oauth2server.User{ID: "u1", Data: 7}, "andy", "a password"))
	u, err := m.GetUser(t.Context(), "andy", "a password", nil)
	require.NoError(t, err)
	require.Equal(t, &oauth2server.User{ID: "u1", Data: 7}, u)
	require.ErrorContains(t, m.AddUser(&oauth2server.User{}, "b", "p"), "needs an ID")
	require.ErrorContains(t, m.AddUser(&oauth2server.User{ID: "b"}, "", "p"), "needs an ID")
	require.ErrorContains(t, m.AddUser(&oauth2server.User{ID: "b"}, "b", ""), "needs an ID")
	require.ErrorContains(t, m.AddUser(&oauth2server.User{ID: "b"}, "andy", "p"), "already")
	require.ErrorContains(t, m.AddUser(&oauth2server.User{ID: "u1"}, "b", "p"), "already")
	require.ErrorContains(t, m.AddUser(&oauth2server.User{ID: "client:web"}, "b", "p"), "for clients")
	require.Error(t, New(&Options{PasswordCost: 99}).AddUser(&oauth2server.User{ID: "b"}, "b", "p"))

	u, err = m.GetUserFromClient(t.Context(), &oauth2server.Client{ID: "web"})
	require.NoError(t, err)
	require.Equal(t, "client:web", u.ID)
}

// An unknown name costs a hash as a known one does. This one cannot be made, so it was tried.
func TestUnknownUsersCostAHash(t *testing.T) {
	m := New(&Options{PasswordCost: 99})
	_, err := m.GetUser(t.Context(), "nobody", "p", nil)
	require.ErrorContains(t, err, "memorymodel: ")
	require.NotErrorIs(t, err, oauth2server.ErrNotFound)
	m.users.Store("broken", &user{hash: []byte("no hash")})
	_, err = m.GetUser(t.Context(), "broken", "p", nil)
	require.ErrorContains(t, err, "memorymodel: ")
}
