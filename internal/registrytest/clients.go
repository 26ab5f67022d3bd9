// This file tests clients.

package registrytest

import (
	"context"
	"fmt"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
)

// Clients are registered and changed; what is wrong is refused.
func Clients(t *testing.T, m Fixture) {
	ctx := t.Context()
	const another = "another-client-secret-of-good-length"
	web := &oauth2server.Client{
		ID:                   "web",
		Grants:               builtIn,
		RedirectURIs:         []string{callback},
		Scope:                oauth2server.Scope{"read"},
		AccessTokenLifetime:  time.Minute,
		RefreshTokenLifetime: time.Hour,
	}
	public := &oauth2server.Client{ID: "web", Public: true, RedirectURIs: []string{callback}}
	unknown := []string{"x"}
	require.NoError(t, m.AddClient(web, secret))
	require.NoError(t, m.AddClient(&oauth2server.Client{ID: "app", Public: true}, ""))
	err := m.AddClient(&oauth2server.Client{ID: "web", Public: true}, "")
	require.ErrorIs(t, err, oauth2server.ErrExists)
	require.ErrorContains(t, err, `"web"`)
	require.True(t, m.holds(t, "web", secret), "the first one is as it was")
	require.True(t, m.holds(t, "app", ""))
	require.False(t, m.holds(t, "app", secret))

	for name, act := range map[string]func() error{
		"add, nil": func() error { return m.AddClient(nil, secret) },
		"add, unknown grant": func() error {
			return m.AddClient(&oauth2server.Client{ID: "x", Grants: unknown}, secret)
		},
		"add, no secret":    func() error { return m.AddClient(&oauth2server.Client{ID: "x"}, "") },
		"add, short secret": func() error { return m.AddClient(&oauth2server.Client{ID: "x"}, "qwerty") },
		"update, nil":       func() error { return m.UpdateClient(ctx, nil) },
		"update, unknown grant": func() error {
			return m.UpdateClient(ctx, &oauth2server.Client{ID: "web", Grants: unknown})
		},
		"update, into public":    func() error { return m.UpdateClient(ctx, public) },
		"update, out of public":  func() error { return m.UpdateClient(ctx, &oauth2server.Client{ID: "app"}) },
		"secret, none":           func() error { return m.SetClientSecret(ctx, "web", "") },
		"secret, short":          func() error { return m.SetClientSecret(ctx, "web", "qwerty") },
		"secret, newline":        func() error { return m.SetClientSecret(ctx, "web", another+"\n") },
		"secret, of public":      func() error { return m.SetClientSecret(ctx, "app", another) },
		"rotate, of public":      func() error { return m.RotateClientSecret(ctx, "app", another, time.Hour) },
		"rotate, in nanoseconds": func() error { return m.RotateClientSecret(ctx, "web", another, 3600) },
		"rotate, into the past":  func() error { return m.RotateClientSecret(ctx, "web", another, -time.Hour) },
	} {
		require.ErrorIs(t, act(), oauth2server.InvalidArgument, name)
	}
	for name, act := range map[string]func() error{
		"update": func() error { return m.UpdateClient(ctx, &oauth2server.Client{ID: "x"}) },
		"secret": func() error { return m.SetClientSecret(ctx, "x", another) },
		"rotate": func() error { return m.RotateClientSecret(ctx, "x", another, time.Hour) },
		"delete": func() error { return m.DeleteClient(ctx, "x") },
	} {
		require.ErrorIs(t, act(), oauth2server.ErrNotFound, name)
	}

	web.Scope, web.Grants, web.AccessTokenLifetime = nil, []string{"refresh_token", ExtensionGrant}, 0
	require.NoError(t, m.UpdateClient(ctx, web))
	got, err := m.Peer.GetClient(ctx, "web", secret)
	require.NoError(t, err)
	require.Equal(t, web, got)
	require.True(t, m.holds(t, "web", secret), "an update leaves the secret")

	require.NoError(t, m.SetClientSecret(ctx, "web", another))
	require.False(t, m.holds(t, "web", secret))
	require.True(t, m.holds(t, "web", another))
}

// Cancelled: a context that has ended is reported as such, and nothing changes.
func Cancelled(t *testing.T, m Fixture) {
	require.NoError(t, m.AddClient(&oauth2server.Client{ID: "web"}, secret))
	require.NoError(t, m.AddUser(&oauth2server.User{ID: "u1"}, "andy", "p"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	u2 := &oauth2server.User{ID: "u2"}
	for name, act := range map[string]func() error{
		"ListClients":        func() error { _, err := m.ListClients(ctx, "", 0); return err },
		"ListUsers":          func() error { _, err := m.ListUsers(ctx, "", 0); return err },
		"UpdateClient":       func() error { return m.UpdateClient(ctx, &oauth2server.Client{ID: "web"}) },
		"SetClientSecret":    func() error { return m.SetClientSecret(ctx, "web", secret+"2") },
		"RotateClientSecret": func() error { return m.RotateClientSecret(ctx, "web", secret+"2", time.Hour) },
		"DeleteClient":       func() error { return m.DeleteClient(ctx, "web") },
		"AddUserHash":        func() error { return m.AddUserHash(ctx, u2, "bert", foreignHash) },
		"UpdateUser":         func() error { return m.UpdateUser(ctx, &oauth2server.User{ID: "u1"}, "bert") },
		"SetPassword":        func() error { return m.SetPassword(ctx, "u1", "another") },
		"DeleteUser":         func() error { return m.DeleteUser(ctx, "u1") },
		"UserByID":           func() error { _, err := m.UserByID(ctx, "u1"); return err },
	} {
		require.ErrorIs(t, act(), context.Canceled, name)
	}
	require.True(t, m.holds(t, "web", secret))
	_, err := m.GetUser(t.Context(), "andy", "p", nil)
	require.NoError(t, err)
}

// TwoSecrets: while a second secret is valid, both authenticate the client, over HTTP too.
func TwoSecrets(t *testing.T, m Fixture) {
	ctx := t.Context()
	first, second, third := secret+"1", secret+"2", secret+"3"
	require.NoError(t, m.AddClient(&oauth2server.Client{ID: "web", Grants: []string{"client_credentials"}}, first))
	endpoint := tokenEndpoint(t, m.Peer)
	works := func(secret string) bool { return endpoint(secret, "grant_type", "client_credentials") == 200 }
	require.NoError(t, m.RotateClientSecret(ctx, "web", second, time.Hour))
	require.True(t, works(first))
	require.True(t, works(second))
	require.False(t, works(third))
	require.NoError(t, m.RotateClientSecret(ctx, "web", second, time.Hour), "the answer was lost")
	require.True(t, works(first))
	require.NoError(t, m.UpdateClient(ctx, &oauth2server.Client{ID: "web", Grants: []string{"client_credentials"}}))
	require.True(t, works(first))

	require.NoError(t, m.RotateClientSecret(ctx, "web", third, time.Hour))
	require.False(t, works(first))
	require.True(t, works(second))
	require.True(t, works(third))
	require.NoError(t, m.RotateClientSecret(ctx, "web", first, time.Second))
	require.NoError(t, m.RotateClientSecret(ctx, "web", third, time.Second))
	if !testing.Short() { // until the old secret ends, a second of real time later
		poll := time.Tick(20 * time.Millisecond)
		for begin := time.Now(); works(first); <-poll {
			require.Less(t, time.Since(begin), time.Minute)
		}
	}
	require.True(t, works(third))

	require.NoError(t, m.RotateClientSecret(ctx, "web", first, time.Hour))
	require.NoError(t, m.SetClientSecret(ctx, "web", second))
	require.False(t, works(first))
	require.False(t, works(third), "at once: somebody else may know it")
	require.True(t, works(second))
}

// RotatingAtOnce: when several rotate at once, each secret is the previous or the current one,
// and the last one set is in force.
func RotatingAtOnce(t *testing.T, m Fixture) {
	require.NoError(t, m.AddClient(&oauth2server.Client{ID: "web"}, secret))
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			if err := m.RotateClientSecret(t.Context(), "web", secret+fmt.Sprint(i), time.Hour); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	good := 0
	for i := range 4 {
		if m.holds(t, "web", secret+fmt.Sprint(i)) {
			good++
		}
	}
	if !m.NotAtomic {
		require.Equal(t, 2, good)
		require.False(t, m.holds(t, "web", secret))
	}
	require.NotZero(t, good)
}

// Lists go by pages, in the order of IDs.
func Lists(t *testing.T, m Fixture) {
	ctx := t.Context()
	page, err := m.ListClients(ctx, "", 10)
	require.NoError(t, err)
	require.Empty(t, page)
	ids := []string{"!", "A", "a", "aa", "b", "~"}
	users := []string{"!", "A", "a", "aa", "b", "\u00e9", "\U0001F98A"}
	for i := range ids {
		id := ids[len(ids)-1-i]
		require.NoError(t, m.AddClient(&oauth2server.Client{ID: id, Public: true, Grants: []string{"password"}}, ""))
	}
	for i, id := range users {
		require.NoError(t, m.AddUser(&oauth2server.User{ID: id}, fmt.Sprint("user", i), "p"))
	}
	require.NoError(t, m.DeleteClient(ctx, "aa"))
	require.NoError(t, m.DeleteUser(ctx, "aa"))
	for _, limit := range []int{1, 2, 3, 5, 6, 100, 0, -1, math.MaxInt} {
		var got, names []string
		for after := ""; ; after = got[len(got)-1] {
			page, err := m.ListClients(ctx, after, limit)
			require.NoError(t, err)
			if len(page) == 0 {
				break
			}
			if limit > 0 {
				require.LessOrEqual(t, len(page), limit)
			}
			for _, c := range page {
				want := &oauth2server.Client{ID: c.ID, Public: true, Grants: []string{"password"}}
				require.Equal(t, want, withoutEmpty(c))
				got = append(got, c.ID)
			}
		}
		require.Equal(t, []string{"!", "A", "a", "b", "~"}, got, limit)
		got = nil
		for after := ""; ; after = got[len(got)-1] {
			page, err := m.ListUsers(ctx, after, limit)
			require.NoError(t, err)
			if len(page) == 0 {
				break
			}
			for _, u := range page {
				got, names = append(got, u.ID), append(names, u.Username)
			}
		}
		require.Equal(t, []string{"!", "A", "a", "b", "\u00e9", "\U0001F98A"}, got, limit)
		require.Equal(t, []string{"user0", "user1", "user2", "user4", "user5", "user6"}, names)
	}
	require.NoError(t, m.AddClient(&oauth2server.Client{ID: "aa", Public: true}, ""), "and what comes later is in it")
	page, err = m.ListClients(ctx, "a", 1)
	require.NoError(t, err)
	require.Equal(t, "aa", page[0].ID)
	page[0].Grants = append(page[0].Grants, "changed")
	page, err = m.ListClients(ctx, "a", 1)
	require.NoError(t, err)
	require.Empty(t, page[0].Grants)
}

// withoutEmpty turns empty lists into nil, as a storage may not tell them
// apart.
func withoutEmpty(c *oauth2server.Client) *oauth2server.Client {
	own := *c
	if len(own.RedirectURIs) == 0 {
		own.RedirectURIs = nil
	}
	if len(own.Scope) == 0 {
		own.Scope = nil
	}
	return &own
}
